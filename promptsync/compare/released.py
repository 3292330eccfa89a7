"""What is released under labels: the latest versions that are not, and the live prompts that use a snippet.

A snippet without a pin renders its latest version, so publishing it changes those prompts immediately. A pin
such as ``@@@house-tone@version_number:1@@@`` keeps an old version until it is moved.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache, cached_property
from types import MappingProxyType

from msgspec import Struct
from msgspec.structs import replace

from promptsync.compare.content import read_content
from promptsync.compare.snapshot import Item, Snapshot, State
from promptsync.errors import Refused
from promptsync.files.prompt_file import pins_in
from promptsync.project.project import Project
from promptsync.project.versions import labelled, labels_by_prompt, list_labels, read_labels, read_version
from promptsync.prompt.canonical import digest
from promptsync.prompt.labels import RELEASED, is_own, position_of
from promptsync.prompt.prompt import Version
from promptsync.prompt.snippets import Follows, Reference, rendered_in
from promptsync.registry.errors import NotFound, NotReadableRaw, Unsupported, UnusablePrompt


class Unreleased(Struct, frozen=True):
    """The latest version of a prompt, which is not released to a label that the configuration governs.

    ``released`` is the version under the label, ``None`` without one. ``is_rolled_back`` says that the latest
    version was live before. ``reason`` is why it failed its checks, if it did: ``refund quality 50 < 90``.
    """

    name: str
    label: str
    version: int
    released: int | None
    is_rolled_back: bool
    reason: str | None = None


def release_labels(project: Project) -> list[str]:
    """Return the label that the current branch is released to, or all in ``labels:`` if it has none."""
    governed = project.config.labels
    wanted = sorted({*governed.values()})
    if len(wanted) > 1 and project.history is not None and project.history.branch in governed:
        wanted = [governed[project.history.branch]]
    return wanted


def unreleased(project: Project, snapshot: Snapshot) -> tuple[Unreleased, ...]:
    """Return the latest versions that the files include and that are not released. Reads only.

    What counts are the ``release_labels``. Without anything to release this costs no request, and git is not
    opened. Returns nothing if the labels of the snapshot were not read.
    """
    labels, governed = snapshot.labels, project.config.labels
    if labels is None:
        return ()
    lacking = [
        item
        for item in snapshot.of(State.IN_SYNC, State.AHEAD)
        if any(labels.get(item.name, {}).get(label) != item.version for label in governed.values())
    ]
    if not lacking:
        return ()
    wanted = release_labels(project)
    if not project.registry.labels.may_list_all:  # a list under a label may cost a request for each prompt
        beside = list_labels(project.registry, [f"{label}{RELEASED}" for label in wanted])
        more = labels_by_prompt(beside or (), snapshot.listing.values())
        labels = {name: {**labels.get(name, {}), **there} for name, there in more.items()}
    pairs = []
    for label in wanted:
        for item in lacking:
            there, version = labels.get(item.name, {}), item.version or 0
            if (now := there.get(label)) != version:
                is_rolled_back = position_of(label, there).holds(version)
                pairs.append((item, Unreleased(item.name, label, version, now, is_rolled_back)))

    def says_the_same(pair: tuple[Item, Unreleased]) -> bool:
        """Whether the version under a label has the content of the latest one."""
        item, prompt = pair
        if item.file is None or item.listed is None or prompt.released is None:
            return False
        released = read_version(project, item.listed, prompt.released)
        latest = item.digest if item.state is State.IN_SYNC else item.remote_digest
        return released is not None and digest(read_content(project, released, item.file.prompt)) == latest

    alike = project.mapped("Reading versions", says_the_same, pairs)
    return tuple(prompt for (_, prompt), is_same in zip(pairs, alike, strict=True) if not is_same)


def rolled_back_from(project: Project, snapshot: Snapshot, name: str, version: int) -> str | None:
    """Return the governed label from which a version was rolled back, ``None`` if none is known."""
    there, listed = (snapshot.labels or {}).get(name, {}), snapshot.listing.get(name)
    if not project.registry.labels.may_list_all and listed is not None:  # of others none or some were read
        there = read_labels(project, listed) or {}
    governed = filter(project.config.governs, there)
    return next((label for label in governed if position_of(label, there).holds(version)), None)


_LISTED = 10
_UNKNOWN = (
    *(State.INVALID, State.CONFLICT),
    *(State.RENAMED_REMOTELY, State.DELETED_REMOTELY),
)


class LiveUser(Struct, frozen=True, order=True):
    """A prompt whose version under a governed label renders a snippet, directly or through others.

    Without a ``label`` it is the latest version that does. ``version`` is the one under the label.
    """

    name: str
    label: str
    version: int = 0


class Pin(Struct, frozen=True):
    """A prompt that pins an older version of a snippet than that of the snippet's file.

    ``newest`` is that version, or the number that the file will get, unless it ``is_published``.
    """

    user: str
    snippet: str
    version: int
    newest: int
    is_published: bool = True


Pins = tuple[Pin, ...]


def follows(labels: Collection[str], *, latest: bool = False) -> Follows:
    """Whether a reference renders what one of ``labels`` points at, or with ``latest`` the latest version."""

    def renders(reference: Reference) -> bool:
        if reference.label is not None:
            return reference.label in labels
        return latest and reference.version is None

    return renders


class LiveTexts:
    """The versions under governed labels, and what they reference. Reads each version once, if it is needed.

    ``after`` are labels as they will be after a move, by prompt. ``label`` counts as governed, too.
    """

    def __init__(
        self,
        project: Project,
        snapshot: Snapshot,
        after: Mapping[str, Mapping[str, int]] | None = None,
        *,
        label: str | None = None,
    ) -> None:
        self._label = label
        self._after = after or {}
        self._project = project
        self._snapshot = snapshot
        self._items = {item.name: item for item in snapshot.items}
        prompts = project.registry.prompts
        self._under = cache(lambda label: {at.name: at.version for at in prompts.list(label=label)})
        self._known_users = cache(self._find_users)
        self.references = cache(self._read)
        """Return the references in a version of a prompt, ``None`` if it cannot be read."""

    @cached_property
    def _pointers(self) -> dict[str, dict[str, int]]:
        there = release_pointers(self._project, self._snapshot.listing.values())
        return there | {name: there.get(name, {}) | {**labels} for name, labels in self._after.items()}

    def users(self, snippet: str, follows: Follows) -> tuple[LiveUser, ...]:
        """Return the live prompts that render ``snippet`` through a reference that ``follows``.

        Those here are found by their live versions. Those of other repositories are read only if the registry
        says that they use the snippet, or cannot say who does.
        """
        here = {item.name for item in self._snapshot.items if item.state is not State.REMOTE_ONLY}
        known = self._known_users(snippet)
        candidates = self._pointers.keys() if known is None else here | known
        return tuple(
            LiveUser(name, label, version)
            for name in sorted(candidates & self._pointers.keys() - {snippet})
            for label, version in sorted(self._pointers[name].items())
            if (label == self._label or self._project.governs(label))
            and self._renders(name, version, snippet, follows)
        )

    def at_once(self, changes: Mapping[str, tuple[Collection[str], bool]]) -> dict[str, tuple[LiveUser, ...]]:
        """Return the live prompts that render changed snippets immediately, by snippet.

        ``changes`` are the labels that move onto each prompt, and whether its latest version changes.
        """
        return {
            name: live
            for name, (labels, is_new) in changes.items()
            if (labels or is_new)
            and (item := self._items.get(name)) is not None
            and (latest := item.listed or item.archived) is not None
            and latest.prompt.may_be_snippet
            and (live := self.users(name, follows(labels, latest=is_new)))
        }

    def _find_users(self, snippet: str) -> set[str] | None:
        """Return the prompts that the registry knows to use a snippet, also through other snippets."""
        listing, reached, waiting = self._snapshot.listing, {snippet}, [snippet]
        while waiting:
            listed = listing.get(waiting.pop())
            users = direct_users(self._project, listed) if listed is not None else None
            if users is None:
                return None
            new = users & listing.keys() - reached
            reached |= new
            waiting += sorted(new)
        return reached

    def _renders(self, name: str, version: int, snippet: str, follows: Follows) -> bool:
        waiting, seen = [(name, version)], set()
        while waiting:
            at = waiting.pop()
            if at in seen:
                continue
            seen.add(at)
            references = self.references(*at)
            if references is None:
                return True  # what cannot be read counts as a user, to be safe
            if any(reference.name == snippet and follows(reference) for reference in references):
                return True
            waiting += [
                (reference.name, number)
                for reference in references
                if (number := self._version(reference)) is not None
            ]
        return False

    def _version(self, reference: Reference) -> int | None:
        """Return the version that a reference renders now."""
        listed = self._snapshot.listing.get(reference.name)
        if reference.label is None or listed is None:
            return reference.version or (listed.version if listed is not None else None)
        pointers = self._pointers.get(reference.name, {})
        if reference.label in pointers:
            return pointers[reference.label]
        return self._under(reference.label).get(reference.name)

    def _read(self, name: str, version: int) -> Sequence[Reference] | None:
        item, listed = self._items.get(name), self._snapshot.listing.get(name)
        if item and item.file and item.state is State.IN_SYNC and item.version == version:
            return rendered_in(item.file.prompt.template)
        if listed is None:
            return ()
        try:
            read = read_version(self._project, listed, version)
        except (NotReadableRaw, UnusablePrompt):
            return None
        return rendered_in(read.prompt.template) if read is not None else ()


def direct_users(project: Project, listed: Version, label: str | None = None) -> set[str] | None:
    """Return the prompts of which any version references a snippet, or does so by ``label``.

    ``None`` if the registry cannot say.
    """
    if not listed.prompt.may_be_snippet:
        return set()
    try:
        usage = project.registry.prompts.snippet_usage(listed.template_id, listed.name)
    except (Unsupported, NotFound):
        return None
    lists = (usage.get("snippet_usage") if label is None else None, usage.get("label_usage"))
    entries = [entry for entries in lists if isinstance(entries, list) for entry in entries]
    uses = (entry for entry in entries if isinstance(entry, dict))
    return {str(use.get("prompt_name")) for use in uses if label in (None, use.get("label_name"))}


def release_pointers(project: Project, items: Collection[Version]) -> dict[str, dict[str, int]]:
    """Return the release labels of prompts and where they point, by prompt; without those beside another.

    Where the registry cannot list all labels, these are the governed ones.
    """
    try:
        prompts = labelled(project, list(items), only=project.guarded_labels)
    except Unsupported:
        return {}
    return {
        prompt.listed.name: {label: version for label, version in prompt.labels.items() if is_own(label)}
        for prompt in prompts
    }


def named_users(users: Iterable[LiveUser]) -> str:
    """Return prompts with the labels under which they are live: ``bots/faq (prod), ops/sql``."""
    labels: dict[str, list[str]] = {}
    for user in sorted(users):
        labels.setdefault(user.name, []).append(user.label)
    shown = [f"{name} ({', '.join(under)})" if any(under) else name for name, under in labels.items()]
    more = f" and {len(shown) - _LISTED} more" if len(shown) > _LISTED else ""
    return ", ".join(shown[:_LISTED]) + more


def live_refusal(
    live: Mapping[str, Iterable[LiveUser]], what: str, without: str, nothing: str, hint: str
) -> Refused:
    """Return the error for ``live`` prompts, by snippet, that would render new versions ``without`` checks.

    ``what`` is the first of these snippets, and ``nothing`` was done.
    """
    users = {name: f"live immediately in {named_users(users)}" for name, users in live.items()}
    return Refused(
        f"{what} would be {next(iter(users.values()))}, {without}; nothing was {nothing}",
        hint=hint,
        details=[f"{name}: {where}" for name, where in users.items()] if len(users) > 1 else (),
        code="live-snippets",
    )


# -- pins ---------------------------------------------------------------------------------------------------


def after(pins: Iterable[Pin], published: Mapping[str, int]) -> Pins:
    """Return the pins once these versions are published, and no others."""
    return tuple(
        replace(pin, newest=published.get(pin.snippet, pin.newest), is_published=True)
        for pin in pins
        if pin.is_published or pin.snippet in published
    )


def published_version(item: Item) -> int | None:
    """Return the version with the content of a file, ``None`` if that is not published."""
    if item.file is None or item.listed is None or item.state in _UNKNOWN:
        return None
    if item.state in (State.IN_SYNC, State.ALTERED) or item.digest == item.remote_digest:
        return item.version
    if item.state is not State.BEHIND or item.history is None:
        return None
    versions = item.history.versions.values()
    return max((node.number for node in versions if node.digest == item.digest), default=None)


def find_pins(
    project: Project, snapshot: Snapshot, publishing: Mapping[str, int] = MappingProxyType({})
) -> Pins:
    """Return which pins of the files are outdated.

    ``publishing`` are the numbers that an action is about to publish. The snapshot must be of the latest
    versions. A version that was rolled back is nothing to move to, where its labels are known.
    """
    in_scope = {name: file for name, file in snapshot.worktree.files.items() if project.config.in_scope(name)}
    items = {item.name: item for item in snapshot.items}
    pins: list[Pin] = []
    for snippet, users in sorted(pins_in(in_scope).items()):
        item = items.get(snippet)
        if item is None or item.file is None or item.listed is None or item.state in _UNKNOWN:
            continue
        version = None if snippet in publishing else published_version(item)
        if version is None and item.state is State.BEHIND:
            continue  # a pull comes before the next push
        newest = publishing.get(snippet, item.listed.version + 1) if version is None else version
        outdated = [
            Pin(user, snippet, pinned, newest, version is not None)
            for user in sorted(users)
            for pinned in sorted(users[user])
            if pinned < newest
        ]
        if outdated and rolled_back_from(project, snapshot, snippet, newest) is None:
            pins += outdated
    return tuple(pins)
