"""Plans moves: of prompt files by ``mv``, and of the pins of a snippet by ``bump``. Writes nothing."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from msgspec import structs

from promptsync.compare.git_state import needs_backup
from promptsync.compare.released import Pin, published_version, rolled_back_from
from promptsync.compare.snapshot import Snapshot, State, matching
from promptsync.errors import Refused, UsageError
from promptsync.files.prompt_file import paths_for_new, pins_in, render_edit
from promptsync.files.yaml.load import check_valid
from promptsync.project.plan import FilesPlan, PlannedFile
from promptsync.project.project import Project
from promptsync.project.target import At, unknown
from promptsync.project.versions import no_such_version, read_version
from promptsync.prompt.names import name_for
from promptsync.prompt.snippets import repinned
from promptsync.registry.address import LOCAL
from promptsync.registry.errors import Unsupported


def plan_move(project: Project, snapshot: Snapshot, old: str, new: str) -> FilesPlan:
    """Return the plan that gives the file of a prompt another name and path: its new file, then its old one.

    Raises ``NoSuchPrompt`` without such a file, ``Refused`` if the new name is taken, and ``Unsupported`` if
    the registry would have to rename the prompt.
    """
    check_valid(snapshot.problems)
    worktree = snapshot.worktree
    file = worktree.files.get(old)
    if file is None:
        raise unknown(old, worktree.files, where=project.config.prompts)
    if (other := worktree.files.get(new)) is not None:
        raise Refused(f"{other.path} has the prompt {new!r} already", code="exists")
    if old in snapshot.listing:
        if new in snapshot.listing:
            raise Refused(
                f"the registry has both {old!r} and {new!r}",
                hint=f"promptsync diff {shlex.quote(old)}",
                code="exists",
            )
        what = f"{project.title} cannot rename the prompt {old!r}: its API has no such operation"
        hint = f"promptsync new {shlex.join([new, '--from', old])}"
        if not project.registry.url.startswith(LOCAL):  # the embedded registry has no dashboard
            rename = f"rename it in the PromptLayer dashboard, then promptsync mv {shlex.join([old, new])}"
            hint = f"{rename}\nto publish a copy instead: {hint}"
        raise Unsupported(f"{what}; nothing was changed", hint=hint)
    is_default = name_for(file.path.removeprefix(f"{worktree.prompts}/")) == old
    path = paths_for_new(worktree, [new])[new] if is_default else file.path
    # Even if the old path gives the same name, the file has to state it.
    stated = structs.replace(file, prompt=structs.replace(file.prompt, name=file.own_name))
    text = render_edit(stated, structs.replace(file.prompt, name=new), file.local)
    if path == file.path:
        return FilesPlan(changes=(PlannedFile(name=new, path=path, old=file.text, new=text),))
    added = PlannedFile(name=new, path=path, old=None, new=text)
    return FilesPlan(changes=(added, PlannedFile(name=new, path=file.path, old=file.text, new=None)))


class MovedPin(PlannedFile, frozen=True, kw_only=True):
    """One file whose pins move; ``versions`` are what it pins now."""

    versions: tuple[int, ...]


class BumpPlan(FilesPlan, frozen=True, kw_only=True):
    """Everything a bump will write. ``above`` are pins of later versions than ``version``: they stay."""

    snippet: str
    version: int
    changes: tuple[MovedPin, ...] = ()
    above: tuple[Pin, ...] = ()
    is_pinned: bool = True


def plan_bump(
    project: Project, snapshot: Snapshot, snippet: str, users: Sequence[str] = (), to: int | None = None
) -> BumpPlan:
    """Return the plan that pins ``to``, by default the version of the snippet's file.

    ``users`` are arguments, by default all that pin the snippet. Only ``to`` moves pins down. Raises
    ``InvalidFile`` for files that cannot be read, ``NoSuchPrompt``, ``NoSuchVersion``, ``UsageError`` for an
    argument that means no prompt with a pin of the snippet, and ``Refused`` for an unpublished snippet. The
    plan has a refusal if the version was rolled back.
    """
    check_valid(snapshot.problems)
    version = _version(project, snapshot, snippet, to)
    in_scope = {name: file for name, file in snapshot.worktree.files.items() if project.config.in_scope(name)}
    pinned = pins_in(in_scope).get(snippet, {})
    moves, above, refusal = [], [], None
    for name in _chosen(project, snapshot, snippet, pinned, users):
        file = in_scope[name]
        moved = {pin for pin in pinned[name] if pin < version or (to is not None and pin != version)}
        above += [Pin(name, snippet, pin, version) for pin in sorted(pinned[name] - moved) if pin > version]
        if moved:
            template = repinned(file.prompt.template, snippet, moved, version)
            new = render_edit(file, structs.replace(file.prompt, template=template), file.local)
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
    return BumpPlan(
        snippet=snippet,
        version=version,
        changes=tuple(moves),
        above=tuple(above),
        is_pinned=bool(pinned),
        refusal=refusal,
    )


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
