"""The roles of messages."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from msgspec import Struct


class Role(Struct, frozen=True):
    """What a message of one role is like.

    ``required`` are the keys that it needs beside ``role``. ``needs_content`` says whether it must have
    content, ``instructs`` whether a provider with a separate system prompt gets it there.
    """

    required: tuple[str, ...] = ()
    needs_content: bool = True
    instructs: bool = False


ROLES: Final[Mapping[str, Role]] = MappingProxyType(
    {
        "system": Role(instructs=True),
        "user": Role(),
        "developer": Role(instructs=True),
        "assistant": Role(needs_content=False),
        "tool": Role(required=("tool_call_id",)),
        "function": Role(required=("name",), needs_content=False),
        "placeholder": Role(required=("name",), needs_content=False),
    }
)
"""The roles of messages, in the order in which they are listed for people."""
