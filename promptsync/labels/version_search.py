"""Finds the version of a prompt that has a given text, near the version under its label first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from promptsync.compare.histories import has_text, read_version
from promptsync.compare.labels import Labelled
from promptsync.compare.list_equality import ListComparison
from promptsync.files.prompt_file import PromptFile
from promptsync.project.project import Project
from promptsync.prompt.additions import content_beside
from promptsync.prompt.canonical import digest
from promptsync.prompt.labels import previous_name, released_name
from promptsync.prompt.version import Version

_FIRST_ROUND = 2
_LARGEST_ROUND = 32
"""How many versions of each prompt are read at once until one has the text; each round doubles."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A prompt of the registry, and a file whose text one of its versions should have."""

    one: Labelled
    file: PromptFile


def versions_with_text(project: Project, label: str, wanted: Sequence[Wanted]) -> dict[str, int]:
    """Return by name which version has the text; prompts without one are left out. All have the label.

    Of several versions it is the one under the label, then those under ``LABEL.previous`` and
    ``LABEL.released``, then the newest below the label, then the newest that is on hold, and then the
    newest. Usually the first ones are enough, and the lists show the versions under those labels, so that no
    version is read on its own.
    """
    searches = [_Search(each, label) for each in wanted]
    if len(searches) > 1:
        _look_in_lists(project, searches)

    def read(pair: tuple[_Search, int]) -> Version | None:
        search, number = pair
        return read_version(project, search.listed, number)

    size = _FIRST_ROUND
    while pairs := [(one, number) for one in searches for number in one.unread(size)]:
        versions = project.mapped("Reading versions", read, pairs)
        for (search, number), found in zip(pairs, versions, strict=True):
            search.matches[number] = has_text(project, search.file, search.listed, found)
        size = min(2 * size, _LARGEST_ROUND)
    return {one.listed.name: one.found for one in searches if one.found is not None}


class _Search:
    """The search for one version. ``matches`` tells which of the versions read so far have the text."""

    def __init__(self, wanted: Wanted, label: str) -> None:
        self.file = wanted.file
        self.digest = digest(wanted.file.prompt)
        self.listed = wanted.one.listed
        self.matches: dict[int, bool] = {}
        there = wanted.one.labels
        remembered = (label, previous_name(label), released_name(label))
        self.near: dict[str, int] = {}
        for name in filter(None, remembered):
            if name in there and there[name].version not in self.near.values():
                self.near[name] = there[name].version
        under = there[label].version
        below, above = range(under - 1, 0, -1), range(self.listed.version, under, -1)
        on_hold = [number for number in above if wanted.one.is_on_hold(label, number)]
        self._order = tuple(dict.fromkeys((*self.near.values(), *below, *on_hold, *above)))

    @property
    def found(self) -> int | None:
        """The version with the text, ``None`` if it is not known yet or does not exist."""
        return next((one for one in self._order if self.matches.get(one)), None)

    def unread(self, size: int) -> Sequence[int]:
        """Return up to ``size`` versions to read next, none if the version is found or does not exist."""
        if self.found is not None:
            return ()
        return [one for one in self._order if one not in self.matches][:size]


def _look_in_lists(project: Project, searches: Sequence[_Search]) -> None:
    """Find those versions whose text the lists prove. A list can show equality, but no difference."""
    labels = (None, *sorted({label for one in searches for label in one.near}))
    lists = project.mapped(
        "Listing the registry", lambda one: project.registry.prompts.list(label=one), labels
    )
    comparisons = [
        ListComparison(project, found, whole=one is None) for one, found in zip(labels, lists, strict=True)
    ]
    is_raw = any(one.is_raw for one in comparisons)
    listed = {(item.template_id, item.version): item for found in lists for item in found}
    for search in searches:
        for number in search.near.values():
            item = listed.get((search.listed.template_id, number))
            if item is None or digest(content_beside(search.file.prompt, item.prompt)) != search.digest:
                continue
            # The text may contain what a reference renders to.
            if is_raw or comparisons[0].recorded(item, search.digest):
                search.matches[number] = True
                break
