"""Logged requests and the notes on them."""
