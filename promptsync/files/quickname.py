"""The name that a prompt file gives itself, read without parsing the rest: for old blobs and broken files."""

from __future__ import annotations

import re
from typing import Any

_NAME_LINE = re.compile(rb"^name:[ \t]*(?P<value>[^\r\n]*)", re.MULTILINE)
_PATH_LIKE = re.compile(rb"[A-Za-z][\w.-]*(/[\w.-]+)+[ \t]*")
"""Text in every reading of YAML: most names, which need no parser."""


def name_in(data: bytes) -> str:
    """Return the name in the first ``name:`` line, ``""`` when there is none that can be read."""
    found = _NAME_LINE.search(data)
    if found is None:
        return ""
    if _PATH_LIKE.fullmatch(found["value"]):
        return found["value"].strip().decode("ascii")
    import yaml

    try:
        value: Any = yaml.safe_load(found["value"].decode("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, ValueError):
        return ""
    return value if isinstance(value, str) else ""
