"""A working copy in git, without any registry."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from promptsync.compare.difference import ChangedPrompts, changed_since
from promptsync.files.config import load
from promptsync.files.prompt_file import scan
from promptsync.project.project import open_project

GITCONFIG = str(Path(__file__).with_name("gitconfig"))

Files = Mapping[str, str]
"""Texts by path below the directory of promptsync.yaml."""


def git(directory: Path, *arguments: str, check: bool = True, **environ: str) -> str:
    """Run git in a directory; return what it prints, without the last line end."""
    command, environment = ["git", *arguments], {**os.environ, **environ}
    done = subprocess.run(
        command, cwd=directory, env=environment, capture_output=True, text=True, check=check
    )
    return done.stdout.removesuffix("\n")


@dataclass(frozen=True)
class Copy:
    """``top`` is the top of the repository, ``root`` the directory of promptsync.yaml."""

    top: Path
    root: Path

    @classmethod
    def made(cls, top: Path, below: str = ".", config: str = "prompts: prompts\n") -> Copy:
        """A new repository with a configuration, not committed yet."""
        root = top / below
        root.mkdir(parents=True, exist_ok=True)
        git(top, "init", "-q", "-b", "main")
        (root / "promptsync.yaml").write_text(config, "utf-8")
        return cls(top, root)

    def git(self, *arguments: str) -> str:
        return git(self.top, *arguments)

    def put(self, files: Files) -> None:
        """Write files, and leave the others."""
        for path, text in files.items():
            (self.root / path).parent.mkdir(parents=True, exist_ok=True)
            (self.root / path).write_text(text, "utf-8", newline="")

    def become(self, files: Files) -> None:
        """Make prompts/ hold these files and no others."""
        for path in (self.root / "prompts").rglob("*.y*ml"):
            path.unlink()
        self.put(files)

    def commit(self, message: str = "Change prompts") -> str:
        """Commit everything; return the full id."""
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def changed(self, since: str | None = None) -> ChangedPrompts:
        config = load(self.root / "promptsync.yaml")
        with open_project(config) as project:
            return changed_since(project, scan(config.root, config.prompts), since)

    def kinds(self, since: str | None = None) -> dict[str, str]:
        """The kind of each prompt that changed, and what a dependant is through."""
        prompts = self.changed(since).prompts
        return {one.name: " ".join(filter(None, (one.kind, " > ".join(one.through)))) for one in prompts}
