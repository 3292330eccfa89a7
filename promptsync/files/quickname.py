"""The name that a prompt file gives itself, read without parsing the rest: for old blobs and broken files."""

from __future__ import annotations

import re
from typing import Any

_PLAIN = re.compile(rb"^name:[ \t]+(?P<value>[A-Za-z][\w.-]*(?:/[\w.-]+)+)[ \t]*\r?\n(?=\S)", re.MULTILINE)
"""A name that is text in every reading of YAML, and does not go on in the next line: most names."""
_LINE = re.compile(rb"^name:[ \t]*(?P<value>[^\r\n]*)", re.MULTILINE)
_MAY_HAVE_NAME = re.compile(rb"^(?:\xef\xbb\xbf)?(?:name|[\"'?{&!]|---[ \t]+[^ \t#])", re.MULTILINE)
"""What begins a line of a file that has a name, as far as one can tell without a parser."""


def name_in(data: bytes) -> str:
    """Return the name in a file, ``""`` when there is none that can be read.

    The rest of the file may be broken, or missing.
    """
    found = _PLAIN.search(data)
    if found is not None and not data.lstrip().startswith(b"{"):
        return found["value"].decode("ascii")
    return _parsed(data) if _MAY_HAVE_NAME.search(data) else ""


def _parsed(data: bytes) -> str:
    import yaml

    try:
        return _name(yaml.parse(data, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    except (yaml.YAMLError, ValueError):
        return _in_one_line(data)


def _in_one_line(data: bytes) -> str:
    """Return the name of the first ``name:`` line of a file that is broken before it."""
    import yaml

    found = _LINE.search(data)
    try:
        value: Any = yaml.safe_load(found["value"].decode("utf-8")) if found is not None else ""
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, RecursionError):
        return ""  # constructors of odd tags raise what they like
    return value if isinstance(value, str) else ""


def _name(events: Any) -> str:
    """Return the value of the key ``name`` of a mapping, of which the events are read as far as that."""
    import yaml

    depth, is_key, key = 0, True, ""
    for event in events:
        if depth == 0 and isinstance(event, yaml.ScalarEvent | yaml.SequenceStartEvent):
            return ""
        if depth == 1 and isinstance(event, yaml.ScalarEvent):
            if key == "name" and not is_key:
                return event.value if _is_text(event) else ""
            key = event.value if is_key else ""
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth == 1 and isinstance(event, yaml.ScalarEvent | yaml.AliasEvent | yaml.CollectionEndEvent):
            is_key = not is_key
    return ""


def _is_text(event: Any) -> bool:
    import yaml

    if event.tag is not None:
        return False
    is_plain = event.implicit[0]
    resolver: Any = yaml.resolver.Resolver
    tag = resolver().resolve(yaml.ScalarNode, event.value, (is_plain, not is_plain))
    return bool(tag == "tag:yaml.org,2002:str")
