"""``python -m promptsync``."""

from promptsync.cli import main

if __name__ == "__main__":
    main()
