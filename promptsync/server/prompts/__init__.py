"""Prompt templates: publishing, reading, labels, folders and everything else that belongs to one."""
