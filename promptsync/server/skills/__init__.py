"""Skill collections: versioned folders of instructions for coding agents."""
