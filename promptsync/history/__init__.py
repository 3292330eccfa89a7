"""The versions of a prompt as a graph: what each was made from, what a text includes, who changed what."""
