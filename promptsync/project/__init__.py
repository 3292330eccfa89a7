"""A working copy and its registry: what every action starts from, and what its arguments mean."""
