"""What the command line took from the environment of its process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Environment:
    """What the command line took from the process's environment; nothing below it looks there."""

    api_key: str | None = None
    base_url: str | None = None
    remote: str | None = None
    model_url: str | None = None
    model_name: str | None = None
    secret: Callable[[str], str | None] = field(default=lambda _: None, repr=False)
    """Reads one more variable, whose name was given on the command line, such as that of a key."""
    ci: bool = False
    colour: bool | None = None
    interactive: bool = False
    columns: int | None = None
    """How wide the terminal is to which the answer goes, ``None`` when it goes elsewhere."""
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def in_github(self) -> bool:
        """Whether a step of a GitHub workflow has a summary to be written."""
        return bool(self.variables.get("GITHUB_STEP_SUMMARY"))
