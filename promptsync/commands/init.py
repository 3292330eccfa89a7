"""``promptsync init``: set up prompt files in a directory."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import Struct

from promptsync.commands.shared.groups import flag, option
from promptsync.commands.shared.options import check_apart
from promptsync.commands.shared.session import Session, verb
from promptsync.errors import Incomplete, PromptsyncError, UsageError
from promptsync.files.config import FILE_NAME, Config, find, load
from promptsync.files.git.repository import is_in_repository
from promptsync.project.project import Project
from promptsync.registry.address import LOCAL
from promptsync.setup import import_registry
from promptsync.setup.init import (
    EXAMPLE,
    VENDOR,
    commit_command,
    commit_files,
    draft,
    edited,
    new_to_git,
    start,
)
from promptsync.setup.scaffold import Scaffold, StarterKind, find_repository, package_to_install, scaffold
from promptsync.show.notes import listed, numbered
from promptsync.show.outcome import Outcome, bodies
from promptsync.terminal import output


@verb("init")
@option("--prompts", "DIR", "Directory of the prompt files (default: prompts).")
@option("--url", "URL", "The registry to work with (default: the embedded one).")
@flag("--from-remote", "Import the registry: a file for each prompt (default registry: PromptLayer).")
@option(
    "--include",
    "PATTERN",
    "Prompts that belong to this repository, by name; * also matches /. Repeatable.",
    multiple=True,
)
@flag("--github", "Add workflows for GitHub: check, deploy and drift.")
@flag("--gitlab", "Add jobs for GitLab: check, deploy and drift.")
@flag("--pre-commit", "Add .pre-commit-config.yaml with the hooks.")
@flag("--agents", "Add AGENTS.md and a skill for coding agents.")
@option(
    "--package",
    "SPEC",
    "What pip installs in workflows and hooks (default: promptsync==VERSION, this release from PyPI).",
)
@option(
    "--commit/--no-commit",
    None,
    "Commit what was written, in a new repository if there is none (default: ask on a terminal).",
    default=None,
)
@option("-m --message", "TEXT", "The message of the commit; implies --commit.")
@flag("--force", "Set up a project inside another project.")
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
    if not flags["force"]:
        _check_outside(session)
    kinds = frozenset(kind for kind in StarterKind if flags[kind.name.lower()])
    if package is not None and not kinds - {StarterKind.AGENTS}:
        hint = session.command("--github", "--pre-commit")
        raise UsageError("--package needs --github, --gitlab or --pre-commit", hint=hint)
    if commit is None:
        commit = True if message is not None else None if session.can_ask and sys.stdin.isatty() else False
    repository = _repository(session, kinds, package, creates=commit is True) if kinds else None
    # A file that init adds lines to is not committed if that would commit the user's own edits, too.
    grown = [".gitignore", *([repository.shown(repository.agents, session.directory)] if repository else [])]
    mixed = set() if commit is False else edited(session.directory, grown)
    if url is None and ":" in (session.remote or ""):
        url = session.remote
    result = (_import if from_remote else _start)(session, prompts, url, include)
    notes = []
    if result.outcomes[FILE_NAME] == "kept" and (prompts or (url and not from_remote)):
        notes.append(f"{FILE_NAME} exists and was kept; to change prompts: or remotes:, edit it")
    if repository is not None:
        result.kinds, result.package = kinds, repository.package
        result.outcomes |= scaffold(result.config, repository)
    written = result.written
    new = new_to_git(session.directory, result.config, result.outcomes)
    earlier = [path for path in new if path not in written]
    result.to_commit = [*(path for path in written if path not in mixed), *earlier]
    if left := sorted(mixed.intersection(written)):
        notes.append(f"not committed, because you edited it: {', '.join(left)}")
    if commit is not False and earlier:
        notes.append(f"not in git yet, so the commit has it, too: {listed(earlier, _FEW)}")
    if commit and not result.to_commit:
        notes.append("nothing was written, so there is nothing to commit")
    for note in notes:
        session.say(f"{output.style('note:', 'warn')} {output.name(note)}")
    can_commit = result.imported is None or result.imported.error is None
    if commit is not False and result.to_commit and can_commit:
        _commit(session, result, message, is_asked=commit is None)
    return _shown(session, result)


def _check_outside(session: Session) -> None:
    """Raise ``UsageError`` in a directory inside a project."""
    above = find(session.directory)
    if above is not None and above.parent != session.directory.resolve():
        there = f"promptsync -C {shlex.quote(str(above.parent))}"
        there = session.command(without="-C").replace("promptsync", there, 1)
        message = f"{session.directory.resolve()} belongs to the project of {above}; nothing was written"
        raise UsageError(message, hint=f"{there}\n{session.command('--force')}")


def _commit(session: Session, result: InitResult, message: str | None, *, is_asked: bool) -> None:
    """Commit the files of a result, if the user agrees."""
    message, paths = message or result.message, result.to_commit
    root, directory = session.directory, session.directory_option
    hint = commit_command(root, paths, message, result.config.prompts, directory)
    if is_asked:
        prompts = output.count(len(result.imported.written), "prompt") if result.imported else ""
        creates = "Commit" if is_in_repository(root) else "Create a git repository and commit"
        question = f"{creates} these files{f' and {prompts}' if prompts else ''}?"
        lines, unchanged = result.path_lines(), "the files were written, and not committed"
        result.was_shown = True
        if not session.ask(question, lines, default=True, unchanged=unchanged, hint=hint):
            return
    try:
        commit_files(root, paths, message, hint)
        result.committed = message
    except Incomplete as error:
        result.error = error


def _start(session: Session, prompts: str | None, url: str | None, include: tuple[str, ...]) -> InitResult:
    drafted = draft(session.directory, prompts=prompts, url=url, include=include)
    return InitResult(drafted.config, start(session.directory, drafted))


def _import(session: Session, prompts: str | None, url: str | None, include: tuple[str, ...]) -> InitResult:
    root = session.directory
    exists = (root / FILE_NAME).exists()
    remote = url or session.remote or session.variable("PROMPTSYNC_REMOTE")
    place = remote or session.variable("PROMPTLAYER_BASE_URL") or VENDOR
    wanted = None if exists else import_registry.url_of(place)
    drafted = draft(root, prompts=prompts, url=wanted, include=include)
    with session.project_of(drafted.config, remote if exists else drafted.config.default_remote) as project:
        if exists:
            import_registry.check_remote(project)
        names = import_registry.survey(project)
        if not (include or drafted.config.include) and session.can_ask:
            include = _ask(session, project, names)
        import_registry.check_include(project, include, names)
        drafted = draft(root, prompts=prompts, url=wanted, include=include or drafted.config.include)
        imported = import_registry.import_prompts(project, root, drafted)
    return InitResult(drafted.config, imported.outcomes, imported)


def _ask(session: Session, project: Project, names: Sequence[str]) -> tuple[str, ...]:
    """Ask for the patterns of ``include``."""
    from click.shell_completion import split_arg_string

    session.say(f"{output.safe(project.url)} has {output.count(len(names), 'prompt')}:")
    for line in import_registry.group_lines(names):
        session.say(f"  {output.safe(line)}")
    question = "Which belong to this repository? Patterns, separated by spaces"
    answer = session.ask(question, default="*", unchanged="nothing was written")
    return tuple(split_arg_string(answer))  # a quote may be missing


def _repository(
    session: Session, kinds: frozenset[StarterKind], package: str | None, *, creates: bool
) -> Scaffold:
    """Return where the files go and what they name, before anything is written.

    ``creates`` says that the commit will make a repository if there is none. Raises ``UsageError`` if that is
    not known.
    """
    path = session.directory / FILE_NAME
    labels = load(path).labels if path.is_file() else ()
    if kinds - {StarterKind.AGENTS}:
        package = package_to_install(package, session.command(without="--package"))
    return find_repository(session.directory, kinds, package or "", labels, creates=creates)


SET_UP = "Set up promptsync"
"""The message of a commit that adds no prompts."""
_FEW = 8
"""How many imported prompts are listed without ``-v``."""

_PAGES = {
    StarterKind.GITHUB: "GitHub Actions and pre-commit",
    StarterKind.PRE_COMMIT: "GitHub Actions and pre-commit",
    StarterKind.GITLAB: "GitLab",
    StarterKind.AGENTS: "Coding agents",
}
"""The pages of the manual that say what is left to do outside of the files."""


class InitResult(Struct):
    """What init did. ``to_commit`` are paths, ``committed`` is the message of the commit, if any.

    ``was_shown`` says that the paths were listed before a question.
    """

    config: Config
    outcomes: dict[str, str]
    imported: import_registry.Imported | None = None
    kinds: frozenset[StarterKind] = frozenset()
    package: str = ""
    to_commit: Sequence[str] = ()
    committed: str | None = None
    was_shown: bool = False
    error: PromptsyncError | None = None

    @property
    def paths(self) -> dict[str, list[str]]:
        """The paths below the root that were created, changed and kept, without those of prompts."""
        words, outcomes = ("created", "changed", "kept"), self.outcomes.items()
        return {word: [path for path, outcome in outcomes if outcome == word] for word in words}

    @property
    def written(self) -> list[str]:
        """The files that were written."""
        paths = [*self.paths["created"], *self.paths["changed"]]
        prompts = [file.path for file in self.imported.written] if self.imported else []
        return [path for path in paths if not path.endswith("/")] + prompts

    @property
    def message(self) -> str:
        """The message for a commit of what was written."""
        if self.imported is not None and self.imported.written:
            return f"Import {output.count(len(self.imported.written), 'prompt')} from the registry"
        return "Add a first prompt" if f"{self.config.prompts}/{EXAMPLE}" in self.to_commit else SET_UP

    def path_lines(self) -> list[str]:
        """Return the paths, unless they were shown, and the commit as lines."""
        rows = {} if self.was_shown else self.paths
        rows = rows | ({"committed": [self.committed]} if self.committed is not None else {})
        return output.table(
            (output.style(word, "faint" if word == "kept" else "good"), output.name(path))
            for word, paths in rows.items()
            for path in paths
        )


def _shown(session: Session, result: InitResult) -> Outcome:
    """Return what was done, and the next steps."""
    imported = result.imported
    steps = [*_steps(session, result)]
    body: dict[str, Any] = {"root": str(result.config.root), **result.paths, "committed": result.committed}
    body["next"] = [{"do": step} for step in steps]
    if result.package:
        body["package"] = result.package
    lines = result.path_lines()
    if imported is not None:
        lines += ["", *_imported_lines(imported, result.config.include, bool(session.verbose))]
        body |= {
            "include": list(result.config.include),
            "imported": bodies(imported.written, "name path version"),
            "present": [item.name for item in imported.present],
            "conflicts": [item.name for item in imported.apart],
            "not_included": imported.not_included,
        }
    error = result.error or (imported.error if imported is not None else None)
    if not session.quiet and error is None:
        lines += ["", "Next:", *numbered(steps)] if steps else []
        if result.kinds:
            pages = dict.fromkeys(page for kind, page in _PAGES.items() if kind in result.kinds)
            lines += ["", f"Then follow the manual: {', '.join(pages)}."]
    return Outcome(lines, body, error=error)


def _imported_lines(imported: import_registry.Imported, patterns: Sequence[str], verbose: bool) -> list[str]:
    written = imported.written
    lines: list[str] = []
    if verbose or len(written) <= _FEW:
        rows = ((output.name(file.name), f"v{file.version}", output.safe(file.path)) for file in written)
        lines = output.table((f"  {output.style('new', 'remote')}", *row) for row in rows)
    what = f"{output.count(len(written), 'prompt')} imported" if written else "nothing new to import"
    include = output.name(shlex.join(patterns))
    lines.append(f"{what} from {output.safe(imported.url)} (include: {include})")
    if imported.present:
        lines.append(f"  {len(imported.present)} skipped, because they already have a file")
    if imported.not_included:
        lines.append(f"  {imported.not_included} ignored (not in include)")
    return lines


def _steps(session: Session, result: InitResult) -> Iterator[str]:
    """Yield the commands in the order of doing: the first one, the commit, the first push."""
    config, imported, directory = result.config, result.imported, session.directory_option
    promptsync = shlex.join(["promptsync", *(["-C", directory] if directory else [])])
    is_local = config.remotes[config.default_remote].url.startswith(LOCAL)
    is_new = imported is None and (not result.kinds or FILE_NAME in result.paths["created"])
    paths = result.to_commit if result.committed is None else []
    if imported is not None:
        is_default = imported.remote == config.default_remote
        yield f"{promptsync} status{'' if is_default else f' --remote {shlex.quote(imported.remote)}'}"
    elif is_new and is_local:
        yield f"{promptsync} lint"
        has_example = f"{config.prompts}/{EXAMPLE}" in result.paths["created"]
        yield f"{promptsync} {'render hello --example 1' if has_example else 'status'}"
    elif is_new:
        yield from [] if session.variable("PROMPTLAYER_API_KEY") else ["export PROMPTLAYER_API_KEY=…"]
        yield f"{promptsync} pull"
        paths = [*paths, config.prompts] if paths or result.written else []
    if paths:
        message = result.message if result.committed is None else SET_UP
        yield commit_command(config.root, paths, message, config.prompts, directory)
    if is_new and is_local:  # it publishes the subject of the commit
        yield f"{promptsync} push"
