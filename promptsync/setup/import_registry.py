"""Imports an existing registry: its names, which of them belong to this repository, and a file for each."""

from __future__ import annotations

import glob
import json
import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from itertools import chain, count, takewhile
from pathlib import Path

from msgspec.structs import replace

from promptsync.compare.gather import gather
from promptsync.compare.snapshot import Item, State
from promptsync.errors import PromptsyncError, Refused, UsageError
from promptsync.files.config import FILE_NAME
from promptsync.files.errors import InvalidFile
from promptsync.files.lock import locked
from promptsync.files.worktree import paths_for_new
from promptsync.project.project import Project
from promptsync.prompt.version import Version
from promptsync.pull.apply import PullReceipt, apply_pull
from promptsync.pull.plan import PullPlan
from promptsync.pull.write import Write, read_all, render
from promptsync.registry.address import LOCAL
from promptsync.setup.init import VENDOR, ConfigDraft, Started, start

_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Group:
    """Names that begin alike. ``pattern`` matches them for ``include``; ``""`` for those in no directory."""

    pattern: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """What an import will write, rendered.

    ``present`` are prompts that have a file already, which is kept; ``apart`` are those whose file differs
    from the registry. ``newer`` are imported at a label and have a later version, ``unlabelled`` do not have
    the label. ``not_included`` counts the prompts that ``include`` does not match.
    """

    writes: tuple[Write, ...]
    present: tuple[Item, ...] = ()
    apart: tuple[Item, ...] = ()
    newer: tuple[str, ...] = ()
    unlabelled: tuple[str, ...] = ()
    not_included: int = 0


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did: the working copy that it started, its plan, and the files that it wrote."""

    started: Started
    plan: ImportPlan
    receipt: PullReceipt
    url: str
    remote: str
    label: str | None

    @property
    def error(self) -> PromptsyncError | None:
        """Why ``promptsync status`` will report differences, if it will."""
        apart = self.plan.apart
        if self.receipt.error is not None or not apart:
            return self.receipt.error
        files = f"{len(apart)} existing file{'' if len(apart) == 1 else 's'}"
        differs = "differs" if len(apart) == 1 else "differ"
        name = shlex.quote(apart[0].name)
        return Refused(
            f"{files} {differs} from the registry and {'was' if len(apart) == 1 else 'were'} kept",
            details=[f"{item.name}  {item.path}" for item in apart],
            hint=f"promptsync diff {name}\npromptsync pull {name} --theirs\npromptsync pull {name} --ours",
            code="conflict",
        )


def url_of(remote: str) -> str:
    """Return the URL of a registry where no configuration names it yet. Raises ``UsageError``."""
    known = {"local": LOCAL, "production": VENDOR}.get(remote, remote)
    if ":" not in known:
        raise UsageError(
            f"the remote {remote!r} is unknown, because there is no {FILE_NAME}",
            hint=f"pass its URL, such as --remote {VENDOR}",
        )
    return known


def check_remote(project: Project) -> None:
    """Raise ``UsageError`` when an existing configuration does not name the registry."""
    path, remotes = project.config.path, project.config.remotes
    if project.remote in remotes:
        return
    known = chain(("production", "registry"), map("registry{}".format, count(2)))
    name = next(one for one in known if one not in remotes)
    line = f"{name}: {{url: {json.dumps(project.url, ensure_ascii=False)}}}"
    if re.search(r"(?m)^remotes:", path.read_text("utf-8")):
        hint = f"add below remotes: in {path.name}: {line}"
    else:
        hint = f"add to {path.name}: remotes: {{{line}}}"
    raise UsageError(
        f"{path} exists and has no remote {project.url}",
        hint=f"{hint}\npromptsync init --from-remote --remote {name}",
    )


def survey(project: Project) -> tuple[str, ...]:
    """Return the names of all prompts in the registry. Raises ``UsageError`` when there are none."""
    on_page = partial(project.progress, "Listing the registry")
    # Listing an embedded registry would create its database.
    exists = not project.url.startswith(LOCAL) or project.database.exists()
    names = sorted(one.name for one in project.registry.prompts.list(on_page=on_page)) if exists else []
    if not names:
        raise UsageError(
            f"{project.url} has no prompts to import; nothing was written",
            hint=f"promptsync init --url {shlex.quote(project.url)}",
            code="empty-registry",
        )
    return tuple(names)


def groups(names: Iterable[str]) -> tuple[Group, ...]:
    """Return names by the first directory in which they differ, the largest group first."""
    ordered = sorted(names)
    parents = [name.split("/")[:-1] for name in ordered]
    columns = takewhile(lambda column: len(set(column)) == 1, zip(*parents, strict=False))
    common = len(list(columns))
    # If a name is directly in the shared directory, that directory itself is the group.
    depth = min(common, max(min(map(len, parents), default=0) - 1, 0))
    prefixes = ("/".join(parent[: depth + 1]) if len(parent) > depth else None for parent in parents)
    by_prefix: dict[str | None, list[str]] = {}
    for name, prefix in zip(ordered, prefixes, strict=True):
        by_prefix.setdefault(prefix, []).append(name)
    # A name may contain * or [, which mean something else in a pattern.
    found = [
        Group("" if prefix is None else f"{glob.escape(prefix)}/*", tuple(members))
        for prefix, members in by_prefix.items()
    ]
    return tuple(sorted(found, key=lambda group: (-len(group.names), group.pattern)))


def group_lines(found: Sequence[Group]) -> list[str]:
    """Return the largest groups as lines, and how many prompts are in the others."""
    lines = []
    for one in found[:_SHOWN]:
        described = one.pattern or ", ".join(one.names[:3]) + (", …" if len(one.names) > 3 else "")
        lines.append(f"{len(one.names):>6}  {described}")
    others = found[_SHOWN:]
    if others:
        number = sum(len(one.names) for one in others)
        lines.append(f"{number:>6}  in {len(others)} smaller group{'' if len(others) == 1 else 's'}")
    return lines


def unmatched(patterns: Sequence[str], names: Sequence[str]) -> tuple[str, ...]:
    """Return the patterns that match none of the names."""
    return tuple(one for one in patterns if not any(fnmatchcase(name, one) for name in names))


def check_include(project: Project, include: Sequence[str], names: Sequence[str]) -> None:
    """Raise ``UsageError`` unless there are patterns, and each of those in ``include`` matches something."""
    found = groups(names)
    if not include and not project.config.include:
        example = next((one.pattern for one in found if one.pattern), found[0].names[0])
        raise UsageError(
            f"{project.url} has {len(names)} prompts; choose the ones that belong to this repository. "
            "Nothing was written",
            details=group_lines(found),
            hint=f"add --include {shlex.quote(example)} (repeatable), or --include '*' for all of them",
            code="include-needed",
        )
    idle = unmatched(include, names)
    if idle:
        raise UsageError(
            f"--include {shlex.quote(idle[0])} matches none of the {len(names)} prompts of {project.url}; "
            "nothing was written",
            details=group_lines(found),
            hint="* matches any text, / included: --include 'support/*'",
            code="include-unmatched",
        )


def import_prompts(
    project: Project, root: Path, drafted: ConfigDraft, *, label: str | None = None
) -> Imported:
    """Write a configuration and a file for each prompt in scope; nothing before all of them are read.

    Raises what ``plan_import``, ``init.start`` and ``apply_pull`` raise.
    """
    project.config = drafted.config
    plan = plan_import(project, label=label)
    started = start(root, drafted, example=False)
    with locked(root):
        receipt = apply_pull(project, PullPlan(plan.writes))
    return Imported(started, plan, receipt, project.url, project.remote, label)


def plan_import(project: Project, *, label: str | None = None) -> ImportPlan:
    """Return the files of every prompt in scope, at its latest version or at the one under ``label``.

    Existing files are kept, whatever they contain. Raises ``InvalidFile`` when one of them cannot be read,
    ``UsageError`` when nothing in scope has the label, and ``RemoteError``.
    """
    snapshot = gather(project)
    if snapshot.problems:
        raise InvalidFile(snapshot.problems)
    offered = [item for item in snapshot.items if item.listed is not None]
    present = tuple(item for item in offered if item.file is not None)
    missing = {item.name: item for item in offered if item.file is None}
    taken = _versions(project, [item.listed for item in offered if item.listed is not None], label)
    wanted = [one for name, one in taken.items() if name in missing]
    paths = paths_for_new(snapshot.worktree, [one.name for one in wanted])
    found = read_all(project, wanted)
    writes = [render(project, missing[one.name], found[one.name], paths[one.name]) for one in wanted]
    return ImportPlan(
        writes=tuple(sorted(writes, key=lambda one: one.path)),
        present=present,
        apart=tuple(item for item in present if item.state is State.DIVERGED),
        newer=tuple(one.name for one in wanted if one.version != missing[one.name].version),
        unlabelled=tuple(name for name in missing if name not in taken),
        not_included=snapshot.foreign(project.config),
    )


def _versions(project: Project, listed: Sequence[Version], label: str | None) -> dict[str, Version]:
    """Return the prompts by name at the versions to import: the latest ones, or those under the label."""
    if label is None:
        return {one.name: one for one in listed}
    # A list for a label has each prompt at that label's version.
    under = {one.name: one.version for one in project.registry.prompts.list(label=label)}
    taken = {one.name: replace(one, version=under[one.name]) for one in listed if one.name in under}
    if not taken:
        raise UsageError(
            f"no prompt in scope has the label {label!r}; nothing was written",
            hint=f"promptsync label list --remote {shlex.quote(project.url)}",
        )
    return taken
