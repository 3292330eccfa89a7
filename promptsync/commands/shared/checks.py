"""What ``eval run`` and ``agent run`` run: what is named, or what the prompts name that changed."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from promptsync.commands.shared.session import Session
from promptsync.commands.shared.since import resolve_since, since_option
from promptsync.errors import PromptsyncError, UsageError
from promptsync.show.junit import junit_of_error
from promptsync.terminal import output

if TYPE_CHECKING:
    from promptsync.checks.agents import AgentOrder
    from promptsync.checks.evaluations import Standard
    from promptsync.checks.find import Found
    from promptsync.checks.receipt import Proof
    from promptsync.checks.select import Selection
    from promptsync.checks.wait import Patience
    from promptsync.compare.changed import Changed
    from promptsync.compare.project import Project

_MOST_NAMES = 10
_CHANGED = click.option(
    "--changed", is_flag=True, help="Run what the prompts name that changed, in their files or by checks:."
)
_ALLOW_UNBOUND = click.option(
    "--allow-unbound",
    is_flag=True,
    help="With --changed: take a run for passed that may have run another version of the prompt.",
)


def choosing_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--changed``, ``--since`` and ``--allow-unbound``; they come as the arguments of ``Asked``."""
    found: Callable[..., Any] = _CHANGED(since_option(_ALLOW_UNBOUND(function)))
    return found


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line says about it; ``kind`` is the word for one of what is run."""

    kind: str
    names: tuple[str, ...]
    changed: bool
    since: str | None
    allow_unbound: bool

    def check(self) -> None:
        """Raise ``UsageError`` for what makes no sense together."""
        verb = {"evaluation": "eval"}.get(self.kind, self.kind)
        if self.names and self.changed:
            raise UsageError(f"--changed and names of {self.kind}s exclude each other", hint="leave one out")
        if not self.names and not self.changed:
            raise UsageError(
                f"no {self.kind} is named",
                hint=f"name one, promptsync {verb} list shows them; or add --changed for those of the "
                "prompts that changed",
            )
        for option, given in (("--since", self.since is not None), ("--allow-unbound", self.allow_unbound)):
            if given and not self.changed:
                raise UsageError(f"{option} needs --changed", hint="add --changed")


@dataclass(frozen=True, slots=True)
class Choice:
    """What is to be run.

    ``changed`` are the prompts that it is about, compared with ``since``; ``without`` those of them that name
    nothing to run; ``unpublished`` those of which the registry's latest version says something else than the
    files, and why. ``versions`` are the latest versions of the others.
    """

    selection: Selection
    changed: tuple[str, ...] = ()
    since: str = ""
    without: tuple[str, ...] = ()
    unpublished: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, int] = field(default_factory=dict)

    @property
    def reason(self) -> str:
        """Why there may be nothing to run."""
        if not self.changed:
            return f"no prompt changed since {self.since}"
        return f"none is named for what changed since {self.since}"

    @property
    def body(self) -> dict[str, Any]:
        """What the JSON document says about it."""
        return {
            "changed": list(self.changed),
            "since": self.since or None,
            "without": list(self.without),
            "unpublished": list(self.unpublished),
        }


def choose_changed(session: Session, project: Project, asked: Asked) -> Choice:
    """Return what the changed prompts name. Asks the registry nothing when that is nothing."""
    from promptsync.checks.find import published_versions
    from promptsync.checks.select import Selection, select_checks
    from promptsync.compare.changed import changed_since
    from promptsync.files.worktree import scan

    worktree = scan(project.root, project.config.prompts)
    changed = changed_since(project, worktree, resolve_since(session, asked.since))
    found = select_checks(changed.names, worktree.files, project.config)
    is_evaluation = asked.kind == "evaluation"
    selection = Selection(found.evaluations, ()) if is_evaluation else Selection((), found.agents)
    checks = selection.evaluations if is_evaluation else selection.agents
    named = {prompt for check in checks for prompt in check.prompts}
    without = tuple(name for name in changed.names if name not in named)
    if not named:
        return Choice(selection, changed.names, changed.since, without)
    versions = published_versions(project, worktree.files, changed.names)
    unpublished = _unpublished(changed, versions)
    bound = {name: number for name, number in versions.items() if name not in unpublished}
    return Choice(selection, changed.names, changed.since, without, unpublished, bound)


def _unpublished(changed: Changed, versions: Mapping[str, int]) -> dict[str, str]:
    found = {}
    for one in changed.prompts:
        if one.name in changed.names and one.name not in versions:
            found[one.name] = "what its file says is not the registry's latest version"
        for snippet in one.through:
            if snippet in changed.names and snippet not in versions:
                found[one.name] = f"it contains {snippet}, whose file is not the registry's latest version"
    return found


def prove_choice(
    session: Session,
    project: Project,
    choice: Choice,
    *,
    standard: Standard,
    allow_unbound: bool,
    patience: Patience | None,
    found: Found | None = None,
    orders: Sequence[AgentOrder] | None = None,
) -> Proof:
    """Run what was chosen; ``found`` and ``orders`` are those of ``prove``, which tells what it raises."""
    from promptsync.checks.run import prove

    return prove(
        project.registry,
        choice.selection,
        versions=choice.versions,
        unpublished=choice.unpublished,
        standard=standard,
        allow_unbound=allow_unbound,
        patience=patience,
        progress=session.bar,
        found=found,
        orders=orders,
    )


def tell(session: Session, choice: Choice, kind: str) -> None:
    """Say what changed, what of it is not run, and what the runs cannot have seen."""
    since = output.name(choice.since)
    if not choice.changed:
        session.say(f"no prompt changed since {since}: no {kind} was run")
        return
    session.say(
        f"{output.count(len(choice.changed), 'prompt')} changed since {since}: {_names(choice.changed)}"
    )
    if choice.without:
        whole = f"; no {kind} was run" if len(choice.without) == len(choice.changed) else ""
        session.say(f"no {kind} is named for {_names(choice.without)}{whole}")
    if choice.unpublished:
        warning = output.style("warning:", "warn")
        names = _names(tuple(choice.unpublished))
        session.say(f"{warning} the registry runs what it has, which is not what the files say: {names}")


def _names(names: tuple[str, ...]) -> str:
    shown = ", ".join(map(output.name, names[:_MOST_NAMES]))
    return shown + (f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else "")


junit_option = click.option(
    "--junit", "junit_file", metavar="FILE", help="Write the results as JUnit XML, also when the gate fails."
)
"""Adds ``--junit FILE``, whose value comes as ``junit_file``; give it to ``result_file``."""


class ResultFile:
    """Where results go. Without a path they go nowhere."""

    def __init__(self, path: Path | None, option: str) -> None:
        self._path = path
        self._option = option

    def write(self, text: Callable[[], str]) -> PromptsyncError | None:
        """Write what ``text`` returns; return what the system had against it."""
        if self._path is None:
            return None
        try:
            self._path.write_text(text(), "utf-8", newline="\n")
        except OSError as error:
            return PromptsyncError(
                f"{self._option}: {self._path} cannot be written: {error.strerror}", code="not-written"
            )
        return None


def result_file(session: Session, option: str, given: str | None) -> ResultFile:
    """Return the file that an option names, relative to where the session works.

    Makes the directories that it lies in. Raises ``UsageError`` for what cannot be written.
    """
    if given is None:
        return ResultFile(None, option)
    path = session.directory / given
    try:
        if not given or path.is_dir():
            raise IsADirectoryError(0, "it is a directory")
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            with path.open("ab"):
                pass
        else:
            with tempfile.TemporaryFile(dir=path.parent):
                pass
    except OSError as error:
        raise UsageError(
            f"{option} {given} cannot be written: {error.strerror}", hint="nothing was run; name another file"
        ) from None
    return ResultFile(path, option)


@contextmanager
def told_in(results: ResultFile, what: str) -> Iterator[None]:
    """Write an error that ends a verb into its JUnit file: a reader must never take an older one for new."""
    try:
        yield
    except PromptsyncError as error:
        reason = error
        results.write(lambda: junit_of_error(reason, what))
        raise
    except KeyboardInterrupt:
        results.write(lambda: junit_of_error(PromptsyncError("interrupted", code="interrupted"), what))
        raise


def first_result(*errors: PromptsyncError | None) -> tuple[int, PromptsyncError | None]:
    """The exit code of the first error there is, and that error."""
    error: Any = next((one for one in errors if one is not None), None)
    return (error.exit_code if error is not None else 0), error
