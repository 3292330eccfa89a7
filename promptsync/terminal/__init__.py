"""Output to terminals and pipes: text, width, pager, progress. Does not depend on what a prompt is."""
