"""The PromptLayer API, which the embedded registry speaks, too. Only this folder knows paths and bodies."""
