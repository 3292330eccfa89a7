"""Bringing the registry's changes into the files: plan, apply, receipt."""
