"""Sets up a working copy, imports an existing registry, and finds out what is wrong with a setup."""
