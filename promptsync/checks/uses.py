"""Which prompts an evaluation's columns and an agent's nodes say that they send, and in which version."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from promptsync.errors import RemoteError
from promptsync.registry.promptlayer.parse import number, text

if TYPE_CHECKING:
    from promptsync.registry.protocol import Registry

_PROMPT_STEP: Final = "PROMPT_TEMPLATE"
_HOLDERS: Final = ("template", "prompt_template", "prompt")
_NAMES: Final = ("name", "prompt_name")
_VERSIONS: Final = ("version_number", "prompt_version_number", "version")
_LABELS: Final = ("label", "release_label", "prompt_label")


@dataclass(frozen=True, slots=True)
class Use:
    """A prompt that a step sends: its latest version unless ``version`` or ``label`` pins it."""

    step: str
    prompt: str
    version: int | None = None
    label: str | None = None


def uses_in(steps: object, kind: str) -> tuple[Use, ...]:
    """The prompts in a list of columns or nodes, whose type is under the key ``kind``.

    The vendor does not describe how a step holds its prompt; what is not understood is left out.
    """
    return tuple(_uses(steps, kind))


def uses_of_agent(
    registry: Registry, agent_id: int, *, label: str | None = None, version: int | None = None
) -> tuple[Use, ...]:
    """The prompts that the nodes of one version of an agent send; none where the registry does not tell."""
    try:
        found = registry.checks.agent(agent_id, label=label, version=version)
    except RemoteError:
        return ()
    return uses_in(found.get("nodes"), "node_type")


def _uses(steps: object, kind: str) -> Iterator[Use]:
    for step in steps if isinstance(steps, list) else ():
        if not isinstance(step, Mapping) or step.get(kind) != _PROMPT_STEP:
            continue
        held: Any = step.get("configuration")
        for key in _HOLDERS:
            prompt = held.get(key) if isinstance(held, Mapping) else None
            if isinstance(prompt, Mapping) and (name := text(prompt, *_NAMES)) is not None:
                label = text(prompt, *_LABELS) or None
                yield Use(text(step, "name") or "", name, number(prompt, *_VERSIONS), label)
                break
