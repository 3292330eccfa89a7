"""Moving release labels: plan, apply, receipt."""
