"""What is wrong with a set-up, and the commands that fix it. Reads only."""
