"""Finds out which versions a run checked, because it can pass with another text than the one to release."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from enum import Enum
from functools import cached_property, partial
from typing import TYPE_CHECKING, Final, TypeVar

from promptsync.checks.agents import AgentOrder
from promptsync.checks.catalogue import Use, uses_of_agent
from promptsync.checks.receipt import AgentResult, CheckResult, CheckResults, EvaluationResult, Unbound
from promptsync.errors import RemoteError
from promptsync.parallel import mapped
from promptsync.prompt.version import Version
from promptsync.registry.values import number

if TYPE_CHECKING:
    from promptsync.registry.protocol import Registry

_FEW: Final = 5
"""Up to this many prompts are fetched one by one; the whole list has a page for every hundred."""


class Bond(Enum):
    """Whether a run checked a version; ``UNRELATED`` means that it ran another prompt.

    The order matters: of several findings about one prompt, the kind that comes first in this list counts.
    """

    BOUND = "bound"
    UNBOUND = "unbound"
    UNRELATED = "unrelated"


Finding = tuple[Bond, str]
"""Whether a run checked a prompt's version, and why not."""

_BOUND: Final[Finding] = (Bond.BOUND, "")
_ResultT = TypeVar("_ResultT", EvaluationResult, AgentResult)


class Binder:
    """Finds out which versions runs checked. Create it before they start: it fetches the latest versions.

    ``versions`` are the versions to check, by prompt. ``unpublished`` are prompts whose files differ from
    the registry, and why: no run can check them. The latest versions after the runs, and the
    snippets in a version, are fetched only if a run does not say what it ran.
    """

    def __init__(
        self, registry: Registry, versions: Mapping[str, int], unpublished: Mapping[str, str]
    ) -> None:
        self.versions = versions
        self._unpublished = unpublished
        self._registry = registry
        self._before = latest_of(registry, versions)
        self._rendered: dict[Use, Mapping[str, object]] = {}

    @property
    def template_ids(self) -> Mapping[str, int]:
        """The ids of the prompts, as far as the registry has them."""
        return {name: one.template_id for name, one in self._before.items()}

    def bind(
        self, results: CheckResults, orders: Sequence[AgentOrder], *, allow_unbound: bool
    ) -> CheckResults:
        """Return the results with the versions that were not checked: those checks fail, unless allowed.

        ``orders`` are those of the agents. A run of another prompt is no failure for a prompt that some
        other run checked.
        """
        if not self.versions and not self._unpublished:
            return results

        def used(one: AgentOrder) -> tuple[Use, ...]:
            return uses_of_agent(self._registry, one.agent.id, label=one.label, version=one.version)

        evaluations = [self._findings(one, partial(self._of_evaluation, one)) for one in results.evaluations]
        agents = [
            self._findings(one, partial(self._of_uses, uses))
            for one, uses in zip(results.agents, mapped(used, orders), strict=True)
        ]
        findings = [item for found in (*evaluations, *agents) for item in found.items()]
        checked = {prompt for prompt, (bond, _) in findings if bond is Bond.BOUND}
        with_unbound = partial(self._with_unbound, checked=checked, allowed=allow_unbound)
        return replace(
            results,
            evaluations=tuple(map(with_unbound, results.evaluations, evaluations)),
            agents=tuple(map(with_unbound, results.agents, agents)),
        )

    def _findings(self, one: CheckResult, find: Callable[[str], Finding]) -> Mapping[str, Finding]:
        """Return which of its prompts a check that passed has checked."""
        found = {}
        for prompt in one.check.prompts if one.passed else ():
            if prompt in self._unpublished:
                found[prompt] = Bond.UNBOUND, self._unpublished[prompt]
            elif prompt in self.versions:
                found[prompt] = find(prompt)
        return found

    def _with_unbound(
        self, one: _ResultT, findings: Mapping[str, Finding], *, checked: Collection[str], allowed: bool
    ) -> _ResultT:
        unbound = tuple(
            Unbound(prompt, self.versions.get(prompt), why)
            for prompt, (bond, why) in findings.items()
            if bond is Bond.UNBOUND or (bond is Bond.UNRELATED and prompt not in checked)
        )
        reason = one.reason if allowed or not unbound else "; ".join(map(str, unbound))
        return replace(one, unbound=unbound, reason=reason)

    def _of_evaluation(self, one: EvaluationResult, prompt: str) -> Finding:
        """Return whether a run of an evaluation checked one of its prompts."""
        run, listed = one.run, self._before.get(prompt)
        if run.version is not None and run.prompt_id is None and len(one.check.prompts) > 1:
            return Bond.UNBOUND, f"the report names v{run.version}, but not of which prompt"
        if run.prompt_id is None or (listed is not None and run.prompt_id == listed.template_id):
            if run.version is None:
                return self._of_uses(run.uses, prompt)
            is_wanted = run.version == self.versions[prompt]
            return _BOUND if is_wanted else (Bond.UNBOUND, f"the report names v{run.version}")
        if any(use.prompt == prompt for use in run.uses):
            return self._of_uses(run.uses, prompt)
        # The run was of another prompt, which may contain this one as a snippet.
        parent = self._name(run.prompt_id)
        return self._as_snippet(prompt, [] if parent is None else [Use("", parent, run.version)])

    def _of_uses(self, uses: Sequence[Use], prompt: str) -> Finding:
        """Return whether a run checked a prompt, if only the prompts in its steps are known."""
        own = [use for use in uses if use.prompt == prompt]
        for use in own:
            if use.label is not None:
                return Bond.UNBOUND, f"step {use.step} uses the label {use.label}"
            if use.version not in (None, self.versions[prompt]):
                return Bond.UNBOUND, f"step {use.step} uses v{use.version}"
        # Every step that uses the prompt must pin the wanted version; one unpinned step may run another one.
        if own and all(use.version is not None for use in own):
            return _BOUND
        if not own and uses:
            return self._as_snippet(prompt, uses)
        return self._was_latest(prompt)

    def _was_latest(self, prompt: str) -> Finding:
        """A run that names no version used the latest one, which must be the same before and after it."""
        try:
            after = self._after
        except RemoteError as error:
            reason = f"the run names no version, and the latest could not be read: {error.message}"
            return Bond.UNBOUND, reason
        for found in (self._before.get(prompt), after.get(prompt)):
            if found is None:
                return Bond.UNBOUND, "the run names no version, and the registry has no such prompt"
            if found.version != self.versions[prompt]:
                return Bond.UNBOUND, f"the run names no version, and the latest was v{found.version}"
        return _BOUND

    def _as_snippet(self, prompt: str, parents: Iterable[Use]) -> Finding:
        """A run of other prompts checks a snippet that they contained in the wanted version."""
        findings = [self._contained(prompt, parent) for parent in parents]
        first = {bond: (bond, why) for bond, why in reversed(findings)}
        return next(
            (first[bond] for bond in Bond if bond in first), (Bond.UNRELATED, "it ran another prompt")
        )

    def _contained(self, prompt: str, parent: Use) -> Finding:
        pin = f" v{parent.version}" if parent.version is not None else ""
        ran = f"it ran {parent.prompt}{pin}"
        try:
            found = self._render(parent)
        except RemoteError as error:
            return Bond.UNBOUND, f"{ran}, whose snippets could not be read: {error.message}"
        listed = found.get("snippets")
        items = [one for one in listed if isinstance(one, Mapping)] if isinstance(listed, list) else []
        numbers = (number(one, "version") for one in items if one.get("prompt_name") == prompt)
        contained = [version for version in numbers if version is not None]
        if self.versions[prompt] in contained:
            return _BOUND
        if contained:
            return Bond.UNBOUND, f"{ran}, which contains v{contained[0]}"
        return Bond.UNRELATED, f"{ran}, which does not contain it"

    def _render(self, parent: Use) -> Mapping[str, object]:
        # Several steps may use the same version of a prompt, which is rendered once.
        key = replace(parent, step="")
        if key not in self._rendered:
            self._rendered[key] = self._registry.prompts.render(
                parent.prompt, version=parent.version, label=parent.label
            )
        return self._rendered[key]

    @cached_property
    def _after(self) -> Mapping[str, Version]:
        return latest_of(self._registry, self.versions)

    @cached_property
    def _names(self) -> Mapping[int, str]:
        return {one.template_id: one.name for one in self._registry.prompts.list()}

    def _name(self, template_id: int) -> str | None:
        for one in self._before.values():
            if one.template_id == template_id:
                return one.name
        try:
            return self._names.get(template_id)
        except RemoteError:
            return None


def latest_of(registry: Registry, names: Iterable[str]) -> Mapping[str, Version]:
    """Return the prompts with these names, each at its latest version, without those that do not exist."""
    wanted = set(names)
    if len(wanted) > _FEW:
        return {one.name: one for one in registry.prompts.list() if one.name in wanted}
    listed = mapped(lambda name: registry.prompts.list(name=name), sorted(wanted))
    return {one.name: one for found in listed for one in found if one.name in wanted}
