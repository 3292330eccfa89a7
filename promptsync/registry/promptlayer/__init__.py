"""PromptLayer's API as a registry."""
