"""Releasing what git holds: what is to be published, proven and pointed at, and doing it, all or none."""
