"""Puts this directory on the import path, for the helpers that several layers' tests share."""
