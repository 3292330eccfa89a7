"""What results look like: text for people, JSON for programs, Markdown for pull requests."""
