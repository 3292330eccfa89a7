"""Moving the pins of a snippet in the files: plan, apply, receipt."""
