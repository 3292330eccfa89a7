"""What a deploy checks and releases, and the prompts that render a released snippet."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from promptsync.compare.live_users import LiveUser, follows_label, follows_latest
from promptsync.compare.snapshot import Item, Snapshot
from promptsync.files.prompt_file import PromptFile
from promptsync.project.project import Project
from promptsync.prompt.labels import way_back
from promptsync.prompt.prompt import Prompt
from promptsync.prompt.snippet_graph import Follows, Way, parents
from promptsync.prompt.snippets import Reference, rendered_in


def affected(project: Project, label: str, latest: Snapshot, releases: Sequence[Member]) -> dict[str, Way]:
    """Return the prompts that render a released snippet unpinned or by its label, each with its way there.

    A way is the chain of snippets from the prompt down to the released one.
    """
    texts = {name: one for name, one in _references(latest).items() if project.config.in_scope(name)}
    return parents(texts, dict.fromkeys((member.name for member in releases), _renders_new(label)))


def together(survey: Survey, names: Collection[str]) -> frozenset[str]:
    """Return prompts with all others that are only released together with them.

    A released snippet and the prompts that render it stand or fall together.
    """
    texts, renders = _references(survey.latest), _renders_new(survey.label)
    groups = [{one.name, *parents(texts, {one.name: renders})} for one in survey.releases]
    found, before = set(names), 0
    while len(found) > before:
        before = len(found)
        found.update(*(group for group in groups if group & found))
    return frozenset(found)


def needed_snippets(files: Mapping[str, PromptFile], names: Collection[str], label: str) -> dict[str, str]:
    """Return the snippets whose new texts some prompts render, each with a prompt that refers to it."""
    renders, needed_by = _renders_new(label), dict[str, str]()
    waiting, seen = [*names], {*names}
    while waiting:
        user = waiting.pop()
        for reference in rendered_in(files[user].prompt.template) if user in files else ():
            # A version pins the snippet's own text, not those that it refers to.
            if reference.name not in seen:
                seen.add(reference.name)
                waiting.append(reference.name)
            if renders(reference) and reference.name not in names:
                needed_by.setdefault(reference.name, user)
    return needed_by


def _references(latest: Snapshot) -> dict[str, list[Reference]]:
    return {name: [*rendered_in(file.prompt.template)] for name, file in latest.worktree.files.items()}


def _renders_new(label: str) -> Follows:
    """Whether a reference renders what a deploy to ``label`` releases."""
    by_label = follows_label(label)
    # What a stopped deploy published is as unchecked as what this one publishes.
    return lambda reference: by_label(reference) or follows_latest(reference)


def dependants(
    found: Mapping[str, Way], latest: Snapshot, under: Snapshot, releases: Sequence[Member]
) -> tuple[Member, ...]:
    """Return the affected prompts that are not released; they are checked again at their live version."""
    known = {member.name for member in releases}
    live = {item.name: item for item in under.items}
    newest = {item.name: item.version for item in latest.items}
    return tuple(
        Member(
            name=name,
            path=item.path,
            template_id=item.listed.template_id,
            released=item.version,
            latest=newest.get(name),
            existing=item.version,
            dependant=True,
            through=found[name],
        )
        for name in sorted(found)
        if name not in known and (item := live.get(name)) is not None and item.listed is not None
    )


@dataclass(frozen=True, slots=True)
class PassedOverVersion:
    """A version that a release does not include. ``old`` and ``new`` are the texts before it and its own.

    ``in_dashboard`` says that nobody pushed it, so that git does not have its text. ``labels`` point at it,
    and ``users`` are the live prompts that render it as the newest text of a snippet.
    """

    version: int
    in_dashboard: bool = True
    origin: str = "saved in the dashboard"
    created_at: str | None = None
    labels: tuple[str, ...] = ()
    users: tuple[LiveUser, ...] = ()
    old: Prompt | None = None
    new: Prompt | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """One prompt that this deploy checks, and releases unless it is a ``dependant``.

    ``released`` is the version under the label (``None``: no label yet), ``latest`` the newest one (``None``:
    not in the registry). ``existing`` is the version that has the text of the file; without one, a version is
    published first. ``forced`` says that the file does not include the latest one: what is published is made
    from ``parents``. ``passed_over`` are the versions that the release does not include.
    ``pending`` says that it is pending from an earlier deploy: no commit of this push touched it. ``through``
    are the changed snippets that it renders. ``previous`` is where ``LABEL.previous`` points, ``newest``
    where ``LABEL.released`` does.
    """

    name: str
    path: str | None
    template_id: int | None
    released: int | None
    latest: int | None
    existing: int | None = None
    forced: bool = False
    parents: tuple[int, ...] = ()
    passed_over: tuple[PassedOverVersion, ...] = ()
    pending: bool = False
    dependant: bool = False
    through: tuple[str, ...] = ()
    previous: int | None = None
    newest: int | None = None

    @property
    def publishes(self) -> bool:
        """Whether a version is published first."""
        return self.existing is None

    @property
    def is_moved(self) -> bool:
        """Whether the label is at that version already: a stopped deploy moved it before the checks."""
        return self.existing is not None and self.released == self.existing

    @property
    def live(self) -> int | None:
        """The version that was live before the deploy; of a stopped deploy, before that one."""
        is_stopped = self.is_moved and not self.dependant
        before = self.live_before
        return before if is_stopped and (before or 0) < (self.released or 0) else self.released

    @property
    def live_before(self) -> int | None:
        """The version to which a rollback of the label goes."""
        return way_back(self.released or 0, self.previous, self.newest)

    @property
    def version(self) -> int:
        """The version that is checked, and that the label will point at."""
        return self.existing if self.existing is not None else (self.latest or 0) + 1


@dataclass(frozen=True, slots=True)
class OnHold:
    """A prompt that was rolled back: ``version`` has the text of the file and is above ``released``.

    The label is at ``released`` now, ``None`` if it was removed. ``touched`` says that this push changed the
    prompt.
    """

    name: str
    version: int
    released: int | None
    touched: bool

    @property
    def how(self) -> str:
        """What happened to the label."""
        return "was removed" if self.released is None else f"was rolled back to v{self.released}"


@dataclass(frozen=True, slots=True)
class Skipped:
    """A prompt that is skipped although its label and its file differ, and why.

    ``touched`` says that this push changed it, so that skipping it is a refusal.
    """

    name: str
    state: str
    reason: str
    touched: bool


@dataclass(frozen=True, slots=True)
class Survey:
    """The label compared with git.

    ``latest`` compares with the newest versions, ``under`` with those under the label. ``deleted`` are
    prompts whose files were deleted in git: they keep their label. ``newly_deleted`` are those of them that
    this push deleted. If prompts were named, ``needed_by`` are the snippets that they need, each with a
    prompt that renders it.
    """

    label: str
    latest: Snapshot
    under: Snapshot
    releases: tuple[Member, ...] = ()
    dependants: tuple[Member, ...] = ()
    on_hold: tuple[OnHold, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    deleted: tuple[str, ...] = ()
    newly_deleted: tuple[str, ...] = ()
    needed_by: Mapping[str, str] = field(default_factory=dict)

    @property
    def touched(self) -> tuple[str, ...]:
        """The names that this push changed and that the deploy releases, skips or mentions."""
        releases = [member.name for member in self.releases if not member.pending]
        on_hold = [one.name for one in self.on_hold if one.touched]
        skipped = [one.name for one in self.skipped if one.touched]
        return (*releases, *on_hold, *skipped, *self.newly_deleted)

    @property
    def members(self) -> tuple[Member, ...]:
        """Everything that is checked."""
        return tuple(sorted((*self.releases, *self.dependants), key=lambda member: member.name))


def parents_of(under: Item, item: Item) -> tuple[int, ...]:
    """Return the versions that a release includes if it is not made from the latest one."""
    if under.listed is not None:
        # Without a decision both sides are equal, and the version under the label is the only parent.
        decision = under.history.decision if under.history is not None else None
        return decision.pull if decision is not None else (under.listed.version,)
    decision = item.history.decision if item.history is not None else None
    return decision.force if decision is not None else ()
