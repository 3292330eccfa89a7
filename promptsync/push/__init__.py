"""Publishing changed prompts as new versions: plan, apply, receipt."""
