"""Tables: sheets with columns, rows and cells, whose computed columns run prompts and checks."""
