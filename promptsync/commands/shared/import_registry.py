"""``init --from-remote``: asks which prompts are ours, and tells what was adopted."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from promptsync.commands.shared.session import Session
from promptsync.compare.project import Project
from promptsync.errors import PromptsyncError, Refused, UsageError
from promptsync.files.config import FILE_NAME, Config
from promptsync.files.state.private import locked
from promptsync.pull.apply import PullReceipt, apply_pull
from promptsync.pull.plan import PullPlan
from promptsync.setup.import_registry import Adoption, Group, groups, idle, plan_adoption, survey
from promptsync.setup.init import VENDOR, Started, draft, start
from promptsync.terminal import output

_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Adopted:
    """What was adopted: how init started the working copy, the plan, and what became of it."""

    started: Started
    plan: Adoption
    receipt: PullReceipt
    url: str
    remote: str
    label: str | None

    @property
    def error(self) -> PromptsyncError | None:
        """Why ``status`` will not be empty, if it will not."""
        done, total = len(self.receipt.written), len(self.plan.writes)
        if self.receipt.interrupted or self.receipt.stopped is not None:
            stopped = self.receipt.stopped
            why = stopped.message if stopped is not None else "interrupted"
            error = PromptsyncError(
                f"{why}; {done} of {output.count(total, 'file')} written",
                hint="run the same command again: it writes the rest",
                code=stopped.code if stopped else "interrupted",
            )
            error.exit_code = self.receipt.exit_code
            return error
        if self.plan.apart:
            return Refused(
                f"{output.count(len(self.plan.apart), 'file')} here did not come from the registry and "
                "says something else; all that was here is kept as it was",
                details=[f"{output.name(item.name)}  {item.path}" for item in self.plan.apart],
                hint="promptsync diff NAME shows both texts, pull NAME --theirs or --ours takes one",
                code="conflict",
            )
        return None


def adopt(
    session: Session, *, prompts: str | None, url: str | None, include: Sequence[str], label: str | None
) -> Adopted:
    """Write a configuration and a file for each prompt that belongs here; nothing before all is read."""
    root = session.directory
    there = (root / FILE_NAME).exists()
    wanted = None if there else _url(session, url)
    drafted = draft(root, prompts=prompts, url=wanted, include=include)
    remote = url or session.remote or session.environment.remote if there else drafted.config.default_remote
    with session.project_of(drafted.config, remote) as project:
        if there and project.remote not in project.config.remotes:
            raise UsageError(
                f"{root / FILE_NAME} is there, and has no remote {project.url}",
                hint="add it below remotes: there, and name it with --remote",
            )
        names = survey(project)
        chosen = _chosen(session, project, drafted.config, include, names)
        config = draft(root, prompts=prompts, url=wanted, include=chosen).config
        project.config = replace(config, include=tuple(chosen))
        plan = plan_adoption(project, label=label)
        started = start(root, prompts=prompts, url=wanted, include=chosen, example=False)
        with locked(root):
            receipt = apply_pull(project, PullPlan(plan.writes))
        return Adopted(started, plan, receipt, project.url, project.remote, label)


def _url(session: Session, url: str | None) -> str:
    """Return the URL of the registry where no configuration names it yet."""
    environment = session.environment
    wanted = url or session.remote or environment.remote or environment.base_url or VENDOR
    known = {"local": "local:", "production": VENDOR}.get(wanted, wanted)
    if ":" not in known:
        raise UsageError(
            f"there is no {FILE_NAME} here yet that could say what the remote {wanted!r} is",
            hint=f"give its URL, such as --remote {VENDOR}",
        )
    return known


def _chosen(
    session: Session, project: Project, config: Config, include: Sequence[str], names: Sequence[str]
) -> tuple[str, ...]:
    """Return the patterns of what belongs here: those given, those of the configuration, or an answer."""
    found = groups(names)
    chosen = tuple(include) or config.include
    if not chosen and session.environment.interactive and not session.json:
        return _asked(session, project, found, names)
    if not chosen:
        raise UsageError(
            f"{project.url} holds {output.count(len(names), 'prompt')}, and nothing says which of them "
            "belong to this repository; nothing was written",
            details=_table(found),
            hint=f"say it: --include {_example(found)}, more than once if need be, or --include '*' for all",
            code="include-needed",
        )
    unmatched = idle(chosen, names)
    if unmatched and include:
        raise UsageError(
            f"--include {shlex.quote(unmatched[0])} matches none of the {output.count(len(names), 'prompt')} "
            f"of {project.url}; nothing was written",
            details=_table(found),
            hint="* matches any text, / included: --include 'support/*'",
            code="include-unmatched",
        )
    return chosen


def _asked(
    session: Session, project: Project, found: Sequence[Group], names: Sequence[str]
) -> tuple[str, ...]:
    session.say(f"{output.safe(project.url)} holds {output.count(len(names), 'prompt')}:")
    for line in _table(found):
        session.say(f"  {output.safe(line)}")
    while True:
        answer = session.ask(
            "Which belong to this repository? Patterns with blanks between them; * means all", default="*"
        )
        patterns = tuple(answer.split())
        unmatched = idle(patterns, names)
        if patterns and not unmatched:
            return patterns
        session.say(f"{output.safe(' '.join(unmatched))} matches no prompt")


def _table(found: Sequence[Group]) -> list[str]:
    """Return the largest groups as lines, and how much is in the others."""
    rows = [(f"{len(one.names):>6}", _pattern(one)) for one in found[:_SHOWN]]
    others = found[_SHOWN:]
    if others:
        number = sum(len(one.names) for one in others)
        rows.append((f"{number:>6}", f"in {output.count(len(others), 'smaller group')}"))
    return output.table(rows)


def _pattern(group: Group) -> str:
    if group.pattern:
        return output.name(group.pattern)
    first = ", ".join(output.name(name) for name in group.names[:3])
    return f"{first}{', …' if len(group.names) > 3 else ''}"


def _example(found: Sequence[Group]) -> str:
    pattern = next((one.pattern for one in found if one.pattern), "")
    return shlex.quote(pattern or found[0].names[0])


def lines(done: Adopted, *, verbose: bool) -> list[str]:
    """Return what was adopted as lines, after what init created."""
    plan, written = done.plan, done.receipt.written
    found: list[str] = []
    if verbose or len(written) <= _SHOWN:
        rows = ((output.name(one.name), f"v{one.version}", output.safe(one.path)) for one in written)
        found = output.table((f"  {output.style('new', 'remote')}", *row) for row in rows)
    include = " ".join(shlex.quote(one) for one in done.started.config.include)
    where = f"{output.safe(done.url)} (include: {output.name(include)})"
    found.append(f"{output.count(len(written), 'prompt')} adopted from {where}")
    label = output.name(done.label or "")
    if plan.present:
        found.append(f"  {len(plan.present)} with a file here already: kept")
    if plan.newer:
        found.append(f"  {len(plan.newer)} with a version newer than {label}: behind until you pull")
    if plan.unlabelled:
        found.append(f"  {len(plan.unlabelled)} without {label}: left there, promptsync pull brings them")
    if plan.foreign:
        found.append(f"  {plan.foreign} not adopted: outside of include")
    return found


def body(done: Adopted) -> dict[str, Any]:
    """Return what was adopted for a JSON document."""
    plan = done.plan
    return {
        "include": list(done.started.config.include),
        "adopted": [
            {"name": one.name, "path": one.path, "version": one.version} for one in done.receipt.written
        ],
        "present": [item.name for item in plan.present],
        "conflicts": [item.name for item in plan.apart],
        "newer": list(plan.newer),
        "unlabelled": list(plan.unlabelled),
        "not_included": plan.foreign,
    }
