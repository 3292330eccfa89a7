"""``promptsync new``: write the file of a new prompt."""

from __future__ import annotations

import os
import shlex
from functools import partial
from pathlib import Path

import click

from promptsync.commands.shared.options import check_apart
from promptsync.commands.shared.session import Session, verb
from promptsync.errors import UsageError
from promptsync.files.errors import InvalidFile
from promptsync.files.prompt_file import PromptFile
from promptsync.files.worktree import Worktree, scan
from promptsync.project.project import Project
from promptsync.project.target import resolve, unknown
from promptsync.prompt.names import SUFFIXES, name_for
from promptsync.setup.new_prompt import MODEL, copied_text, prompt_text, snippet_text, write_new
from promptsync.show.lines import numbered
from promptsync.show.outcome import Outcome
from promptsync.terminal import output


@verb("new", blank={"name": None, "path": None, "next": []})
@click.argument("name", metavar="NAME")
@click.option("--snippet", is_flag=True, help="A text that other prompts insert, instead of messages.")
@click.option("--from", "source", metavar="PROMPT", help="Copy the file of another prompt.")
@click.option("--model", metavar="PROVIDER/MODEL", help=f"The model of the prompt (default: {MODEL}).")
def command(session: Session, name: str, snippet: bool, source: str | None, model: str | None) -> Outcome:
    """Write the file of a new prompt: a short chat prompt that passes lint, for you to edit.

    Nothing is published. An existing file is never replaced.

    \b
    promptsync new support/refund
    promptsync new support/refund --model anthropic/claude-sonnet-4
    promptsync new support/exchange --from support/refund
    promptsync new house-tone --snippet
    """
    check_apart(("--snippet", snippet), ("--from", source), ("--model", model))
    if name.endswith(SUFFIXES) or name.startswith((".", "/")):
        meant = name_for(name.lstrip("./").removeprefix(f"{session.config().prompts}/"))
        raise UsageError(
            f"{name!r} looks like a path; new takes the name of a prompt",
            hint=f"promptsync new {shlex.quote(meant)}",
        )
    with session.project() as project:
        worktree, is_in_git = scan(project.root, project.config.prompts), project.in_git
        file = None if source is None else _file(project, worktree, source)
        text = snippet_text(name) if snippet else prompt_text(name, model or MODEL)
        text = text if file is None else copied_text(file, name)
        path = write_new(project.config, worktree, name, text, is_copy=file is not None)
        path = Path(os.path.relpath(project.root / path, session.directory)).as_posix()
    at = ["-C", session.directory_option] if session.directory_option else []
    has_example = bool(file.local.examples) if file is not None else not snippet
    commits = [["git", *at, "add", path], ["git", *at, "commit", "-m", f"Add {name}"]]
    steps = [
        ["promptsync", *at, "lint", path],
        ["promptsync", *at, "render", name, *(["--example", "1"] if has_example else [])],
        *(commits if is_in_git else []),
        ["promptsync", *at, "push", name],
    ]
    commands = [shlex.join(step) for step in steps]
    lines = [f"{output.style('created', 'good')}  {output.name(path)}"]
    if not session.quiet:
        lines += ["", f"Edit {output.name(path)}. Next:", *numbered(commands)]
    return Outcome(lines, {"name": name, "path": path, "next": [{"do": command} for command in commands]})


def _file(project: Project, worktree: Worktree, source: str) -> PromptFile:
    """Return the file of the prompt to copy. Raises ``NoSuchPrompt`` and ``InvalidFile``."""
    problems = [problem for problem in worktree.problems if worktree.broken.get(problem.path) == source]
    if problems:
        raise InvalidFile(problems)
    missing = partial(unknown, prompts=project.config.prompts, where=f"{project.config.prompts}/")
    targets = resolve(project, [source], worktree.files, with_versions=False, missing=missing)
    if len(targets) > 1:
        raise UsageError(
            f"--from takes one prompt, and {source!r} matches {len(targets)}",
            hint=f"--from {shlex.quote(targets[0].name)}",
        )
    return worktree.files[targets[0].name]
