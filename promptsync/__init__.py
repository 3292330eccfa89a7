"""Keep a directory of prompt files in git and the PromptLayer registry aligned."""

__version__ = "0.1.0"
