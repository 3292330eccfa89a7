"""``promptsync new``: write the file of a new prompt."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import click
from msgspec.structs import replace

from promptsync.commands.shared.groups import flag, option
from promptsync.commands.shared.options import check_apart
from promptsync.commands.shared.session import Session, verb
from promptsync.errors import UsageError
from promptsync.files.disk import real_path
from promptsync.files.git.repository import is_in_repository
from promptsync.files.prompt_file import render_edit, scan
from promptsync.files.yaml.load import InvalidFile
from promptsync.project.target import unknown
from promptsync.prompt.names import SUFFIXES, name_for
from promptsync.setup.init import MODEL, new_text, write_new
from promptsync.show.notes import numbered
from promptsync.show.outcome import Outcome
from promptsync.terminal import output


@verb("new")
@click.argument("name", metavar="NAME")
@flag("--snippet", "Write a snippet: text for other prompts to insert.")
@option("--from source", "PROMPT", "Copy the file of another prompt.")
@option("--model", "PROVIDER/MODEL", f"The model of the prompt (default: {MODEL}).")
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
    config = session.config()
    if name.endswith(SUFFIXES) or name.startswith((".", "/")):
        meant = name_for(name.lstrip("./").removeprefix(f"{config.prompts}/"))
        hint = f"promptsync new {shlex.quote(meant)}"
        raise UsageError(f"{name!r} looks like a path; new takes the name of a prompt", hint=hint)
    worktree = scan(config.root, config.prompts)
    paths = {real_path(config.root / file.path): file for file in worktree.files.values()}
    file = worktree.files.get(source or "") or paths.get(real_path(session.directory / (source or "")))
    if source is not None and file is None:
        broken = [problem for problem in worktree.problems if worktree.broken.get(problem.path) == source]
        missing = unknown(source, worktree.files, config.prompts, where=f"{config.prompts}/")
        raise InvalidFile(broken) if broken else missing
    if file is not None:
        # Without the versions that it includes.
        copy, local = replace(file.prompt, name=name), replace(file.local, synced={})
        text, has_example = render_edit(file, copy, local, named=True), bool(file.local.examples)
    else:
        text, has_example = new_text(name, model, is_snippet=snippet), not snippet
    path = write_new(config, worktree, name, text, is_copy=file is not None)
    path = Path(os.path.relpath(config.root / path, session.directory)).as_posix()
    at = f" -C {shlex.quote(session.directory_option)}" if session.directory_option else ""
    commands = [
        f"promptsync{at} lint {shlex.quote(path)}",
        f"promptsync{at} render {shlex.quote(name)}{' --example 1' if has_example else ''}",
        f"git{at} add {shlex.quote(path)}",
        f"git{at} commit -m {shlex.quote(f'Add {name}')}",
        f"promptsync{at} push {shlex.quote(name)}",
    ]
    if not is_in_repository(config.root):
        del commands[2:4]
    lines = [f"{output.style('created', 'good')}  {output.name(path)}"]
    if not session.quiet:
        lines += ["", f"Edit {output.name(path)}. Next:", *numbered(commands)]
    return Outcome(lines, {"name": name, "path": path, "next": [{"do": command} for command in commands]})
