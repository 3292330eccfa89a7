"""What a prompt is: its value, canonical form, template language, differences and merges. Pure."""
