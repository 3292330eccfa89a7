"""What the process prints to and reads from: text, width, progress. Knows nothing of prompts."""
