"""What differs between a git state and the files, field by field. Asks the registry nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from promptsync.core.names import name_for
from promptsync.core.prompt import Prompt
from promptsync.errors import UsageError
from promptsync.files.history import History
from promptsync.files.problems import InvalidFile
from promptsync.files.promptfile import parse
from promptsync.files.quickname import name_in
from promptsync.files.tree import tree_at
from promptsync.files.worktree import Worktree
from promptsync.sync.changed import Changed, ChangedPrompt, Kind, changed_since
from promptsync.sync.difference import Difference, Step, step
from promptsync.sync.project import Project


def differences_since(
    project: Project, worktree: Worktree, since: str | None, names: Iterable[str] = ()
) -> list[Difference]:
    """Return how prompts differ from a git state, those with these names or all.

    ``since`` is as for ``changed_since``, which says what else is raised. Raises ``UsageError`` for a name
    that no file has, neither then nor now.
    """
    found = changed_since(project, worktree, since)
    wanted = set(names)
    unknown = wanted - worktree.files.keys() - {one.name for one in found.prompts}
    if unknown:
        raise UsageError(
            f"there is no prompt {min(unknown)!r}, neither in the files nor in {found.since}",
            hint="promptsync status --offline lists the prompts that have a file",
        )
    chosen = [one for one in found.prompts if not wanted or one.name in wanted]
    history = project.history
    before = _prompts_then(history, project, found, chosen) if history is not None else {}
    return [_difference(worktree, found, one, before) for one in chosen]


def _difference(
    worktree: Worktree, found: Changed, one: ChangedPrompt, before: Mapping[str, Prompt]
) -> Difference:
    now = worktree.files[one.name].prompt if one.name in worktree.files else None
    if one.kind is Kind.DEPENDANT:
        title = f"renders {', which renders '.join(one.through)}"
        return Difference(one.name, one.kind, one.path, (Step(title, ()),))
    then = before.get(one.old_name or one.name)
    was = f"{one.old_name} in {found.since}" if one.old_name else found.since
    title = f"{was if then is not None else 'nothing'} -> {one.path or 'no file'}"
    return Difference(one.name, one.kind, one.path, (step(title, then, now),))


def _prompts_then(
    history: History, project: Project, found: Changed, chosen: Iterable[ChangedPrompt]
) -> dict[str, Prompt]:
    """Return the prompts of the state by their names then; a file that could not be read is left out."""
    if found.commit is None:
        return {}
    wanted = {one.old_name or one.name for one in chosen if one.kind not in (Kind.ADDED, Kind.DEPENDANT)}
    if not wanted:
        return {}
    files = tree_at(history, found.commit, project.config.prompts).files
    contents = history.blobs(files.values())
    return dict(_parsed({path: contents[blob] for path, blob in files.items() if blob in contents}, wanted))


def _parsed(contents: Mapping[str, bytes], wanted: set[str]) -> Iterator[tuple[str, Prompt]]:
    for path, data in contents.items():
        name = name_in(data) or name_for(path)
        if name not in wanted:
            continue
        try:
            yield name, parse(data, path, name).prompt
        except InvalidFile:
            continue
