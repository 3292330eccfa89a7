"""``promptsync init``: start keeping prompts in a directory."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

import click

from promptsync.commands.shared import scaffold as shared_scaffold
from promptsync.commands.shared.scaffold import Step
from promptsync.commands.shared.session import Session, verb
from promptsync.errors import UsageError
from promptsync.files.config import find
from promptsync.setup.init import EXAMPLE, Started, start
from promptsync.setup.scaffold import Scaffold, in_repository, repository, scaffold
from promptsync.show.outcome import Outcome
from promptsync.terminal import output

if TYPE_CHECKING:
    from promptsync.commands.shared.import_registry import Adopted


@verb(
    "init",
    short_help="Start keeping prompts in this directory.",
    blank={"created": [], "changed": [], "kept": [], "next": []},
)
@click.option("--prompts", metavar="DIR", help="Directory of the prompt files (default: prompts).")
@click.option("--url", metavar="URL", help="The registry to work with (default: the embedded one).")
@click.option(
    "--example/--no-example",
    default=None,
    help="Write a first prompt (default: when there is none yet and the registry is the embedded one).",
)
@click.option(
    "--from-remote",
    is_flag=True,
    help="Adopt what the registry holds: a file for each prompt (default registry: PromptLayer).",
)
@click.option(
    "--include",
    multiple=True,
    metavar="PATTERN",
    help="Names that belong to this repository, for promptsync.yaml; * crosses /. Repeatable.",
)
@click.option("--label", metavar="LABEL", help="With --from-remote: adopt the versions under LABEL.")
@click.option("--github", is_flag=True, help="Add workflows for GitHub: check, deploy and drift.")
@click.option("--pre-commit", is_flag=True, help="Add .pre-commit-config.yaml with the hooks.")
def command(
    session: Session,
    prompts: str | None,
    url: str | None,
    example: bool | None,
    from_remote: bool,
    include: tuple[str, ...],
    label: str | None,
    github: bool,
    pre_commit: bool,
) -> Outcome:
    """Write promptsync.yaml, the prompts directory and a line for .gitignore; what is there is kept.

    With --from-remote a registry that is full already comes along: all of it is read before the first file is
    written, and files that are there are kept. Which prompts belong here is asked, or said with --include.

    \b
    promptsync init
    promptsync init --url https://api.promptlayer.com --prompts app/prompts
    promptsync init --from-remote --include 'support/*' --label prod
    promptsync init --github --pre-commit
    """
    if label is not None and not from_remote:
        raise UsageError(
            "--label belongs to --from-remote", hint="promptsync init --from-remote --label LABEL"
        )
    if from_remote and example:
        raise UsageError("--example and --from-remote exclude each other")
    if github or pre_commit:
        _check_place(session)
    adopted = None
    if from_remote:
        from promptsync.commands.shared import import_registry

        adopted = import_registry.adopt(session, prompts=prompts, url=url, include=include, label=label)
        done = adopted.started
    else:
        given = _given(session, url)
        done = start(session.directory, prompts=prompts, url=given, example=example, include=include)
    _note(session, done, bool(prompts or (url and not from_remote)))
    added = scaffold(done.config, github=github, pre_commit=pre_commit) if github or pre_commit else None
    return _outcome(session, done, adopted, added)


def _given(session: Session, url: str | None) -> str | None:
    """Return the registry's URL as it was said, with ``--url`` or with the ``--remote`` of every verb."""
    remote = session.remote
    return url if url is not None or remote is None or ":" not in remote else remote


def _check_place(session: Session) -> None:
    """Refuse to put workflows beside a configuration that is not the one they would work with."""
    repository(session.directory)
    above = find(session.directory)
    if above is not None and above.parent != session.directory.resolve():
        raise UsageError(
            f"the configuration of this directory is {above}; nothing was written",
            hint=f"promptsync -C {shlex.quote(str(above.parent))} init with these options adds them there\n"
            "promptsync init starts a second configuration here, after which this works, too",
        )


def _note(session: Session, done: Started, is_ignored: bool) -> None:
    note = output.style("note:", "warn")
    if done.above is not None:
        session.say(
            f"{note} {output.name(str(done.above))} is above this directory; "
            "commands below here use the configuration here"
        )
    if "promptsync.yaml" in done.kept and is_ignored:
        session.say(
            f"{note} promptsync.yaml is kept as it is, so --prompts and --url changed nothing: edit it"
        )


def _outcome(session: Session, done: Started, adopted: Adopted | None, added: Scaffold | None) -> Outcome:
    created, kept = list(done.created), list(done.kept)
    if added is not None:
        created += [added.shown(path, done.root) for path in added.created]
        kept += [added.shown(path, done.root) for path in added.kept]
    steps = _steps(session, done, adopted, added)
    body: dict[str, Any] = {
        "root": str(done.root),
        "created": created,
        "changed": list(done.changed),
        "kept": kept,
        "next": [{"do": what, "why": why} for what, why in steps],
    }
    lines = output.table(
        (output.style(word, meaning), output.name(path))
        for word, meaning, paths in (
            ("created", "good", created),
            ("changed", "good", done.changed),
            ("kept", "faint", kept),
        )
        for path in paths
    )
    error = None
    if adopted is not None:
        from promptsync.commands.shared import import_registry

        lines += ["", *import_registry.lines(adopted, verbose=bool(session.verbose))]
        body |= import_registry.body(adopted)
        error = adopted.error
    if not session.quiet and error is None:
        lines += ["", *shared_scaffold.lines(steps)]
    return Outcome(lines, body, error.exit_code if error is not None else 0, error)


def _steps(session: Session, done: Started, adopted: Adopted | None, added: Scaffold | None) -> list[Step]:
    """Return what to type, and why, for somebody who has just begun."""
    steps: list[Step] = []
    if adopted is not None:
        steps.append(_status(done, adopted))
    elif added is None or "promptsync.yaml" in done.created:
        steps += _first(done)
    if added is not None:
        steps += shared_scaffold.steps(done.config, added)
    is_new = bool(done.created or done.changed or (adopted is not None and adopted.receipt.written))
    if (adopted is not None and is_new) or (added is not None and (is_new or added.created)):
        steps += _commit(session, done, adopted, added)
    return steps


def _status(done: Started, adopted: Adopted) -> Step:
    remote = adopted.remote
    choice = "" if remote == done.config.default_remote else f" --remote {shlex.quote(remote)}"
    clean = not (adopted.plan.newer or adopted.plan.unlabelled)
    return f"promptsync status{choice}", "nothing differs" if clean else "what is newer than the label"


def _commit(session: Session, done: Started, adopted: Adopted | None, added: Scaffold | None) -> list[Step]:
    """Return the commands that make the commit, where git is run from where promptsync was."""
    paths = ["promptsync.yaml", ".gitignore", *_written(done)]
    message = "Keep prompts with promptsync"
    if adopted is not None:
        paths.append(done.config.prompts)
        if number := len(adopted.receipt.written):
            message = f"Adopt {output.count(number, 'prompt')} of the registry"
    if added is not None:
        paths += [added.shown(path, done.root) for path in added.created]
        message = message if adopted is not None else "Check and deploy prompts with promptsync"
    git = shlex.join(["git", *(["-C", session.given_directory] if session.given_directory else [])])
    starts = [] if in_repository(done.root) else [(f"{git} init", "so that there is a history")]
    return [
        *starts,
        (f"{git} add {shlex.join(paths)}", ""),
        (f"{git} commit -m {shlex.quote(message)}", ""),
    ]


def _written(done: Started) -> list[str]:
    """Return the directory of the prompts where there is something in it to commit."""
    example = f"{done.config.prompts}/{EXAMPLE}"
    return [done.config.prompts] if example in done.created else []


def _first(done: Started) -> list[Step]:
    remote = done.config.remotes.get(done.config.default_remote)
    if remote is not None and not remote.url.startswith("local:"):
        return [
            ("export PROMPTLAYER_API_KEY=…", f"the key for {output.name(remote.url)}"),
            ("promptsync ls-remote", "what the registry holds"),
            ("promptsync pull", "write its prompts into files"),
        ]
    if f"{done.config.prompts}/{EXAMPLE}" in done.created:
        return [
            ("promptsync lint", "check the files, offline"),
            ("promptsync render hello --example 1", "what a model would see"),
            ("promptsync push", "publish to the embedded registry"),
        ]
    return [
        ("promptsync lint", "check the files, offline"),
        ("promptsync status", "who changed what"),
        ("promptsync push", "publish what is new"),
    ]
