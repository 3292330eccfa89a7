"""Declarations of types for applications: what a prompt takes and returns, in Python and TypeScript."""
