"""What a working copy keeps for itself in ``.promptsync/``, and how files are replaced safely."""
