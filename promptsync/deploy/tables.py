"""The prompts that a deploy runs on tables before it publishes anything."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from promptsync.checks.assignment import Selection, select_checks
from promptsync.checks.tables.tested_text import TestedText, TestedTexts, Wanted, wanted_of
from promptsync.compare.live_users import LiveUser
from promptsync.compare.snapshot import State
from promptsync.deploy.members import Survey
from promptsync.project.project import Project


def texts_of(project: Project, survey: Survey) -> TestedTexts:
    """Return the prompts of a survey as they are live and as they will be."""
    releases = {member.name for member in survey.releases}
    return TestedTexts(
        project,
        {
            item.name: item.file.prompt
            for item in survey.latest.items
            if item.file is not None and (item.state is State.IN_SYNC or item.name in releases)
        },
        survey.latest.listing,
        survey.label,
        releases,
    )


def wanted_tables(
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
    tables = (*selection.tables, *select_checks(others, files, project.config, project.evaluations).tables)
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
