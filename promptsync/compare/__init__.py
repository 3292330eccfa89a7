"""Both sides of each prompt, brought to one type, and who changed what. Reads only."""
