"""The lint rules, a family to a file: what the registry rejects and what surprises people. Pure."""
