"""``promptsync init``: set up prompt files in a directory."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence

import click
from msgspec import structs

from promptsync.commands.shared.options import check_apart
from promptsync.commands.shared.session import Session, verb
from promptsync.errors import Incomplete, Interrupted, UsageError
from promptsync.files.config import FILE_NAME, find, load
from promptsync.files.git.repository import is_in_repository
from promptsync.project.project import Project
from promptsync.setup.import_registry import (
    check_include,
    check_remote,
    group_lines,
    import_prompts,
    survey,
    url_of,
)
from promptsync.setup.init import VENDOR, commit_command, commit_files, draft, edited, start
from promptsync.setup.scaffold import (
    AGENTS_FILE,
    Scaffold,
    StarterKind,
    find_repository,
    package_to_install,
    scaffold,
)
from promptsync.show.init import InitResult, show_init
from promptsync.show.outcome import Outcome
from promptsync.terminal import output


@verb(
    "init",
    blank={"created": [], "changed": [], "kept": [], "committed": None, "next": []},
)
@click.option("--prompts", metavar="DIR", help="Directory of the prompt files (default: prompts).")
@click.option("--url", metavar="URL", help="The registry to work with (default: the embedded one).")
@click.option(
    "--from-remote",
    is_flag=True,
    help="Import the registry: a file for each prompt (default registry: PromptLayer).",
)
@click.option(
    "--include",
    multiple=True,
    metavar="PATTERN",
    help="Prompts that belong to this repository, by name; * also matches /. Repeatable.",
)
@click.option("--github", is_flag=True, help="Add workflows for GitHub: check, deploy and drift.")
@click.option("--gitlab", is_flag=True, help="Add jobs for GitLab: check, deploy and drift.")
@click.option("--pre-commit", is_flag=True, help="Add .pre-commit-config.yaml with the hooks.")
@click.option("--agents", is_flag=True, help="Add AGENTS.md and a skill for coding agents.")
@click.option(
    "--package",
    metavar="SPEC",
    help="What pip installs in workflows and hooks (default: promptsync==VERSION, this release from PyPI).",
)
@click.option(
    "--commit/--no-commit",
    default=None,
    help="Commit what was written, in a new repository if there is none (default: ask on a terminal).",
)
@click.option("-m", "--message", metavar="TEXT", help="The message of the commit; implies --commit.")
def command(
    session: Session,
    prompts: str | None,
    url: str | None,
    from_remote: bool,
    include: tuple[str, ...],
    package: str | None,
    commit: bool | None,
    message: str | None,
    **flags: bool,
) -> Outcome:
    """Write promptsync.yaml, the prompts directory and a line for .gitignore. Existing files are kept.

    A working copy of the embedded registry that has no prompts gets a first one.

    --from-remote imports an existing registry: all of it is read before the first file is written. Choose its
    prompts with --include, or answer the question on a terminal.

    \b
    promptsync init --commit
    promptsync init --url https://api.promptlayer.com --prompts app/prompts
    promptsync init --from-remote --include 'support/*'
    promptsync init --github --pre-commit
    promptsync init --gitlab
    promptsync init --agents
    promptsync init --github --package git+https://github.com/OWNER/REPO@COMMIT
    """
    check_apart(("--no-commit", commit is False), ("--message", message is not None))
    kinds = frozenset(kind for kind in StarterKind if flags[kind.name.lower()])
    if package is not None and not kinds - {StarterKind.AGENTS}:
        raise UsageError(
            "--package needs --github, --gitlab or --pre-commit",
            hint=session.command("--github", "--pre-commit"),
        )
    if commit is None:
        commit = True if message is not None else None if session.can_ask and sys.stdin.isatty() else False
    repository = _repository(session, kinds, package) if kinds else None
    # A file that init adds lines to is not committed if that would commit the user's own edits, too.
    grown = [".gitignore", *([repository.shown(AGENTS_FILE, session.directory)] if repository else [])]
    mixed = set() if commit is False else edited(session.directory, grown)
    if url is None and ":" in (session.remote or ""):
        url = session.remote
    result = (_import if from_remote else _start)(session, prompts, url, include)
    notes = []
    if result.outcomes[FILE_NAME] == "kept" and (prompts or (url and not from_remote)):
        notes.append(f"{FILE_NAME} exists and was kept; to change prompts: or remotes:, edit it")
    if repository is not None:
        result = structs.replace(result, added=scaffold(result.config, repository))
    paths = [path for path in result.written if path not in mixed]
    if left := sorted(mixed.intersection(result.written)):
        notes.append(f"not committed, because you edited it: {', '.join(left)}")
    if commit and not result.written:
        notes.append("nothing was written, so there is nothing to commit")
    for note in notes:
        session.say(f"{output.style('note:', 'warn')} {note}")
    if commit is not False and paths and (result.imported is None or result.imported.error is None):
        result = _commit(session, result, paths, message, is_asked=commit is None)
    return show_init(result, quiet=session.quiet, verbose=bool(session.verbose))


def _commit(
    session: Session, result: InitResult, paths: Sequence[str], message: str | None, *, is_asked: bool
) -> InitResult:
    """Commit the files of a result, if the user agrees."""
    message = message or result.message
    root, directory = session.directory, session.directory_option
    hint = commit_command(root, paths, message, result.config.prompts, directory)
    if is_asked:
        prompts = output.count(len(result.imported.written), "prompt") if result.imported else ""
        creates = "Commit" if is_in_repository(root) else "Create a git repository and commit"
        question = f"{creates} these files{f' and {prompts}' if prompts else ''}?"
        try:
            agreed = session.confirm(question, result.path_lines(), default=True)
        except (click.Abort, KeyboardInterrupt):
            raise Interrupted("interrupted; the files were written, and not committed", hint=hint) from None
        result = structs.replace(result, was_shown=True)
        if not agreed:
            return result
    try:
        commit_files(root, paths, message, hint)
    except Incomplete as error:
        return structs.replace(result, error=error)
    return structs.replace(result, committed=message)


def _start(session: Session, prompts: str | None, url: str | None, include: tuple[str, ...]) -> InitResult:
    drafted = draft(session.directory, prompts=prompts, url=url, include=include)
    return InitResult(drafted.config, start(session.directory, drafted), session.directory_option)


def _import(session: Session, prompts: str | None, url: str | None, include: tuple[str, ...]) -> InitResult:
    root, environment = session.directory, session.environment
    exists = (root / FILE_NAME).exists()
    remote = url or session.remote or environment.remote
    wanted = None if exists else url_of(remote or environment.base_url or VENDOR)
    drafted = draft(root, prompts=prompts, url=wanted, include=include)
    with session.project_of(drafted.config, remote if exists else drafted.config.default_remote) as project:
        if exists:
            check_remote(project)
        names = survey(project)
        if not (include or drafted.config.include) and environment.interactive and not session.json:
            include = _ask(session, project, names)
        check_include(project, include, names)
        drafted = draft(root, prompts=prompts, url=wanted, include=include or drafted.config.include)
        imported = import_prompts(project, root, drafted)
    return InitResult(imported.config, imported.outcomes, session.directory_option, imported)


def _ask(session: Session, project: Project, names: Sequence[str]) -> tuple[str, ...]:
    """Ask for the patterns of ``include``."""
    from click.shell_completion import split_arg_string

    session.say(f"{output.safe(project.url)} has {output.count(len(names), 'prompt')}:")
    for line in group_lines(names):
        session.say(f"  {output.safe(line)}")
    question = "Which belong to this repository? Patterns, separated by spaces"
    try:
        return tuple(split_arg_string(session.ask(question, default="*")))  # a quote may be missing
    except (click.Abort, KeyboardInterrupt):
        raise Interrupted("interrupted; nothing was written") from None


def _repository(session: Session, kinds: frozenset[StarterKind], package: str | None) -> Scaffold:
    """Return where the files go and what they name, before anything is written.

    Raises ``UsageError`` if that is not known, or if they would use a configuration above this directory.
    """
    above = find(session.directory)
    if above is not None and above.parent != session.directory.resolve():
        options = "".join(f" --{kind}" for kind in StarterKind if kind in kinds)
        options += f" --package {shlex.quote(package)}" if package is not None else ""
        raise UsageError(
            f"the configuration of this directory is {above}; nothing was written",
            hint=f"promptsync -C {shlex.quote(str(above.parent))} init{options}\npromptsync init",
        )
    labels = load(above).labels if above is not None else ()
    if kinds - {StarterKind.AGENTS}:
        package = package_to_install(package, session.command(without="--package"))
    return find_repository(session.directory, kinds, package or "", labels)
