"""What is wrong with a set-up, and how to mend it. Looks only: nothing here writes anything, anywhere."""
