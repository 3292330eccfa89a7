"""The local side: configuration, prompt files, git history, what this working copy remembers."""
