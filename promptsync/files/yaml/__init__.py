"""Strict reading of YAML, and editing it in place so that what did not change keeps every byte."""
