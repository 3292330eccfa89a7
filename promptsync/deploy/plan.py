"""Makes the plan of a deploy from a survey, or refuses. Writes nothing."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from msgspec import structs
from msgspec.structs import replace

from promptsync.checks.assignment import Located, Selection, find_checks, select_checks
from promptsync.checks.receipt import Standard
from promptsync.compare.labels import check_changeable
from promptsync.compare.origin import uncommitted_config, uncommitted_paths
from promptsync.compare.pins import NO_PINS, PinReport, find_pins
from promptsync.deploy.live_snippets import LiveSnippet, beforehand, check_live, live_snippets
from promptsync.deploy.members import Member, Survey
from promptsync.deploy.survey import survey
from promptsync.errors import Refused
from promptsync.project.plan import fingerprint, workspace_of
from promptsync.project.project import Project
from promptsync.prompt.labels import check_release_label
from promptsync.push.actions import Kind, PushOptions, PushPlan
from promptsync.push.plan import check_options, plan_push

if TYPE_CHECKING:
    from promptsync.registry.protocol import Registry


@dataclass(frozen=True, slots=True)
class DeployOptions:
    """What was requested. Empty ``names`` mean every prompt in scope. ``touched`` are the names that this
    push changed, ``None`` if unknown, and ``again`` those to release although they were rolled back.
    ``standard`` is what the checks must reach; with ``keep_going``, what passes is released although others
    fail. ``command`` is what was typed, without ``--max-changes``.
    """

    label: str
    names: tuple[str, ...] = ()
    message: str | None = None
    touched: frozenset[str] | None = None
    require_checks: bool = False
    live_snippets: bool = False
    allow_dirty: bool = False
    again: tuple[str, ...] = ()
    max_changes: int | None = None
    standard: Standard = field(default_factory=Standard)
    keep_going: bool = False
    command: str = "promptsync deploy"


@dataclass(frozen=True, slots=True)
class DeployPlan:
    """Everything a deploy will do, in order.

    ``push`` publishes, ``selection`` checks (``found`` is what the registry has under those names), then the
    label of the releases moves. ``live`` are snippets that are live before they are checked, ``beforehand``
    those whose label moves first because no live prompt renders them by it yet. ``unchecked`` are members
    that have no checks. ``pins`` are those that stay behind the released snippets. ``not_from_here`` says why
    the plan is only shown: the branch does not release to the label.
    """

    survey: Survey
    push: PushPlan
    selection: Selection
    found: Located
    unchecked: tuple[str, ...] = ()
    live: tuple[LiveSnippet, ...] = ()
    beforehand: tuple[Member, ...] = ()
    pins: PinReport = NO_PINS
    workspace: str = ""
    in_git: bool = True
    standard: Standard = field(default_factory=Standard)
    keep_going: bool = False
    not_from_here: str = ""

    @property
    def refusal(self) -> Refused | None:
        """A safety limit that the push of the deploy exceeds."""
        return self.push.refusal

    @property
    def destructive(self) -> tuple[str, ...]:
        return (f"moving {self.label}",)

    @property
    def label(self) -> str:
        return self.survey.label

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to release."""
        return not self.survey.releases

    @property
    def is_pending(self) -> bool:
        """Whether everything to release is pending from an earlier deploy, and not changed by this push."""
        return bool(self.survey.releases) and all(member.pending for member in self.survey.releases)

    @property
    def is_new_label(self) -> bool:
        """Whether no prompt has the label yet, although there are prompts: it may be a typo."""
        return not self.survey.under.listing and bool(self.survey.latest.listing)

    @property
    def fingerprint(self) -> str:
        """A short hash of exactly this plan: what is published, the checks, what they must reach, and every
        label move.
        """
        moves = [
            [member.name, member.released, None if member.publishes else member.version]
            for member in self.survey.releases
        ]
        evaluations = [[one.name, one.min_score, one.max_drop] for one in self.selection.evaluations]
        agents = [[one.name, dict(one.input_variables)] for one in self.selection.agents]
        is_live_first = any(not one.already for one in self.live)
        pushed = self.push.fingerprint
        required = [*structs.astuple(self.standard), self.keep_going]
        return fingerprint(
            [self.label, self.workspace, pushed, moves, evaluations, agents, is_live_first, required]
        )


def plan_deploy(
    project: Project,
    options: DeployOptions,
    *,
    find: Callable[[Registry, Selection], Located] = find_checks,
) -> DeployPlan:
    """Return the plan of a deploy.

    Raises what ``survey``, ``plan_push`` and ``find_checks`` raise, ``Unsupported`` if the registry cannot
    change labels, and ``Refused`` for snippets that would be live unchecked and, where checks are required,
    for members that have none. Nothing has been written then. ``find`` looks up the checks.
    """
    check_options(PushOptions(message=options.message))
    check_release_label(options.label, "promptsync deploy")
    found = survey(project, options.label, options.touched, names=options.names, again=options.again)
    if found.releases:
        if not options.allow_dirty:
            _check_committed(project, found, is_named=bool(options.names))
        check_changeable(project, next(iter(found.latest.listing.values()), None))
    push = _plan_push(project, found, options)
    names = [member.name for member in found.members]
    selection = select_checks(names, found.latest.worktree.files, project.config)
    unchecked = _unchecked(found, selection.unchecked)
    if options.require_checks and unchecked:
        raise Refused(
            f"no checks are named for {', '.join(map(repr, unchecked[:10]))}; nothing was released",
            hint="name an evaluation in the file (evaluations: [...]) or in checks: of promptsync.yaml",
            code="unchecked",
        )
    live = live_snippets(project, found)
    if not options.live_snippets:
        check_live(live, options.command)
    checks = find(project.registry, selection)
    first = beforehand(found, live)
    workspace = workspace_of(project) if found.releases else ""
    pins = _pins(project, found, push)
    return DeployPlan(
        found,
        push,
        selection,
        checks,
        unchecked,
        live,
        first,
        pins,
        workspace,
        project.in_git,
        options.standard,
        options.keep_going,
    )


def _check_committed(project: Project, found: Survey, *, is_named: bool) -> None:
    """Raise ``Refused`` if the texts or the checks to deploy are not those of the commit.

    Of named prompts, only their own files count, unless one may be a snippet: then others check it, too.
    """
    paths = uncommitted_paths(project, found.latest.worktree)
    places = uncommitted_config(project) if paths else []
    files = found.latest.worktree.files
    types = {files[one.name].prompt.template.get("type") for one in found.releases if one.name in files}
    if is_named and "completion" not in types:
        own = {one.path for one in found.members}
        paths = [path for path in paths if path in own or path in places]
    if paths:
        raise _not_committed(project, paths, places)


def _not_committed(project: Project, paths: Sequence[str], places: Sequence[str]) -> Refused:
    first = paths[0]
    more = f" (and {len(paths) - 1} more)" if len(paths) > 1 else ""
    if project.history is not None and project.history.ignores(first):
        what, hint = (
            "is ignored by git, so it is not committed",
            f"git add -f {shlex.quote(first)} && git commit",
        )
    else:
        changed = [*places, *([project.config.prompts] if paths != places else [])]
        what, hint = "has changes that are not committed", f"git add {shlex.join(changed)} && git commit"
    return Refused(
        f"{first} {what}{more}; deploy releases what is committed",
        hint=f"{hint}\nadd --allow-dirty",
        code="uncommitted",
    )


def _plan_push(project: Project, found: Survey, options: DeployOptions) -> PushPlan:
    publishing = [member for member in found.releases if member.publishes]
    if not publishing:
        return PushPlan(())
    forced = [member for member in publishing if member.forced]
    requested = PushOptions(
        names=tuple(member.name for member in publishing),
        message=options.message,
        # These are made from the version under the label, so that nothing live is lost.
        force=tuple(member.name for member in forced),
        max_changes=options.max_changes,
        command=options.command,
        checked_label=options.label,
        parents={member.name: member.parents for member in forced},
    )
    plan = plan_push(project, found.latest, requested)
    # Nobody typed --force: what a release passes over is listed with it.
    updates = (replace(one, kind=Kind.UPDATE) if one.kind is Kind.FORCE else one for one in plan.actions)
    return replace(plan, actions=tuple(updates))


def _pins(project: Project, found: Survey, push: PushPlan) -> PinReport:
    if not found.releases:
        return NO_PINS
    pins = find_pins(project, found.latest, push.new_texts)
    return pins.changed_by([member.name for member in found.releases])


def _unchecked(found: Survey, without: Collection[str]) -> tuple[str, ...]:
    """Return the members without checks: a snippet is checked by the prompts that render it."""
    members = [member for member in found.members if member.name not in without]
    checked = {snippet for member in members for snippet in member.through}
    return tuple(name for name in sorted(without) if name not in checked)
