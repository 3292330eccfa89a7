"""What ``eval run`` tests on tables: the texts of the files, each beside the one that is live."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from promptsync.checks.assignment import Check
from promptsync.checks.tables.plan import Wanted
from promptsync.checks.tables.tested_text import TestedTexts
from promptsync.compare.conflict import check_resolved
from promptsync.files.worktree import scan
from promptsync.project.pointers import with_labels
from promptsync.project.project import Project
from promptsync.project.versions import list_all


def wanted_texts(project: Project, checks: Sequence[Check], label: str | None) -> list[Wanted]:
    """Return the texts of the files that the checks test, each with the live one.

    Live are the versions under the label, without one the latest. Raises what ``TestedTexts`` raises, and
    ``Refused`` for a file with conflict markers.
    """
    files = scan(project.root, project.config.prompts).files
    names = sorted({name for check in checks for name in check.prompts})
    for name in names:
        check_resolved(files[name], "nothing was run")
    listing = {item.name: item for item in list_all(project)}
    listed = [listing[name] for name in names if name in listing]
    if label is None:
        live = {item.name: item.version for item in listed}
    else:
        positions = with_labels(project, listed, only=(label,)) if listed else []
        live = {
            item.listed.name: version for item in positions if (version := item.version(label)) is not None
        }
    prompts = {name: file.prompt for name, file in files.items()}
    texts = TestedTexts(project, prompts, listing, label)
    new, old = texts.of_files(names), texts.of_versions(live)
    return [
        Wanted(replace(check, prompts=(name,)), new[name], old.get(name))
        for check in checks
        for name in check.prompts
    ]
