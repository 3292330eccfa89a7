"""The history of prompt files in git."""
