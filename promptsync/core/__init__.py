"""Pure rules: no I/O, no clock, no environment. Imports nothing of the layers above."""
