"""Of which versions a run is a proof: it may have passed on another text than the one in question."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING, Final

from promptsync.checks.reports import EvaluationRun
from promptsync.checks.uses import Use
from promptsync.errors import RemoteError
from promptsync.parallel import mapped
from promptsync.prompt.prompt import Listed

if TYPE_CHECKING:
    from promptsync.registry.protocol import Registry

_FEW: Final = 5
"""As many prompts are read one by one, for the whole list has a page for every hundred."""


class Bond(Enum):
    """``SILENT`` is a run about another prompt, which says neither yes nor no about this one."""

    PROOF = "proof"
    DOUBT = "doubt"
    SILENT = "silent"


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why a run is no proof of a version of a prompt, or of its file where no version says the same."""

    prompt: str
    version: int | None
    reason: str

    @property
    def what(self) -> str:
        """What is not proven, for people."""
        return self.prompt if self.version is None else f"{self.prompt} v{self.version}"

    def __str__(self) -> str:
        return f"no proof of {self.what}: {self.reason}"


Finding = tuple[Bond, str]
"""What a run is for a prompt, and why it is no proof."""

_PROOF: Final[Finding] = (Bond.PROOF, "")


class Binder:
    """Tells what runs prove. Make it before they start: it reads which versions are the latest then.

    ``versions`` are those to be proven, by prompt. What is the latest afterwards, and which snippets a
    version contains, is only asked where a run does not say what it ran.
    """

    def __init__(self, registry: Registry, versions: Mapping[str, int]) -> None:
        self.versions = versions
        self._registry = registry
        self._before = _latest(registry, versions)
        self._known: dict[Use, Mapping[str, object]] = {}

    def of_evaluation(self, prompt: str, prompts: Sequence[str], run: EvaluationRun) -> Finding:
        """What a run of an evaluation that is to prove ``prompts`` is for one of them."""
        if run.version is not None and run.prompt_id is None and len(prompts) > 1:
            return Bond.DOUBT, f"its report names v{run.version}, and not of which prompt"
        if run.version is not None and run.prompt_id in (None, self._id(prompt)):
            wanted = self.versions[prompt]
            return _PROOF if run.version == wanted else (Bond.DOUBT, f"its report names v{run.version}")
        if run.prompt_id in (None, self._id(prompt)):
            return self.of_uses(prompt, run.uses)
        if any(use.prompt == prompt for use in run.uses):
            return self.of_uses(prompt, run.uses)
        parent = self._name(run.prompt_id)
        return self._as_snippet(prompt, [] if parent is None else [Use("", parent, run.version)])

    def of_uses(self, prompt: str, uses: Iterable[Use]) -> Finding:
        """What a run is for a prompt when all that is known is what its steps use, if that."""
        uses = tuple(uses)
        own = [use for use in uses if use.prompt == prompt]
        wanted = self.versions[prompt]
        for use in own:
            if use.label is not None:
                return Bond.DOUBT, f"its step {use.step} uses whatever is under the label {use.label}"
            if use.version not in (None, wanted):
                return Bond.DOUBT, f"its step {use.step} uses v{use.version}"
        if own and all(use.version is not None for use in own):
            return _PROOF
        if not own and uses:
            return self._as_snippet(prompt, uses)
        return self._was_latest(prompt)

    def _was_latest(self, prompt: str) -> Finding:
        wanted = self.versions[prompt]
        try:
            after = self._after
        except RemoteError as error:
            return (
                Bond.DOUBT,
                f"it does not say what it ran, and which version is the latest: {error.message}",
            )
        for found in (self._before.get(prompt), after.get(prompt)):
            if found is None or found.version != wanted:
                other = (
                    "the registry has no such prompt" if found is None else f"the latest was v{found.version}"
                )
                return Bond.DOUBT, f"it does not say what it ran, and {other}"
        return _PROOF

    def _as_snippet(self, prompt: str, parents: Iterable[Use]) -> Finding:
        """A run of other prompts is a proof of a snippet that they contained in that version."""
        findings = [self._contained(prompt, parent) for parent in parents]
        first = {bond: (bond, why) for bond, why in reversed(findings)}
        silent = Bond.SILENT, "it ran another prompt"
        return next((first[bond] for bond in (Bond.PROOF, Bond.DOUBT, Bond.SILENT) if bond in first), silent)

    def _contained(self, prompt: str, parent: Use) -> Finding:
        pin = f" v{parent.version}" if parent.version is not None else ""
        shown = f"it ran {parent.prompt}{pin}"
        try:
            found = self._rendered(parent)
        except RemoteError as error:
            return Bond.DOUBT, f"{shown}, and what that contains cannot be read: {error.message}"
        contained = _snippets(found, prompt)
        if self.versions[prompt] in contained:
            return _PROOF
        if contained:
            return Bond.DOUBT, f"{shown}, which contains v{contained[0]}"
        return Bond.SILENT, f"{shown}, which does not contain it"

    def _rendered(self, parent: Use) -> Mapping[str, object]:
        key = replace(parent, step="")
        if key not in self._known:
            self._known[key] = self._registry.prompts.render(
                parent.prompt, version=parent.version, label=parent.label
            )
        return self._known[key]

    @cached_property
    def _after(self) -> Mapping[str, Listed]:
        return _latest(self._registry, self.versions)

    @cached_property
    def _names(self) -> Mapping[int, str]:
        return {one.template_id: one.name for one in self._registry.prompts.list()}

    def _id(self, prompt: str) -> int | None:
        found = self._before.get(prompt)
        return found.template_id if found is not None else None

    def _name(self, template_id: int | None) -> str | None:
        for one in self._before.values():
            if one.template_id == template_id:
                return one.name
        try:
            return self._names.get(template_id or 0)
        except RemoteError:
            return None


def _latest(registry: Registry, names: Iterable[str]) -> Mapping[str, Listed]:
    wanted = set(names)
    if len(wanted) > _FEW:
        return {one.name: one for one in registry.prompts.list() if one.name in wanted}
    listed = mapped(lambda name: registry.prompts.list(name=name), sorted(wanted))
    return {one.name: one for found in listed for one in found if one.name in wanted}


def _snippets(raw: Mapping[str, object], prompt: str) -> list[int]:
    """The versions of ``prompt`` in the snippets that a rendered prompt says it contains."""
    listed = raw.get("snippets")
    items = [one for one in listed if isinstance(one, Mapping)] if isinstance(listed, list) else []
    found = (one.get("version") for one in items if one.get("prompt_name") == prompt)
    return [version for version in found if isinstance(version, int)]
