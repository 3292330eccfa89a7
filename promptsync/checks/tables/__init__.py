"""Checks on tables: the sheets of the registry that run a text of ours on the rows of an evaluation."""
