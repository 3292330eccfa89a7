"""What the methods of a registry return, besides prompts and labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec


class NewVersion(msgspec.Struct, frozen=True):
    """The version that a publish created."""

    template_id: int
    version: int


class StartedAgent(msgspec.Struct, frozen=True):
    """``execution_id`` is the run to poll, ``None`` if the registry returned the outputs at once."""

    execution_id: int | None
    raw: Mapping[str, Any]


class Capabilities(msgspec.Struct, frozen=True):
    """What a registry supports.

    ``raw`` says whether it returns prompts with unexpanded snippets, ``None`` if there is no prompt to try.
    ``labels`` are the labels of all prompts, or of the first one if there is no list of all; ``None`` if they
    cannot be read. ``changes_labels`` says whether it has operations to change them.
    """

    raw: bool | None
    labels: tuple[str, ...] | None
    lists_all_labels: bool
    changes_labels: bool
