"""Evaluations and agents: what the fixtures file declares, and running it."""
