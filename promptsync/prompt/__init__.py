"""What a prompt is, and everything that can be computed from prompts alone."""
