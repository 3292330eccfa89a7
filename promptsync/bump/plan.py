"""Makes the plan of a bump: which pins of a snippet move to which version. Writes nothing."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from msgspec import Struct

from promptsync.compare.content import has_text_of
from promptsync.compare.not_released import rolled_back_from
from promptsync.compare.pins import Pin, published_version
from promptsync.compare.snapshot import Item, Snapshot, State, matching
from promptsync.compare.uncommitted import needs_backup
from promptsync.errors import Refused, UsageError
from promptsync.files.errors import InvalidFile
from promptsync.files.prompt_text import render_repinned
from promptsync.files.worktree import pins_in
from promptsync.project.plan import fingerprint
from promptsync.project.planned_files import PlannedFile
from promptsync.project.pointers import no_such_version
from promptsync.project.project import Project
from promptsync.project.target import At
from promptsync.project.versions import read_version, read_versions


class MovedPin(PlannedFile, frozen=True, kw_only=True):
    """One file whose pins move; ``versions`` are what it pins now."""

    versions: tuple[int, ...]


class BumpPlan(Struct, frozen=True):
    """Everything a bump will write. ``above`` are pins of later versions than ``version``: they stay."""

    snippet: str
    version: int
    moves: tuple[MovedPin, ...] = ()
    above: tuple[Pin, ...] = ()
    is_pinned: bool = True
    refusal: Refused | None = None

    @property
    def is_empty(self) -> bool:
        return not self.moves

    @property
    def destructive(self) -> tuple[str, ...]:
        return ()

    @property
    def fingerprint(self) -> str:
        moves = [[move.name, move.path, move.old, move.new] for move in self.moves]
        return fingerprint([self.snippet, self.version, moves])


def plan_bump(
    project: Project,
    snapshot: Snapshot,
    snippet: str,
    users: Sequence[str] = (),
    to: int | None = None,
) -> BumpPlan:
    """Return the plan that pins ``to``, by default the version that has the text of the snippet's file.

    ``users`` are arguments, by default all that pin the snippet. Only ``to``
    moves pins down. Raises ``InvalidFile`` for files that cannot be read, ``NoSuchPrompt``,
    ``NoSuchVersion``, ``UsageError`` for an argument that means no prompt with a pin of the snippet, and
    ``Refused`` for a text that is not published. The refusal of the plan is that the text was rolled back.
    """
    if snapshot.problems:
        raise InvalidFile(snapshot.problems)
    item = snapshot.get(snippet)
    version = _version(project, snapshot, snippet, item, to)
    in_scope = {name: file for name, file in snapshot.worktree.files.items() if project.config.in_scope(name)}
    pinned = pins_in(in_scope).get(snippet, {})
    chosen = _chosen(project, snapshot, snippet, pinned, users)
    moves, above = [], []
    for name in chosen:
        moved = {pin for pin in pinned[name] if pin < version or (to is not None and pin != version)}
        above += [Pin(name, snippet, pin) for pin in sorted(pinned[name] - moved) if pin > version]
        if moved:
            file = in_scope[name]
            new = render_repinned(file, snippet, moved, version)
            moves.append(
                MovedPin(
                    name=name,
                    path=file.path,
                    old=file.text,
                    new=new,
                    backup=needs_backup(project, file.path, file.text, new),
                    versions=tuple(sorted(moved)),
                )
            )
    refusal = _rolled_back(project, snapshot, snippet, version) if moves and to is None else None
    return BumpPlan(snippet, version, tuple(moves), tuple(above), bool(pinned), refusal)


def _rolled_back(project: Project, snapshot: Snapshot, snippet: str, version: int) -> Refused | None:
    """Return the refusal to pin what was rolled back: the users of a snippet would release it again."""
    label = rolled_back_from(project, snapshot, snippet, version)
    if label is None:
        return None
    return Refused(
        f"v{version} of {snippet!r} was rolled back from {label}; nothing was written",
        hint=f"change the text of {snippet} and publish it\nadd --to {version} to pin it all the same",
        code="rolled-back",
    )


def _version(project: Project, snapshot: Snapshot, snippet: str, item: Item | None, to: int | None) -> int:
    listed = snapshot.listing.get(snippet)
    if to is not None and listed is not None:
        if not 1 <= to <= listed.version or read_version(project, listed, to) is None:
            raise no_such_version(listed, At(to))
        return to
    # A snippet without a file belongs to another repository, whose latest version counts.
    if listed is not None and (item is None or item.file is None):
        return listed.version
    version = published_version(item) if item is not None else None
    if version is None and item is not None:
        version = _version_with_text(project, item)
    if version is None:
        raise _unpublished(snippet, item)
    return version


def _version_with_text(project: Project, item: Item) -> int | None:
    """Return the newest version with the text of a file that changed, which an old text may have."""
    if item.listed is None or item.file is None:
        return None
    file, listed = item.file, item.listed
    versions = read_versions(project, listed)
    found = (version.version for version in versions if has_text_of(project, version, file.prompt))
    return next(found, None)


def _unpublished(snippet: str, item: Item | None) -> Refused:
    state = item.state if item is not None else State.NEW
    path, name = item.path if item is not None and item.path else snippet, shlex.quote(snippet)
    hints = {
        State.NEW: f"promptsync push {name}",
        State.AHEAD: f"promptsync push {name}",
        State.BEHIND: f"promptsync pull {name}",
        State.DIVERGED: f"promptsync pull --merge {name}\npromptsync push {name}",
        State.DELETED_REMOTELY: f"promptsync push {name} --restore",
    }
    return Refused(
        f"the text of {path} is not published yet; nothing was written",
        hint=hints.get(state, "promptsync status"),
        code="snippet-unpublished",
    )


def _chosen(
    project: Project,
    snapshot: Snapshot,
    snippet: str,
    pinned: Mapping[str, set[int]],
    users: Sequence[str],
) -> list[str]:
    """Return those of the users of a snippet that arguments mean, each at least one."""
    if not users:
        return sorted(pinned)
    chosen: set[str] = set()
    for user in users:
        names = matching(project, snapshot, [user])
        having = pinned.keys() & names
        if not having:
            none = f"none of these {len(names)} prompts pins"
            if len(names) == 1:
                none = f"{next(iter(names))!r} does not pin"
            raise UsageError(
                f"{none} a version of {snippet!r}; nothing was written",
                hint=f"promptsync bump {shlex.quote(snippet)}",
                code="not-pinned",
            )
        chosen |= having
    return sorted(chosen)
