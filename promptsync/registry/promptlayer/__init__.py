"""The PromptLayer API, which the embedded registry has too. Only this folder knows its paths and bodies."""
