"""Snippets in stored templates: checking them on publish, expanding them on read."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Mapping
from typing import Any

from promptsync.prompt.fill import texts
from promptsync.prompt.snippets import Reference, SnippetError, expand, references, unresolved
from promptsync.server import records
from promptsync.server.errors import ApiError, invalid
from promptsync.server.normalise import normalised_template

_WHERE = ("body", "prompt_version", "prompt_template")

Used = list[dict[str, Any]]
"""``snippets`` of an answer: ``prompt_name``, ``version`` and, where the reference has one, ``label``."""


def used_by(template: Mapping[str, Any]) -> list[Reference]:
    """The distinct references that are expanded: those in text blocks."""
    parts = template["messages"] if template["type"] == "chat" else [template]
    found = (reference for part in parts for text, _ in texts(part) for reference in references(text))
    return list(dict.fromkeys(found))


def check(
    db: sqlite3.Connection, name: str, template: Mapping[str, Any], labels: Collection[str] = ()
) -> None:
    """Refuse, with 422, a template that references what is missing or, in the end, itself.

    ``labels`` are those that the new version of ``name`` is about to get.
    """
    resolve = _resolver(db, [], archived=False)

    def resolve_new(reference: Reference) -> Mapping[str, Any]:
        renews = reference.version is None and (reference.label is None or reference.label in labels)
        if reference.name != name or not renews:
            return resolve(reference)
        if template["type"] != "completion":
            raise _unusable(reference, "is a chat template; only completion templates can be snippets")
        return template

    _expand(template, resolve_new)


def expanded(db: sqlite3.Connection, template: Mapping[str, Any]) -> tuple[dict[str, Any], Used]:
    """The template with all snippets in place, and the versions that were used, nested ones included.

    The variables of the snippets join those of the template.
    """
    used: Used = []
    whole = _expand(template, _resolver(db, used, archived=True))
    return (normalised_template(whole) if used else whole), used


def direct(db: sqlite3.Connection, template: Mapping[str, Any]) -> Used:
    """The snippets that the template itself references, each at the version that it would use now."""
    used: Used = []
    resolve = _resolver(db, used, archived=True)
    for reference in used_by(template):
        try:
            resolve(reference)
        except ApiError:
            # Nothing is expanded here, so what is gone is left out and not an error.
            continue
    return used


def _expand(template: Mapping[str, Any], resolve: Callable[[Reference], Mapping[str, Any]]) -> dict[str, Any]:
    found: dict[Reference, Mapping[str, Any]] = {}
    try:
        # One at a time, so that they are listed in the order of the text.
        while missing := unresolved(template, found):
            found[missing[0]] = resolve(missing[0])
        return expand(template, found)
    except SnippetError as error:
        raise invalid(error.message, *_WHERE, kind="value_error.snippet") from error


def _resolver(
    db: sqlite3.Connection, used: Used, *, archived: bool
) -> Callable[[Reference], Mapping[str, Any]]:
    def resolve(reference: Reference) -> Mapping[str, Any]:
        row = records.by_name(db, reference.name, archived=archived)
        if row is None:
            raise _unusable(reference, "does not exist")
        try:
            version = records.version(db, row, reference.version, reference.label)
        except ApiError as error:
            pin = f"version {reference.version}" if reference.label is None else f"label {reference.label!r}"
            raise _unusable(reference, f"has no {pin}") from error
        if version["type"] != "completion":
            raise _unusable(reference, "is a chat template; only completion templates can be snippets")
        entry = {"prompt_name": reference.name, "version": version["number"]}
        entry |= {"label": reference.label} if reference.label is not None else {}
        if entry not in used:
            used.append(entry)
        template: Mapping[str, Any] = records.decoded(version["template"])
        return template

    return resolve


def _unusable(reference: Reference, why: str) -> ApiError:
    return invalid(f"The snippet {reference.name!r} {why}.", *_WHERE, kind="value_error.snippet")
