"""What the values of the library look like: as text for people, as documents for programs, as Markdown."""
