"""Which versions a run checked: it can pass with another version than the one to release."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from promptsync.checks.run import Run
from promptsync.parallel import mapped
from promptsync.prompt.prompt import Version

if TYPE_CHECKING:
    from promptsync.registry.protocol import Registry

OTHER_PROMPT: Final = "the run used another prompt"
NO_VERSION: Final = "the run names no version"

_FEW: Final = 5
"""Up to this many prompts are fetched one by one; the whole list has a page for every hundred."""


class WantedVersions(Struct, frozen=True):
    """The versions that checks must check, by prompt; for prompts without one, any version will do.

    ``unpublished`` are prompts whose files differ from the registry, and why: no run can check them.
    ``renders`` are the snippets whose new versions a prompt renders: a run of the prompt checks them.
    ``live`` are the live versions (``None``: none), with whose scores new ones are compared.
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


def named_version(run: Run, name: str, template_id: int | None) -> tuple[int | None, str]:
    """Return the version of a prompt that the report or the steps of a run name, or why they name none."""
    if run.version is not None and run.prompt_id is not None and run.prompt_id == template_id:
        return run.version, ""
    own = [use for use in run.uses if use.prompt == name]
    label = next((use for use in own if use.label is not None), None)
    if label is not None:
        return None, f"step {label.step} uses the label {label.label}"
    pins = {use.version for use in own}
    if len(pins) > 1:
        return None, f"its steps use several versions of {name}"
    if pins and None not in pins:
        return pins.pop(), ""
    if run.version is not None and run.prompt_id is None:
        return None, f"its report names v{run.version}, but no prompt"
    is_other = run.uses if run.prompt_id is None else run.prompt_id != template_id
    return None, OTHER_PROMPT if is_other and not own else NO_VERSION


def unbound(
    runs: Sequence[tuple[Run, Collection[str]]],
    wanted: WantedVersions,
    latest: Mapping[str, Version],
    unread: str = "",
) -> list[tuple[Unbound, ...]]:
    """Return for each passed run the prompts that it should have checked and did not.

    ``latest`` was read after the runs had ended; ``unread`` is why it could not be read. A run that names no
    version ran the latest one: if that is the wanted one, which was there before, it was so all the time. A
    run of another prompt is no failure for a prompt that some other run checked, or for a snippet that a
    checked prompt renders.
    """

    def reason(run: Run, name: str) -> str:
        if name in wanted.unpublished:
            return wanted.unpublished[name]
        if unread:
            return unread
        number, why = named_version(run, name, latest[name].template_id if name in latest else None)
        if why == NO_VERSION:
            return _of_latest(name, wanted, latest)
        return why if number in (None, wanted.versions[name]) else f"the run used v{number}"

    reasons = [
        {name: reason(run, name) for name in prompts if name in wanted.unpublished or name in wanted.versions}
        for run, prompts in runs
    ]
    checked = {name for by_name in reasons for name, why in by_name.items() if not why}
    for snippet in {snippet for name in checked for snippet in wanted.renders.get(name, ())}:
        for by_name in reasons:
            if by_name.get(snippet) == OTHER_PROMPT:
                by_name[snippet] = _of_latest(snippet, wanted, latest)
    checked = {name for by_name in reasons for name, why in by_name.items() if not why}
    return [
        tuple(
            Unbound(name, None if name in wanted.unpublished else wanted.versions[name], why)
            for name, why in by_name.items()
            if why and not (why == OTHER_PROMPT and name in checked)
        )
        for by_name in reasons
    ]


def _of_latest(name: str, wanted: WantedVersions, latest: Mapping[str, Version]) -> str:
    """Return why a run that names no version did not run the wanted one; empty if it did."""
    if name not in latest:
        return f"{NO_VERSION}, and the registry has no such prompt"
    number = latest[name].version
    return "" if number == wanted.versions[name] else f"{NO_VERSION}, and the latest was v{number}"


def latest_of(registry: Registry, names: Iterable[str]) -> Mapping[str, Version]:
    """Return the existing prompts with these names, each at its latest version."""
    wanted = set(names)
    if len(wanted) > _FEW:
        return {prompt.name: prompt for prompt in registry.prompts.list() if prompt.name in wanted}
    listed = mapped(lambda name: registry.prompts.list(name=name), sorted(wanted))
    return {prompt.name: prompt for page in listed for prompt in page if prompt.name in wanted}
