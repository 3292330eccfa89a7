"""Imports an existing registry: its names, which of them belong to this repository, and a file for each."""

from __future__ import annotations

import glob
import json
import shlex
from collections import Counter
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path

from msgspec import Struct

from promptsync.compare.gather import gather
from promptsync.compare.snapshot import Item, State
from promptsync.errors import PromptsyncError, Refused, UsageError
from promptsync.files.config import FILE_NAME
from promptsync.files.disk import locked
from promptsync.files.prompt_file import paths_for_new
from promptsync.files.yaml.load import InvalidFile
from promptsync.project.project import Project
from promptsync.pull.plan import PullPlan, apply_pull
from promptsync.pull.write import Write, read_all, write_of
from promptsync.registry.address import LOCAL
from promptsync.setup.init import VENDOR, ConfigDraft, start

_SHOWN = 8


class Imported(Struct, frozen=True):
    """What an import did: the ``outcomes`` of ``start``, and the files that it wrote.

    ``present`` are prompts that have a file already, which is kept, and ``apart`` those of them that differ
    from the registry. ``not_included`` counts the prompts that ``include`` does not match. ``error`` is why
    ``promptsync status`` will report differences, if it will.
    """

    outcomes: dict[str, str]
    written: list[Write]
    present: tuple[Item, ...]
    apart: tuple[Item, ...]
    not_included: int
    url: str
    remote: str
    error: PromptsyncError | None


def url_of(remote: str) -> str:
    """Return the URL of a registry where no configuration names it yet. Raises ``UsageError``."""
    known = {"local": LOCAL, "production": VENDOR}.get(remote, remote)
    if ":" not in known:
        hint = f"pass its URL, such as --remote {VENDOR}"
        raise UsageError(f"the remote {remote!r} is unknown, because there is no {FILE_NAME}", hint=hint)
    return known


def check_remote(project: Project) -> None:
    """Raise ``UsageError`` when an existing configuration does not name the registry."""
    path, remotes = project.config.path, project.config.remotes
    if project.remote in remotes:
        return
    name = "production" if "production" not in remotes else "NAME"
    line = f"{name}: {{url: {json.dumps(project.url, ensure_ascii=False)}}}"
    hint = f"add to remotes: in {path.name}: {line}\npromptsync init --from-remote --remote {name}"
    raise UsageError(f"{path} exists and has no remote {project.url}", hint=hint)


def survey(project: Project) -> tuple[str, ...]:
    """Return the names of all prompts in the registry. Raises ``UsageError`` when there are none."""
    on_page = partial(project.progress, "Listing the registry")
    # Listing an embedded registry would create its database.
    exists = not project.url.startswith(LOCAL) or project.database.exists()
    names = (
        sorted(version.name for version in project.registry.prompts.list(on_page=on_page)) if exists else []
    )
    if not names:
        what = f"{project.url} has no prompts to import; nothing was written"
        hint = f"promptsync init --url {shlex.quote(project.url)}"
        raise UsageError(what, hint=hint, code="empty-registry")
    return tuple(names)


def groups(names: Iterable[str]) -> Counter[str]:
    """Return patterns for ``include`` with the number of names that each matches, by first directory."""
    # A name may contain * or [, which mean something else in a pattern.
    first = ((glob.escape(name.split("/")[0]), "/*" if "/" in name else "") for name in sorted(names))
    return Counter(directory + rest for directory, rest in first)


def group_lines(names: Iterable[str]) -> list[str]:
    """Return the largest groups of names as lines, and how many prompts are in the others."""
    sizes = groups(names)
    shown = sizes.most_common(_SHOWN)
    # Quoted as in the answer to the question.
    lines = [f"{number:>6}  {shlex.quote(name) if ' ' in name else name}" for name, number in shown]
    rest = sizes.total() - sum(number for _, number in shown)
    return [*lines, *([f"{rest:>6}  others"] if rest else [])]


def check_include(project: Project, include: Sequence[str], names: Sequence[str]) -> None:
    """Raise ``UsageError`` unless there are patterns, and each of those in ``include`` matches something."""
    idle = [pattern for pattern in include if not any(fnmatchcase(name, pattern) for name in names)]
    if not include and not project.config.include:
        example = shlex.quote(groups(names).most_common(1)[0][0])
        what = f"{project.url} has {len(names)} prompts; choose the ones that belong to this repository"
        hint, code = (
            f"add --include {example} (repeatable), or --include '*' for all of them",
            "include-needed",
        )
    elif idle:
        what = f"--include {shlex.quote(idle[0])} matches none of the {len(names)} prompts in {project.url}"
        hint, code = "* matches any text, / included: --include 'support/*'", "include-unmatched"
    else:
        return
    raise UsageError(f"{what}; nothing was written", details=group_lines(names), hint=hint, code=code)


def import_prompts(project: Project, root: Path, drafted: ConfigDraft) -> Imported:
    """Write a configuration and a file for each prompt in scope, at its latest version.

    Nothing is written before all of them are read, and existing files are kept, whatever they contain.
    Raises ``InvalidFile`` when one of them cannot be read, ``RemoteError``, and what ``init.start`` and
    ``apply_pull`` raise.
    """
    project.config = drafted.config
    snapshot = gather(project)
    if snapshot.problems:
        raise InvalidFile(snapshot.problems)
    present = tuple(item for item in snapshot.items if item.listed is not None and item.file is not None)
    missing = [item for item in snapshot.items if item.listed is not None and item.file is None]
    paths = paths_for_new(snapshot.worktree, [item.name for item in missing])
    versions = read_all(project, [item.listed for item in missing if item.listed is not None])
    writes = [write_of(project, item, versions[item.name], path=paths[item.name]) for item in missing]
    writes.sort(key=lambda write: write.path)
    outcomes = start(root, drafted, example=False)
    with locked(root):
        receipt = apply_pull(project, PullPlan(changes=tuple(writes)))
    apart = tuple(item for item in present if item.state is State.DIVERGED)
    return Imported(
        outcomes,
        receipt.of(writes),
        present,
        apart,
        not_included=sum(not project.config.in_scope(name) for name in snapshot.listing),
        url=project.url,
        remote=project.remote,
        error=receipt.error or (_differing(apart) if apart else None),
    )


def _differing(apart: Sequence[Item]) -> Refused:
    """Return the error for existing files that differ from the registry."""
    what = "1 existing file differs" if len(apart) == 1 else f"{len(apart)} existing files differ"
    name = shlex.quote(apart[0].name)
    what = f"{what} from the registry; existing files are kept"
    hint = f"promptsync diff {name}\npromptsync pull {name} --theirs\npromptsync pull {name} --ours"
    return Refused(what, details=[f"{item.name}  {item.path}" for item in apart], hint=hint, code="conflict")
