"""Renders templates with a ceiling of time, memory and length, whatever they do."""
