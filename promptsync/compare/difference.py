"""What differs between the two sides of a prompt, field by field."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from functools import partial

from msgspec import Struct

from promptsync.compare.content import read_content
from promptsync.compare.snapshot import Item, State
from promptsync.files.prompt_file import PromptFile
from promptsync.files.worktree import Worktree
from promptsync.project.project import Project
from promptsync.project.target import At, PromptAt, find_prompt, may_have_version, resolve, unknown
from promptsync.project.versions import Catalog, NoSuchVersion, find_version
from promptsync.prompt.additions import without_notes
from promptsync.prompt.contract import ContractChange, contract_changes
from promptsync.prompt.fields import FieldChange, changes, variables_change
from promptsync.prompt.prompt import Prompt, Version


class ChangeKind(StrEnum):
    """How a prompt differs."""

    ADDED = "added"
    CHANGED = "changed"
    RENAMED = "renamed"
    DELETED = "deleted"
    DEPENDANT = "dependant"


class Step(Struct, frozen=True):
    """What changed from one version to another; ``title`` names the two.

    ``contract`` is what may break applications that read the first one; snippets are not in place in it.
    """

    title: str
    fields: tuple[FieldChange, ...]
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    contract: tuple[ContractChange, ...] = ()


class Difference(Struct, frozen=True):
    """How the two sides of a prompt differ: in one step, or in two from the base if both sides changed.

    ``state`` is a ``State``, or how two specified states differ. ``was`` and ``became`` are the old and the
    new name of a prompt that looks renamed, as in ``Item``.
    """

    name: str
    state: StrEnum
    path: str | None
    steps: tuple[Step, ...]
    was: str | None = None
    became: str | None = None


def differences(project: Project, items: Iterable[Item]) -> list[Difference]:
    """Return how the sides of each item differ, except items in sync and unreadable ones."""
    wanted = [item for item in items if item.state not in (State.IN_SYNC, State.INVALID)]

    def compared(item: Item) -> Difference:
        steps = tuple(_steps(project, item))
        return Difference(item.name, item.state, item.path, steps, item.was, item.became)

    return project.mapped("Comparing", compared, wanted)


def step(title: str, old: Prompt | None, new: Prompt | None) -> Step:
    """Return the step between two prompts; ``None`` is a prompt that does not exist."""
    contract = () if old is None or new is None else contract_changes(old, new)
    return Step(title, tuple(changes(old, new)), *variables_change(old, new), contract)


def _steps(project: Project, item: Item) -> Sequence[Step]:
    local = item.file.prompt if item.file is not None else None
    remote = _tracked(project, item)
    version = f"v{item.version}" if item.version is not None else "nothing"
    here = item.path or "no file"
    if item.state is State.BEHIND:
        return [step(f"{here} -> {version}", local, remote)]
    if item.state is State.DIVERGED and item.base is not None and local is not None:
        base = item.base_prompt
        if base is not None:
            at = f"v{item.base.version}" if item.base.version is not None else "the common version"
            ours = step(f"{at} -> {here}", base, local)
            return [ours, step(f"{at} -> {version}", base, remote)]
    if item.state is State.REMOTE_ONLY:
        return [step(f"{here} -> {version}", None, remote)]
    return [step(f"{version} -> {here}", remote, local)]


def _tracked(project: Project, item: Item) -> Prompt | None:
    if item.listed is None:
        return None
    remote = item.remote
    if remote is None:
        remote = project.registry.prompts.get(item.listed.template_id, item.name, version=item.listed.version)
    return item.content_of(remote)


def differences_between(
    project: Project, worktree: Worktree, arguments: Sequence[str], at: At
) -> list[Difference] | None:
    """Return how specified versions differ from the files or from each other, ``None`` if none is specified.

    Two arguments that mean the same prompts are compared with each other. Any other argument is compared
    with its file, at ``at`` where it specifies no version. Without arguments, every file is compared with
    ``at``. Raises ``NoSuchPrompt``, ``NoSuchVersion``, and ``UsageError`` for a prompt at two versions.
    """
    if not at and not any(map(may_have_version, arguments)):
        return None
    catalog = Catalog(project)
    if arguments:
        known: Mapping[str, object] = ChainMap(dict(worktree.files), catalog)  # type: ignore[arg-type]
        missing = partial(
            unknown, prompts=project.config.prompts, where=f"{worktree.prompts}/ or {project.registry.url}"
        )
        selected = [resolve(project, [argument], known, at=at, missing=missing) for argument in arguments]
    else:
        names = (name for name in sorted(worktree.files) if project.config.in_scope(name))
        selected = [[PromptAt(name, at, is_exact=False) for name in names]]
    if not any(target.at for targets in selected for target in targets):
        return None
    by_name = [{target.name: target for target in targets} for targets in selected]
    if len(by_name) == 2 and by_name[0].keys() == by_name[1].keys():
        pairs = [(old, by_name[1][name]) for name, old in by_name[0].items()]
    else:
        pairs = [(target, PromptAt(target.name)) for targets in selected for target in targets]
    # One search is cheaper than the list; for several prompts the list is.
    listing = dict(catalog) if len(pairs) > 1 else catalog

    def compare(pair: tuple[PromptAt, PromptAt]) -> Difference | None:
        return _difference(project, worktree.files.get(pair[0].name), listing, *pair)

    return [
        difference for difference in project.mapped("Comparing", compare, pairs) if difference is not None
    ]


def _difference(
    project: Project, file: PromptFile | None, listing: Mapping[str, Version], old: PromptAt, new: PromptAt
) -> Difference | None:
    # Beside the file, only what was sent counts. Beside another version, all of it does.
    is_sent = not (old.at and new.at)
    sides = [_side(project, file, listing, target, is_sent=is_sent) for target in (old, new)]
    (old_title, before), (new_title, after) = sides
    difference = step(f"{old_title} -> {new_title}", before, after)
    if not difference.fields:
        return None
    kind = ChangeKind.ADDED if before is None else ChangeKind.DELETED if after is None else ChangeKind.CHANGED
    return Difference(old.name, kind, file.path if file is not None else None, (difference,))


def _side(
    project: Project,
    file: PromptFile | None,
    listing: Mapping[str, Version],
    target: PromptAt,
    *,
    is_sent: bool,
) -> tuple[str, Prompt | None]:
    """Return the title of a state and its prompt, ``None`` if the prompt does not exist in it.

    Without a version it is the file. A version that does not exist is an error only if the prompt was named.
    """
    if not target.at:
        return (file.path, file.prompt) if file is not None else ("no file", None)
    if not target.is_exact and target.name not in listing:
        return "nothing", None
    try:
        version = find_version(project, find_prompt(project, target.name, listing), target.at)[0]
    except NoSuchVersion:
        if target.is_exact:
            raise
        return "nothing", None
    if file is not None and is_sent:
        prompt = read_content(project, version, file.prompt)
    else:
        prompt = without_notes(version.prompt, file.prompt if file is not None else None)
    return f"v{version.version}{f' ({target.at.label})' if target.at.label else ''}", prompt
