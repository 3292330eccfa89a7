"""What is known about the history of one prompt: its file, its revisions in git, its versions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from promptsync.compare.sent_texts import Evidence, Stored, as_sent, unread
from promptsync.files.prompt_file import PromptFile
from promptsync.history.decide import Decision
from promptsync.history.graph import Contents, Node
from promptsync.history.revisions import RevisionGraph
from promptsync.history.synced_key import Key, identity, make_key
from promptsync.prompt.additions import NONE, Additions, content_beside, has_additions, without_additions
from promptsync.prompt.canonical import digest
from promptsync.prompt.prompt import Prompt
from promptsync.prompt.version import Version

if TYPE_CHECKING:
    from promptsync.files.git.revisions import Lineage


@dataclass
class History:
    """What is known so far about the history of one prompt: its file, its revisions, its versions.

    ``digest`` is that of the file. ``latest`` is the number of its newest version, which is not the listed
    one where a label is tracked. ``commits`` are the full ids of commits that marks name and ``HEAD`` does
    not reach, ``None`` where git lacks them. ``remote`` are the versions as they were read; ``prompts`` are
    their contents and ``versions`` their digests, both without what the registry added to what was sent.
    """

    name: str
    file: PromptFile | None
    digest: str | None
    listed: Version
    latest: int
    lineage: Lineage
    commits: dict[str, str | None] = field(default_factory=dict)
    versions: dict[int, Node] = field(default_factory=dict)
    remote: dict[int, Version] = field(default_factory=dict)
    prompts: dict[int, Prompt] = field(default_factory=dict)
    added: Additions = NONE
    texts: Contents = field(default_factory=lambda: Contents(_merged))
    decision: Decision | None = None
    may_have_additions: bool = False
    _stored: dict[int, Stored] = field(default_factory=dict)

    def add(self, number: int, found: Version | None) -> None:
        """Add a version that was read, ``None`` for one that the registry does not have any more."""
        if found is None:
            self.versions[number] = Node(number, None)
            return
        self.remote[number] = found
        self._add_text(number, found.prompt, found.message)

    def add_listed(self) -> None:
        """Add the listed version, whose body is known to be its source."""
        self._add_text(self.listed.version, self.listed.prompt, self.listed.message)

    def _add_text(self, number: int, prompt: Prompt, message: str | None) -> None:
        if self.file is not None:
            # Without this, a registry tool that was expanded on reading would look like a change.
            prompt = content_beside(self.file.prompt, prompt)
            beside_file = without_additions(self.file.prompt, prompt)
            self._stored[number] = Stored(number, message, prompt, *beside_file)
            # A known field counts as added, too, if the text that was sent turns out to lack it.
            if has_additions(self.file.prompt, prompt):
                self.may_have_additions = True
        self.set(number, message, prompt)

    def set(self, number: int, message: str | None, prompt: Prompt) -> None:
        """Set the content of a version that was read."""
        content = digest(prompt)
        self.texts.contents.setdefault(content, prompt)
        self.prompts[number] = prompt
        self.versions[number] = Node(number, content, message)

    @property
    def has_additions(self) -> bool:
        """Whether a version that was read has unknown keys that the file lacks."""
        return any(one.added for one in self._stored.values())

    def is_named(self, keys: Iterable[Key]) -> bool:
        """Whether one of these keys names a version that was read."""
        return any(key.version in self._stored for key in keys)

    def leave_out_additions(
        self, keys: Sequence[Key], prompt: str, read: Callable[[], None], *, has_twin: bool
    ) -> None:
        """Set the contents of all versions again, without what the registry added.

        ``keys`` are those of the file, ``prompt`` the identity that they are bound to. ``read`` reads the
        texts of the revisions; it is called only if one of them was sent and not read yet. For ``has_twin``
        see ``LocalSide``.
        """
        assert self.file is not None
        evidence = Evidence(self.file.prompt, self.lineage.revisions, keys, prompt, has_twin)
        if unread(evidence, self._stored.values(), self.texts.contents):
            read()
        prompts, self.added = as_sent(evidence, self._stored.values(), self.texts.contents)
        for number, content in prompts.items():
            self.set(number, self._stored[number].message, content)

    def keys(self, numbers: Iterable[int], workspace_id: int | None) -> tuple[Key, ...]:
        """Return the keys of those of the versions that were read."""
        prompt = identity(workspace_id, self.listed.template_id)
        known = ((number, self.versions[number].digest) for number in numbers if number in self.versions)
        return tuple(make_key(prompt, number, one) for number, one in known if one is not None)

    def unlike_marks(self, graph: RevisionGraph) -> Iterator[str]:
        """Yield the commits in marks at which the file has another text than the version."""
        for version in self.versions.values():
            mark = version.mark
            if mark is None or mark.commit is None or mark.dirty:
                continue
            place = graph.place(mark.commit)
            if place is not None and graph.all[place].digest != version.digest:
                yield mark.commit

    def text(self, content: str) -> Prompt | None:
        """Return the prompt with this digest, ``None`` if it was not read."""
        found: Prompt | None = self.texts.contents.get(content)
        return found


def _merged(base: Any, ours: Any, theirs: Any) -> tuple[str, Any] | None:
    from promptsync.prompt.merge import deciding

    found = deciding(base, ours, theirs)
    return (digest(found), replace(found, tags=())) if found is not None else None
