"""Checks of prompt files that need no network: what the registry rejects, what surprises people. Pure."""
