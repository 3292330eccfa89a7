"""What git knows of prompt files."""
