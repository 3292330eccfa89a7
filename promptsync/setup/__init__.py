"""Setting up a working copy, importing an existing registry, and finding what is wrong with a set-up."""
