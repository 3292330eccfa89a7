"""What verbs show without changing anything: versions, rendered prompts, lists, lint results."""
