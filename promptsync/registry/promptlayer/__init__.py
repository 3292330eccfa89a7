"""The PromptLayer API, which the embedded registry has too. Its paths and bodies are in this folder alone."""
