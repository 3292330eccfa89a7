"""Receives the webhooks of PromptLayer, and starts workflows on GitHub or GitLab."""
