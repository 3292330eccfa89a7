"""Bringing changes of the registry into files: plan, apply, receipt."""
