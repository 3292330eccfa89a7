"""Output to terminals and pipes: text, width, pager, progress. Knows nothing of prompts."""
