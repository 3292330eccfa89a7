"""Checks on tables: sheets that run one of our prompts on the rows of an evaluation."""
