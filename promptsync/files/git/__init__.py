"""What git knows about prompt files."""
