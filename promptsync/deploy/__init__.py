"""Releasing what is committed: publishes, checks and moves the label, for all prompts or none."""
