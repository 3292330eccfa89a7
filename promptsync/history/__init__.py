"""The versions of a prompt as a graph: what each was made from and includes, and which side changed what."""
