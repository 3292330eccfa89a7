"""Which versions a run checked, because it can pass with another text than the one to release."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from promptsync.checks.agents import AgentRun
from promptsync.checks.evaluations import EvaluationRun
from promptsync.errors import RemoteError
from promptsync.parallel import mapped
from promptsync.prompt.version import Version

if TYPE_CHECKING:
    from promptsync.registry.protocol import Registry

OTHER_PROMPT: Final = "the run was of another prompt"
NO_VERSION: Final = "the run names no version"

_FEW: Final = 5
"""Up to this many prompts are fetched one by one; the whole list has a page for every hundred."""


class WantedVersions(Struct, frozen=True):
    """The versions that checks must check, by prompt; for prompts without one, any version will do.

    ``unpublished`` are prompts whose files differ from the registry, and why: no run can check them.
    ``renders`` are the snippets whose new texts a prompt renders: a run that checks the prompt checks them.
    ``live`` are the versions that are live (``None``: none is), with whose scores new ones are compared.
    """

    versions: Mapping[str, int] = {}
    unpublished: Mapping[str, str] = {}
    renders: Mapping[str, Collection[str]] = {}
    live: Mapping[str, int | None] = {}


class Unbound(Struct, frozen=True):
    """A version that a run should have checked, and why it may have run another one.

    ``version`` is ``None`` if no version matches the prompt's file.
    """

    prompt: str
    version: int | None
    reason: str

    @property
    def target(self) -> str:
        """The prompt and its version, for people."""
        return self.prompt if self.version is None else f"{self.prompt} v{self.version}"

    def __str__(self) -> str:
        return f"{self.target} was not checked: {self.reason}"


def named_version(
    run: EvaluationRun | AgentRun, name: str, template_id: int | None
) -> tuple[int | None, str]:
    """Return the version of a prompt that the report or the steps of a run name, or why they name none."""
    report = run if isinstance(run, EvaluationRun) else EvaluationRun(name=run.name)
    if report.version is not None and report.prompt_id is not None and report.prompt_id == template_id:
        return report.version, ""
    own = [use for use in run.uses if use.prompt == name]
    label = next((use for use in own if use.label is not None), None)
    if label is not None:
        return None, f"step {label.step} uses the label {label.label}"
    pins = {use.version for use in own}
    if len(pins) > 1:
        return None, f"its steps use several versions of {name}"
    if pins and None not in pins:
        return pins.pop(), ""
    if report.version is not None and report.prompt_id is None:
        return None, f"its report names v{report.version}, but not of which prompt"
    is_other = run.uses if report.prompt_id is None else report.prompt_id != template_id
    return None, OTHER_PROMPT if is_other and not own else NO_VERSION


def unbound(
    registry: Registry,
    runs: Sequence[tuple[EvaluationRun | AgentRun, Collection[str]]],
    wanted: WantedVersions,
    before: Mapping[str, Version],
) -> list[tuple[Unbound, ...]]:
    """Return for each of some runs that passed what it did not check of the prompts that it should check.

    A run that names no version ran the latest one, if that was the same ``before`` and after it. A run of
    another prompt is no failure for a prompt that some other run checked.
    """
    snippets = {snippet for rendered in wanted.renders.values() for snippet in rendered}
    reasons = [_reasons(run, prompts, wanted, before) for run, prompts in runs]
    unclear = {
        name
        for by_name in reasons
        for name, reason in by_name.items()
        if reason == NO_VERSION or (reason == OTHER_PROMPT and name in snippets)
    }
    latest = _latest(registry, wanted.versions, unclear, before)

    def settle(kind: str, names: Collection[str]) -> set[str]:
        """Let the latest version decide for the runs without one; return the prompts that are checked."""
        for by_name in reasons:
            by_name.update({name: latest[name] for name in names if by_name.get(name) == kind})
        return {name for by_name in reasons for name, reason in by_name.items() if not reason}

    checked = settle(NO_VERSION, unclear)
    rendered = {snippet for name in checked for snippet in wanted.renders.get(name, ())}
    checked = settle(OTHER_PROMPT, rendered)
    return [
        tuple(
            Unbound(name, None if name in wanted.unpublished else wanted.versions[name], reason)
            for name, reason in by_name.items()
            if reason and not (reason == OTHER_PROMPT and name in checked)
        )
        for by_name in reasons
    ]


def _reasons(
    run: EvaluationRun | AgentRun,
    prompts: Iterable[str],
    wanted: WantedVersions,
    before: Mapping[str, Version],
) -> dict[str, str]:
    """Return for each prompt why the run did not check it; empty if it did."""
    reasons = {}
    for name in prompts:
        if name in wanted.unpublished:
            reasons[name] = wanted.unpublished[name]
        elif name in wanted.versions:
            number, reason = named_version(run, name, before[name].template_id if name in before else None)
            is_another = number not in (None, wanted.versions[name])
            reasons[name] = f"the run was of v{number}" if is_another else reason
    return reasons


def _latest(
    registry: Registry, versions: Mapping[str, int], names: Collection[str], before: Mapping[str, Version]
) -> dict[str, str]:
    """Return for each prompt why a run that names no version did not run the wanted one; empty if it did."""
    try:
        after = latest_of(registry, names)
    except RemoteError as error:
        return dict.fromkeys(names, f"{NO_VERSION}, and the latest could not be read: {error.message}")
    reasons = {}
    for name in names:
        seen = [listing[name].version if name in listing else None for listing in (before, after)]
        other = next((number for number in seen if number != versions[name]), versions[name])
        what = f"the latest was v{other}" if other is not None else "the registry has no such prompt"
        reasons[name] = "" if other == versions[name] else f"{NO_VERSION}, and {what}"
    return reasons


def latest_of(registry: Registry, names: Iterable[str]) -> Mapping[str, Version]:
    """Return the prompts with these names, each at its latest version, without those that do not exist."""
    wanted = set(names)
    if len(wanted) > _FEW:
        return {prompt.name: prompt for prompt in registry.prompts.list() if prompt.name in wanted}
    listed = mapped(lambda name: registry.prompts.list(name=name), sorted(wanted))
    return {prompt.name: prompt for page in listed for prompt in page if prompt.name in wanted}
