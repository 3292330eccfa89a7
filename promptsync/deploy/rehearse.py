"""Rehearses a whole deploy in a temporary embedded registry."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from msgspec import structs

from promptsync.checks.assignment import Selection, find_checks, lowest
from promptsync.checks.catalog import list_agents, list_evaluations
from promptsync.compare.pins import NO_PINS
from promptsync.deploy.apply import apply_deploy
from promptsync.deploy.plan import DeployOptions, plan_deploy
from promptsync.deploy.receipt import DeployReceipt
from promptsync.errors import AnswerIsNo, Incomplete, PromptsyncError
from promptsync.files.record import Record
from promptsync.files.worktree import scan
from promptsync.project.pointers import labels_of_prompt
from promptsync.project.project import Project
from promptsync.project.versions import read_version
from promptsync.prompt.snippet_graph import publish_order
from promptsync.prompt.snippets import rendered_in
from promptsync.prompt.version import Version
from promptsync.registry.address import LOCAL


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What the rehearsal in the registry at ``url`` did. ``without`` are the checks that were skipped because
    the fixtures do not declare them. Without ``is_compared``, scores have yet to be compared with live ones.
    """

    receipt: DeployReceipt
    url: str
    without: tuple[str, ...] = ()
    is_compared: bool = True

    @property
    def left_out(self) -> tuple[str, ...]:
        """What it did not do, and why."""
        skipped = (f"{name} was skipped, because the fixtures do not declare it" for name in self.without)
        drop = "max_drop was not applied, because nothing is live in the temporary registry"
        return (*skipped, *(() if self.is_compared else (drop,)))

    @property
    def error(self) -> PromptsyncError | None:
        """The error that the rehearsal ends in, with what to do before the deploy."""
        error = self.receipt.error
        if error is None:
            return None
        failed = isinstance(error, AnswerIsNo | Incomplete)
        return (AnswerIsNo if failed else type(error))(
            f"the rehearsal failed: {self._renamed(error.message)}",
            hint="fix the prompt and commit it" if failed else self._renamed(error.hint),
            details=[self._renamed(line) for line in error.details],
            code=error.code,
        )

    def _renamed(self, text: str) -> str:
        return text.replace(self.url, "the temporary registry")


@dataclass
class _Copy(Project):
    """The working copy with the temporary registry; the working copy's own record stays as it is."""

    private: Path | None = None

    def record(self) -> Record:
        assert self.private is not None
        return Record(self.private)


def rehearse(project: Project, options: DeployOptions, wanted: Selection, timeout: float) -> Rehearsal:
    """Deploy to an empty temporary registry, and return what the deploy did.

    All files are published there and checked by the ``wanted`` checks, those of the deploy itself. The
    registry has the evaluations and agents of the fixtures (of the project's remote, otherwise of any other
    remote). It also has the snippets that the files pin or that belong to other repositories, with all their
    versions in the project's registry. Raises what planning a deploy raises.
    """
    declared = [remote.fixtures for remote in project.config.remotes.values() if remote.fixtures]
    with tempfile.TemporaryDirectory(prefix="promptsync-") as name:
        directory = Path(name)
        url = f"{LOCAL}{directory / 'registry.db'}"
        copy = _Copy(
            project.config,
            "rehearsal",
            url,
            None,
            project.fixtures or (project.config.root / declared[0] if declared else None),
            project.model,
            project.progress,
            project.on_wait,
        )
        copy.private = directory
        with copy:
            _seed(project, copy, options.label)
            # The temporary registry is empty, so every prompt counts as new and limits make no sense.
            # Nothing is live in it either, so there are no scores to compare with.
            everything = structs.replace(
                options,
                names=(),
                since=None,
                again=(),
                require_checks=False,
                rehearses=True,
                max_changes=10**9,
                standard=structs.replace(options.standard, max_drop=None),
                keep_going=False,
            )
            plan = plan_deploy(copy, everything, find=lambda registry, selection: ())
            selection, without = _declared(copy, wanted)
            # The plan of the deploy itself has the pins that stay behind.
            found = find_checks(copy.registry, selection)
            plan = structs.replace(plan, selection=selection, found=found, pins=NO_PINS)
            receipt = apply_deploy(copy, plan, timeout)
            drop = lowest(options.standard.max_drop, *(check.max_drop for check in wanted.evaluations))
            return Rehearsal(receipt, url, without, is_compared=drop is None)


def _seed(project: Project, copy: Project, label: str) -> None:
    """Publish what the files need and an empty registry does not have, snippets first.

    Other files may refer to those snippets by ``label``.
    """
    files = scan(project.root, project.config.prompts).files
    references = [one for file in files.values() for one in rendered_in(file.prompt.template)]
    waiting = {one.name for one in references if one.version is not None or one.name not in files}
    listing = {one.name: one for one in project.registry.prompts.list()} if waiting else {}
    versions: dict[str, list[Version]] = {}
    # Old versions of a snippet may use further snippets, so this follows references until none is new.
    while waiting:
        name = waiting.pop()
        if name in versions or name not in listing:
            continue
        numbers = range(1, listing[name].version + 1)
        read = (read_version(project, listing[name], number) for number in numbers)
        versions[name] = [one for one in read if one is not None]
        waiting |= {used for one in versions[name] for used in _needs(one)}
    needs = {name: {used for one in read for used in _needs(one)} for name, read in versions.items()}
    for name in (name for level in publish_order(needs) for name in level):
        for one in versions[name]:
            done = copy.registry.prompts.publish(one.prompt, message=one.message or f"v{one.version}")
        if name in files and versions[name]:
            copy.registry.labels.set(done.template_id, name, label, done.version, None)
        elif versions[name]:
            # The files may refer to a snippet of another repository by its labels.
            for there in labels_of_prompt(project, listing[name]).values():
                copy.registry.labels.set(done.template_id, name, there.name, there.version, None)


def _needs(one: Version) -> set[str]:
    return {reference.name for reference in rendered_in(one.prompt.template)}


def _declared(copy: Project, selection: Selection) -> tuple[Selection, tuple[str, ...]]:
    evaluations = _names(list_evaluations(copy.registry))
    agents = _names(list_agents(copy.registry))
    kept = Selection(
        tuple(
            structs.replace(check, max_drop=None)
            for check in selection.checks
            if check.name in (evaluations if check.kind == "evaluation" else agents)
        ),
        selection.unchecked,
    )
    without = [one.name for one in selection.evaluations if one.name not in evaluations]
    without += [one.name for one in selection.agents if one.name not in agents]
    return kept, tuple(dict.fromkeys(without))


def _names(items: Iterable[object]) -> set[str]:
    return {text for one in items for text in (getattr(one, "name", ""), str(getattr(one, "id", "")))}
