"""Running what proves a prompt, and noting what became of it: evaluations, agents, datasets, requests."""
