"""Rehearses a whole deploy in a temporary embedded registry."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from msgspec import structs

from promptsync.checks.assignment import Kind, Selection
from promptsync.checks.catalog import list_checks
from promptsync.deploy.apply import DeployReceipt, apply_deploy
from promptsync.deploy.plan import DeployOptions, plan_deploy
from promptsync.errors import AnswerIsNo, Incomplete, PromptsyncError
from promptsync.files.prompt_file import scan
from promptsync.project.project import Project
from promptsync.project.versions import labels_of_prompt, read_versions
from promptsync.prompt.prompt import Version
from promptsync.prompt.snippets import publish_order, rendered_in
from promptsync.registry.address import LOCAL


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What the rehearsal in the registry at ``url`` did; ``left_out`` says what it did not do, and why."""

    receipt: DeployReceipt
    url: str
    left_out: tuple[str, ...] = ()

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


def rehearse(project: Project, options: DeployOptions, wanted: Selection) -> Rehearsal:
    """Deploy to an empty temporary registry, and return the receipt.

    All files are published there and checked by the ``wanted`` checks, those of the deploy itself. The
    registry has the evaluations and agents of the fixtures (of the project's remote, otherwise of any other
    remote). It also has the snippets that the files pin or that belong to other repositories, with all their
    versions in the project's registry. Raises what planning a deploy raises.
    """
    declared = [remote.fixtures for remote in project.config.remotes.values() if remote.fixtures]
    with tempfile.TemporaryDirectory(prefix="promptsync-") as name:
        directory = Path(name)
        url = f"{LOCAL}{directory / 'registry.db'}"
        # The record of the working copy itself stays as it is.
        with Project(
            project.config,
            "rehearsal",
            url,
            None,
            project.fixtures or (project.config.root / declared[0] if declared else None),
            project.model,
            project.progress,
            project.on_wait,
            record_root=directory,
        ) as copy:
            _seed(project, copy, options.label)
            # The temporary registry is empty, so every prompt counts as new and limits make no sense.
            # Nothing is live in it either, so there are no scores to compare with.
            everything = DeployOptions(
                options.label,
                message=options.message,
                allow_dirty=options.allow_dirty,
                max_changes=10**9,
                standard=structs.replace(options.standard, max_drop=None),
                rehearses=True,
            )
            selection, left_out = _declared(copy, wanted)
            receipt = apply_deploy(copy, plan_deploy(copy, everything, selection))
            return Rehearsal(receipt, url, tuple(left_out))


def _seed(project: Project, copy: Project, label: str) -> None:
    """Publish the prompts that the files need and an empty registry lacks, snippets first.

    Other files may refer to those snippets by ``label``.
    """
    files = scan(project.root, project.config.prompts).files
    references = [reference for file in files.values() for reference in rendered_in(file.prompt.template)]
    waiting = {
        reference.name
        for reference in references
        if reference.version is not None or reference.name not in files
    }
    listing = {listed.name: listed for listed in project.registry.prompts.list()} if waiting else {}
    versions: dict[str, list[Version]] = {}
    needs: dict[str, set[str]] = {}
    # Old versions of a snippet may use further snippets, so this follows references until none is new.
    while waiting:
        name = waiting.pop()
        if name in versions or name not in listing:
            continue
        versions[name] = read_versions(project, listing[name])[::-1]
        used = (rendered_in(version.prompt.template) for version in versions[name])
        needs[name] = {reference.name for references in used for reference in references}
        waiting |= needs[name]
    for name in publish_order(needs):
        for version in versions[name]:
            message = version.message or f"v{version.version}"
            published = copy.registry.prompts.publish(version.prompt, message=message)
        if not versions[name]:
            continue
        pointers = {label: published.version}
        if name not in files:  # the files may refer to a snippet of another repository by its labels
            there = labels_of_prompt(project, listing[name].template_id, name)
            pointers = {pointer.name: pointer.version for pointer in there}
        for label_name, number in pointers.items():
            copy.registry.labels.set(published.template_id, name, label_name, number, None)


def _declared(copy: Project, selection: Selection) -> tuple[Selection, list[str]]:
    """Return the checks that the fixtures declare, by name or id, and why the others do not run."""
    kinds: tuple[Kind, ...] = ("evaluation", "agent")
    entries = [(kind, entry) for kind in kinds for entry in list_checks(copy.registry, kind)]
    known = {(kind, key) for kind, entry in entries for key in (entry.name, str(entry.id))}
    checks = [check for check in selection.checks if (check.kind, check.name) in known]
    undeclared = "was skipped, because the fixtures do not declare it"
    reasons = {"table": "is a table, which runs only in the real registry"}
    others = [check for check in selection.checks if check not in checks]
    left_out = dict.fromkeys(f"{check.name} {reasons.get(check.kind, undeclared)}" for check in others)
    return Selection(tuple(checks), selection.unchecked), [*left_out]
