"""Makes the plan of a deploy from a survey, or refuses. Writes nothing."""

from __future__ import annotations

import math
import shlex
from collections.abc import Collection, Mapping, Sequence

import msgspec
from msgspec.structs import replace

from promptsync.checks.assignment import Check, Selection, select_checks
from promptsync.checks.catalog import find_checks
from promptsync.checks.results import Standard
from promptsync.checks.tables import TablePlan, plan_tables
from promptsync.checks.tested_text import TestedText, TestedTexts, Wanted, wanted_of
from promptsync.compare.git_state import uncommitted_config, uncommitted_paths
from promptsync.compare.released import LiveUser, Pins, find_pins
from promptsync.compare.snapshot import State
from promptsync.deploy.live import (
    PromptContract,
    accepted_names,
    check_live,
    check_order,
    find_contracts,
    live_at_once,
)
from promptsync.deploy.members import Survey
from promptsync.deploy.survey import make_survey
from promptsync.errors import Refused, UsageError
from promptsync.files.git.repository import is_in_repository
from promptsync.project.plan import fingerprint, workspace_of
from promptsync.project.project import Project
from promptsync.project.versions import check_changeable
from promptsync.prompt.labels import check_release_label
from promptsync.push.actions import Kind, PushOptions, PushPlan
from promptsync.push.plan import check_options, plan_push

_LONG = 200
"""The longest description of a change that an error quotes."""


class DeployOptions(msgspec.Struct, frozen=True):
    """What was requested. Empty ``names`` mean every prompt in scope. ``since`` is the git state before this
    push, ``None`` if unknown, and ``again`` releases the ``names`` although they were rolled back.
    ``standard`` is what the checks must reach; with ``keep_going``, what passes is released although others
    fail. ``breaking`` are the prompts that may break applications, named exactly. ``command`` is what was
    typed, without ``--max-changes``.
    """

    label: str
    names: tuple[str, ...] = ()
    message: str | None = None
    since: str | None = None
    require_checks: bool = False
    allow_dirty: bool = False
    again: bool = False
    breaking: tuple[str, ...] = ()
    max_changes: int | None = None
    standard: Standard = Standard()
    keep_going: bool = False
    command: str = "promptsync deploy"


class DeployPlan(msgspec.Struct, frozen=True):
    """Everything a deploy will do, in order.

    ``tables`` run, ``push`` publishes, ``located`` checks what is published, then the label of the releases
    moves. ``selection`` are all checks, and ``located`` those on evaluations and agents, found in the
    registry. ``live`` are the prompts that render a released snippet before the label moves
    onto them, by snippet. ``unchecked`` are members that have no checks. ``pins`` are those that stay behind
    the released snippets. ``contracts`` are what breaks applications, or may. ``not_from_here`` says why the
    plan is only shown: the branch does not release to the label.
    """

    survey: Survey
    push: PushPlan
    selection: Selection
    located: Sequence[Check]
    unchecked: tuple[str, ...] = ()
    tables: TablePlan = TablePlan()
    live: Mapping[str, Collection[LiveUser]] = {}
    pins: Pins = ()
    contracts: tuple[PromptContract, ...] = ()
    workspace: str = ""
    in_git: bool = True
    options: DeployOptions = DeployOptions("")
    not_from_here: str = ""

    @property
    def refusal(self) -> Refused | None:
        """A safety limit that the deploy exceeds, or the applications that it would break."""
        return self.contract_refusal or self.push.refusal or self.tables.refusal

    @property
    def contract_refusal(self) -> Refused | None:
        """The applications that the deploy would break."""
        stopping = [contract for contract in self.contracts if contract.stops]
        if not stopping:
            return None
        first, *others = stopping
        more = f" (and {len(others)} more)" if others else ""
        options = self.options
        command = ["promptsync", "deploy", *options.names, *(["--again"] if options.again else [])]
        for name in dict.fromkeys([*options.breaking, *(contract.name for contract in stopping)]):
            command += ["--breaking", name]
        hint = f"\nor set needs: app >= VERSION in {first.path}, and commit it" if first.path else ""
        return Refused(
            f"{first.name!r} breaks applications that read {first.label} v{first.version}: "
            f"{str(first.breaking[0])[:_LONG]}{more}; nothing was released",
            hint=f"{shlex.join(command)}{hint}",
            code="contract",
        )

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
    def fingerprint(self) -> str:
        """A short hash of exactly this plan: what is published, the checks, what they must reach, and every
        label move.
        """
        moves = [
            [member.name, member.released, None if member.publishes else member.version]
            for member in self.survey.releases
        ]
        of = self.selection.of
        evaluations = [[check.name, check.min_score, check.max_drop] for check in of("evaluation")]
        tables = [
            *([content.definition.name, content.title] for content in self.tables.contents),
            *([wanted.check.min_score, wanted.check.max_drop] for wanted in self.tables.wanted),
        ]
        agents = [[check.name, dict(check.input_variables)] for check in of("agent")]
        standard = replace(self.options.standard, timeout=0, origin="")
        required = [*msgspec.structs.astuple(standard), self.options.keep_going]
        pushed = self.push.fingerprint
        contracts = [msgspec.to_builtins(self.contracts)] if self.contracts else []
        checked = [tables, evaluations, agents, required]
        return fingerprint([self.label, self.workspace, pushed, moves, *checked, *contracts])


def plan_deploy(project: Project, options: DeployOptions) -> DeployPlan:
    """Return the plan of a deploy.

    Raises what ``make_survey``, ``plan_push`` and ``find_checks`` raise, ``Unsupported`` if the registry
    cannot change labels, ``UsageError`` for a limit that checks would ignore, and ``Refused`` for snippets
    that would be live unchecked and, where checks are required, for members that have none. Nothing has been
    written then.
    """
    check_options(PushOptions(message=options.message))
    check_release_label(options.label, "promptsync deploy")
    survey = make_survey(project, options.label, options.since, options.names, again=options.again)
    if survey.releases:
        if not options.allow_dirty:
            _check_committed(project, survey, is_named=bool(options.names))
        listing = survey.latest.listing
        check_changeable(project, ((listed.template_id, listed.name) for listed in listing.values()))
    push = _plan_push(project, survey, options)
    names = [member.name for member in survey.checked]
    checks = select_checks(names, survey.latest.worktree.files, project.config, project.evaluations)
    _check_drop(checks, options.standard.max_drop)
    unchecked = _unchecked(survey, checks.unchecked)
    located = find_checks(project.registry, checks.checks)
    if options.require_checks and unchecked:
        raise Refused(
            f"no checks for {', '.join(map(repr, unchecked[:10]))}; nothing was released",
            hint="write an evaluation file, or add checks to promptsync.yaml",
            code="unchecked",
        )
    in_git, workspace = is_in_repository(project.root), workspace_of(project) if survey.releases else ""
    plan = DeployPlan(
        survey, push, checks, located, unchecked, workspace=workspace, in_git=in_git, options=options
    )
    return _with_live(project, plan) if survey.releases else plan


def _with_live(project: Project, plan: DeployPlan) -> DeployPlan:
    """Return a plan with what it does to live prompts, and with the tables, which compare with them."""
    survey, options = plan.survey, plan.options
    releases = [member.name for member in survey.releases]
    pins = find_pins(project, survey.latest, plan.push.new_texts)
    live = live_at_once(project, survey)
    files = {
        item.name: item.file.prompt
        for item in survey.latest.items
        if item.file is not None and (item.state is State.IN_SYNC or item.name in releases)
    }
    texts = TestedTexts(project, files, survey.latest.listing, survey.label, releases)
    contracts = find_contracts(project, survey, texts, live)
    options = replace(options, breaking=accepted_names(project, survey, contracts, options.breaking))
    contracts = tuple(
        replace(contract, is_accepted=contract.is_accepted or contract.name in options.breaking)
        for contract in contracts
    )
    # After an approval everything is live already, so a verdict counts however old it is.
    is_live = all(member.is_moved for member in survey.releases) and project.config.evaluations_reuse
    wanted = _wanted_tables(project, survey, plan.selection, live, texts)
    tables = plan_tables(project, wanted, reuse=math.inf if is_live else None)
    checked_before = {wanted.candidate.name for wanted in tables.wanted}
    check_live(survey, live, checked_before, pins)
    check_order(survey, checked_before - {name for check in plan.located for name in check.prompts})
    pins = tuple(pin for pin in pins if pin.snippet in releases)
    return replace(plan, pins=pins, live=live, contracts=contracts, tables=tables, options=options)


def _check_committed(project: Project, survey: Survey, *, is_named: bool) -> None:
    """Raise ``Refused`` if the prompts or the checks to deploy are not those of the commit.

    Of named prompts, only their own files count, unless one may be a snippet: then others check it, too.
    """
    paths = uncommitted_paths(project, survey.latest.worktree)
    places = uncommitted_config(project) if paths else []
    files = survey.latest.worktree.files
    if is_named and not any(files[member.name].prompt.may_be_snippet for member in survey.releases):
        own = {member.path for member in survey.checked}
        paths = [path for path in paths if path in own or path in places]
    if not paths:
        return
    first, more = paths[0], f" (and {len(paths) - 1} more)" if len(paths) > 1 else ""
    what, changed = "has changes that are not committed", [*places]
    if project.history is not None and project.history.ignores(first):
        what, changed = "is ignored by git, so it is not committed", ["-f", first]
    elif paths != places:
        changed.append(project.config.prompts)
    raise Refused(
        f"{first} {what}{more}; deploy releases what is committed",
        hint=f"git add {shlex.join(changed)} && git commit\nadd --allow-dirty",
        code="uncommitted",
    )


def _plan_push(project: Project, survey: Survey, options: DeployOptions) -> PushPlan:
    publishing = [member for member in survey.releases if member.publishes]
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
    plan = plan_push(project, survey.latest, requested)
    # Nobody typed --force: what a release passes over is listed with it.
    actions = (
        replace(action, kind=Kind.UPDATE) if action.kind is Kind.FORCE else action for action in plan.actions
    )
    return replace(plan, actions=tuple(actions))


def _check_drop(checks: Selection, max_drop: float | None) -> None:
    """Raise ``UsageError`` for a limit that would not apply to prompts which only an evaluation checks."""
    compared = {name for check in checks.of("table") for name in check.prompts}
    ignoring = [check.name for check in checks.of("evaluation") if not compared.issuperset(check.prompts)]
    if max_drop is not None and ignoring:
        raise UsageError(
            f"--max-drop compares the rows of tables, and {ignoring[0]!r} is an evaluation",
            hint="use --min-score, or write an evaluation file",
        )


def _unchecked(survey: Survey, without: Collection[str]) -> tuple[str, ...]:
    """Return the members without checks: a snippet is checked by the prompts that render it."""
    members = [member for member in survey.checked if member.name not in without]
    checked = {snippet for member in members for snippet in member.through}
    return tuple(name for name in sorted(without) if name not in checked)


def _wanted_tables(
    project: Project,
    survey: Survey,
    selection: Selection,
    live: Mapping[str, Collection[LiveUser]],
    texts: TestedTexts,
) -> tuple[Wanted, ...]:
    """Return the prompts that tables run, each with the live version that it is compared with.

    These are the prompts to release, and those that render them. Live prompts render the new versions of
    snippets before their own label moves, if it moves at all: so they are run at their live versions, too.
    ``live`` are those, by snippet, and ``texts`` those of the survey. Raises what ``TestedTexts`` raises.
    """
    users = {(user.label, user.name): user.version for by_snippet in live.values() for user in by_snippet}
    files = survey.latest.worktree.files
    others = {name for _, name in users} - {member.name for member in survey.checked}
    tables = (
        *selection.of("table"),
        *select_checks(others, files, project.config, project.evaluations).of("table"),
    )
    checked = {name for check in tables for name in check.prompts}
    if not checked:
        return ()
    wanted: list[Wanted] = []

    def add(candidates: Mapping[str, TestedText], lives: Mapping[str, TestedText]) -> None:
        known = {(text.candidate.name, text.candidate.digest) for text in wanted}
        new = {name: text for name, text in candidates.items() if (name, text.digest) not in known}
        wanted.extend(wanted_of(tables, new, lives))

    members = [member for member in survey.checked if member.name in checked]
    before = {member.name: member.live for member in members if member.live is not None}
    lives = texts.of_versions(before)
    add(texts.of_files(member.name for member in members if member.is_release), lives)
    dependants = {member.name: member.version for member in members if member.is_dependant}
    add(texts.of_versions(dependants, as_live=False), lives)
    for label in sorted({label for label, _ in users}):
        versions = {name: version for (at, name), version in users.items() if at == label and name in checked}
        add(texts.of_versions(versions, as_live=False), texts.of_versions(versions))
    return tuple(wanted)
