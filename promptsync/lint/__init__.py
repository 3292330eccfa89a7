"""The lint rules, a family a file: what the registry rejects, and likely mistakes. Pure."""
