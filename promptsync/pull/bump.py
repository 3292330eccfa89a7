"""Plans a bump: which pins of a snippet move to which version. Writes nothing."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from msgspec import Struct

from promptsync.compare.git_state import needs_backup
from promptsync.compare.not_released import rolled_back_from
from promptsync.compare.snapshot import Snapshot, State, matching
from promptsync.compare.snippet_users import Pin, published_version
from promptsync.errors import Refused, UsageError
from promptsync.files.prompt_file import render_repinned
from promptsync.files.worktree import pins_in
from promptsync.files.yaml.load import InvalidFile
from promptsync.project.plan import PlannedFile, fingerprint
from promptsync.project.project import Project
from promptsync.project.target import At
from promptsync.project.versions import no_such_version, read_version


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
    project: Project, snapshot: Snapshot, snippet: str, users: Sequence[str] = (), to: int | None = None
) -> BumpPlan:
    """Return the plan that pins ``to``, by default the version of the snippet's file.

    ``users`` are arguments, by default all that pin the snippet. Only ``to`` moves pins down. Raises
    ``InvalidFile`` for files that cannot be read, ``NoSuchPrompt``, ``NoSuchVersion``, ``UsageError`` for an
    argument that means no prompt with a pin of the snippet, and ``Refused`` for an unpublished snippet. The
    plan has a refusal if the version was rolled back.
    """
    if snapshot.problems:
        raise InvalidFile(snapshot.problems)
    version = _version(project, snapshot, snippet, to)
    in_scope = {name: file for name, file in snapshot.worktree.files.items() if project.config.in_scope(name)}
    pinned = pins_in(in_scope).get(snippet, {})
    moves, above, refusal = [], [], None
    for name in _chosen(project, snapshot, snippet, pinned, users):
        file = in_scope[name]
        moved = {pin for pin in pinned[name] if pin < version or (to is not None and pin != version)}
        above += [Pin(name, snippet, pin) for pin in sorted(pinned[name] - moved) if pin > version]
        if moved:
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
    label = rolled_back_from(project, snapshot, snippet, version) if moves and to is None else None
    if label is not None:  # the users of the snippet would release it again
        refusal = Refused(
            f"v{version} of {snippet!r} was rolled back from {label}; nothing was written",
            hint=f"change {snippet} and publish it\nadd --to {version} to pin it anyway",
            code="rolled-back",
        )
    return BumpPlan(snippet, version, tuple(moves), tuple(above), bool(pinned), refusal)


def _version(project: Project, snapshot: Snapshot, snippet: str, to: int | None) -> int:
    """Return the version to pin. Raises ``NoSuchVersion`` and ``Refused``."""
    listed, item = snapshot.listing.get(snippet), snapshot.get(snippet)
    if to is not None and listed is not None:
        if not 1 <= to <= listed.version or read_version(project, listed, to) is None:
            raise no_such_version(listed, At(to))
        return to
    # A snippet without a file belongs to another repository, whose latest version counts.
    if listed is not None and (item is None or item.file is None):
        return listed.version
    version = published_version(item) if item is not None else None
    if version is None:
        path = item.path if item is not None and item.path else snippet
        is_new = item is None or item.state in (State.NEW, State.AHEAD)
        raise Refused(
            f"{path} is not published yet; nothing was written",
            hint=f"promptsync {'push' if is_new else 'status'} {shlex.quote(snippet)}",
            code="snippet-unpublished",
        )
    return version


def _chosen(
    project: Project,
    snapshot: Snapshot,
    snippet: str,
    pinned: Mapping[str, set[int]],
    users: Sequence[str],
) -> list[str]:
    """Return those of the users of a snippet that arguments mean, each at least one."""
    chosen: set[str] = set() if users else {*pinned}
    for user in users:
        names = matching(project, snapshot, [user])
        if not pinned.keys() & names:
            raise UsageError(
                f"{user!r} means no prompt that pins a version of {snippet!r}; nothing was written",
                hint=f"promptsync bump {shlex.quote(snippet)}",
                code="not-pinned",
            )
        chosen |= pinned.keys() & names
    return sorted(chosen)
