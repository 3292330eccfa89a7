"""Checking prompts with evaluations and agents: select, run, bind to versions, results; and tracking."""
