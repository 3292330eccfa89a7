"""Patterns of names, and the name or pattern that was probably meant."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from fnmatch import fnmatchcase

from promptsync.prompt.names import SUFFIXES

_WILD = frozenset("*?[")


def is_pattern(text: str) -> bool:
    """Whether a text has wildcards; a name that has some itself is still found as a name."""
    return bool(_WILD & set(text))


def matches(text: str, known: Iterable[str]) -> list[str]:
    """Return the names that a pattern matches, whose ``*`` crosses ``/``; ``[]`` for what is no pattern."""
    return [name for name in known if fnmatchcase(name, text)] if is_pattern(text) else []


def suggestion(given: str, known: Collection[str], prompts: str) -> str | None:
    """Return the closest argument of the same kind: a name, a pattern, or a path below ``prompts``."""
    folders = {name.rpartition("/")[0] for name in known if "/" in name}
    folders |= {folder[:at] for folder in folders for at, sign in enumerate(folder) if sign == "/"}
    if is_pattern(given):
        folder, _, last = given.rpartition("/")
        close = close_name(folder, folders) if folder else None
        return f"{close}/{last}" if close and matches(f"{close}/{last}", known) else None
    is_path = bool(prompts) and given.startswith(f"{prompts}/")
    text = given.removeprefix(f"{prompts}/") if is_path else given
    for suffix in SUFFIXES:
        text = text.removesuffix(suffix)
    text = text.rstrip("/")
    close = text if text in folders else close_name(text, [*known, *folders])
    if close is None or close in known:
        return close
    path = f"{prompts}/{close}"
    # The path of a directory that is gone means nothing, but a pattern does.
    return path if is_path and path != given.rstrip("/") else f"{close}/*"


def close_name(name: str, names: Iterable[str]) -> str | None:
    """Return the name that was probably meant, ``None`` when no name is close."""
    import difflib  # imported only here, because most names exist

    names = list(names)
    same_end = [one for one in names if one.endswith(f"/{name}")]
    return next(iter(same_end or difflib.get_close_matches(name, names, 1)), None)
