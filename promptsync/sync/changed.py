"""Which prompts differ between two git states, and which others say something else because of that."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from promptsync.core.affected import follows_text, parents
from promptsync.core.snippets import rendered_in
from promptsync.errors import UsageError
from promptsync.files.problems import InvalidFile
from promptsync.files.promptfile import PromptFile
from promptsync.files.worktree import Worktree
from promptsync.sync.project import Project
from promptsync.sync.states import find_state
from promptsync.sync.texts import Text, Texts, hidden_away, read_texts, text_of


class Kind(StrEnum):
    """How a prompt differs."""

    ADDED = "added"
    CHANGED = "changed"
    RENAMED = "renamed"
    DELETED = "deleted"
    DEPENDANT = "dependant"


@dataclass(frozen=True, slots=True)
class ChangedPrompt:
    """One prompt that differs. ``path`` is its file now, ``None`` when it was deleted.

    ``old_name`` is what a renamed prompt was called before. ``through`` are the snippets from a dependant
    down to the one that changed.
    """

    name: str
    kind: Kind
    path: str | None
    old_name: str | None = None
    through: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Changed:
    """What differs from ``since``, sorted by name. ``commit`` is the full id of what it names.

    It is ``None`` for the state before the first commit.
    """

    since: str
    commit: str | None
    prompts: tuple[ChangedPrompt, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names that exist now, sorted: all but the deleted ones."""
        return tuple(sorted(one.name for one in self.prompts if one.kind is not Kind.DELETED))


def changed_since(project: Project, worktree: Worktree, since: str | None) -> Changed:
    """Return what differs between ``since`` and the working tree; ``None`` stands for ``HEAD``.

    ``since`` is what git takes for a commit, or ``REF...`` for the last commit that REF and ``HEAD`` share.
    Prompts differ by their content and tags: not by comments, layout, place or what is local in their files.
    Asks the registry nothing. Raises ``PromptsyncError`` when the state cannot be found, never takes it for
    an empty one, and ``InvalidFile`` when a file cannot be read now.
    """
    if worktree.problems:
        raise InvalidFile(worktree.problems)
    history = project.history
    if history is None:
        raise UsageError(
            f"{project.root} is in no git repository: nobody can tell what changed",
            hint="name the prompts instead; or git init, and commit",
            code="no-repository",
        )
    wanted = "HEAD" if since is None else since
    commit = find_state(history, wanted)
    texts = read_texts(history, worktree, commit)
    in_scope = project.config.in_scope
    own = [one for one in _differences(texts, in_scope) if in_scope(one.name)]
    others = [one for one in _dependants(texts.files, own) if in_scope(one.name)]
    for one in (*own, *others):
        if one.path is not None and one.path not in worktree.paths:
            raise hidden_away(one.path, f"what {one.name} says differs from {wanted}")
    return Changed(wanted, commit, tuple(sorted((*own, *others), key=lambda one: (one.name, one.kind))))


def _differences(texts: Texts, in_scope: Callable[[str], bool]) -> Iterator[ChangedPrompt]:
    before: dict[str, list[Text]] = {}
    for text in texts.before.values():
        before.setdefault(text.name, []).append(text)
    after = {text.name: text for text in texts.after.values()}
    # A name that had two files, which is an error, may have kept the one that git did not see change.
    after |= {
        name: text_of(texts.files[name]) for name in before if name in texts.files and name not in after
    }
    added = {name: text for name, text in after.items() if name not in before}
    deleted = {name: found[-1] for name, found in before.items() if name not in after}
    # Under a name that is none of ours, one of ours is gone.
    renamed = _renamed({name: text for name, text in added.items() if in_scope(name)}, deleted)
    for name, text in after.items():
        path = texts.files[name].path
        if name in renamed:
            yield ChangedPrompt(name, Kind.RENAMED, path, old_name=renamed[name])
        elif name in added:
            yield ChangedPrompt(name, Kind.ADDED, path)
        elif any(old.content != text.content for old in before[name]):
            yield ChangedPrompt(name, Kind.CHANGED, path)
    for name in deleted.keys() - set(renamed.values()):
        yield ChangedPrompt(name, Kind.DELETED, None)


def _renamed(added: Mapping[str, Text], deleted: Mapping[str, Text]) -> dict[str, str]:
    """Return the old names of prompts that have the content of one that is gone."""
    gone: dict[str | None, list[str]] = {}
    for name in sorted(deleted, reverse=True):
        gone.setdefault(deleted[name].digest, []).append(name)
    return {name: gone[text.digest].pop() for name, text in sorted(added.items()) if gone.get(text.digest)}


def _dependants(files: Mapping[str, PromptFile], own: Iterable[ChangedPrompt]) -> Iterator[ChangedPrompt]:
    names = {name for one in own for name in (one.name, one.old_name) if name is not None}
    if not names:
        return
    references = {name: rendered_in(file.prompt.template) for name, file in files.items()}
    for name, way in parents(references, dict.fromkeys(names, follows_text)).items():
        if name not in names:
            yield ChangedPrompt(name, Kind.DEPENDANT, files[name].path, through=way)
