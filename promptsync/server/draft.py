"""The body of a publish, in each of the three shapes that are in use, as one value.

The key ``prompt_template`` means two things: in the flat shape it is the template itself, in the nested one
the record around it. An object under ``prompt_version`` tells them apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from promptsync.prompt.prompt import MAX_MESSAGE, MAX_NAME
from promptsync.server.errors import malformed
from promptsync.server.http import MAX_INTEGER
from promptsync.server.normalise import normalised_metadata, normalised_template
from promptsync.server.validate import check_metadata, check_template

MAX_LABEL = 255
MAX_SOURCE, MAX_EXTERNAL_ID = 128, 512


@dataclass(frozen=True, slots=True)
class Draft:
    """A version about to be published, normalised. ``None`` for tags, labels or folder: not given."""

    name: str
    template: Mapping[str, Any]
    metadata: Mapping[str, Any] | None = None
    message: str | None = None
    tags: Sequence[str] | None = None
    folder_id: int | None = None
    labels: Sequence[str] | None = None
    external_ids: Sequence[tuple[str, str]] = ()


def read_draft(body: Mapping[str, Any]) -> Draft:
    """A flat, nested or hybrid body as a draft; unknown keys around the template are ignored. 400 if bad."""
    version = body.get("prompt_version")
    if isinstance(version, Mapping):
        record = body.get("prompt_template")
        if not isinstance(record, Mapping):
            raise malformed("prompt_template has to be an object with a prompt_name.")
    elif version is not None:
        raise malformed("prompt_version has to be an object.")
    elif isinstance(body.get("prompt_name"), str):
        record = version = body
    else:
        raise malformed("The body needs either prompt_version (nested) or a string prompt_name (flat).")
    return Draft(
        name=_name(record.get("prompt_name")),
        template=normalised_template(check_template(version.get("prompt_template"))),
        metadata=normalised_metadata(check_metadata(version.get("metadata"))),
        message=read_message(version.get("commit_message")),
        tags=_strings(record.get("tags"), "tags"),
        folder_id=read_id(record.get("folder_id"), "folder_id"),
        labels=read_labels(body.get("release_labels")),
        external_ids=_external_ids(body.get("external_ids")),
    )


def _name(value: Any) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= MAX_NAME:
        raise malformed(f"prompt_name has to be a string of 1 to {MAX_NAME} characters.")
    return value


def read_message(value: Any) -> str | None:
    """A commit message: null, or at most 72 code points."""
    if not isinstance(value, str | None):
        raise malformed("commit_message has to be a string or null.")
    if value is not None and len(value) > MAX_MESSAGE:
        raise malformed(f"commit_message is longer than {MAX_MESSAGE} characters.")
    return value


def read_labels(value: Any) -> list[str] | None:
    """Release labels: null, or a list of names, each once."""
    labels = _strings(value, "release_labels")
    if labels is not None and not all(1 <= len(label) <= MAX_LABEL for label in labels):
        raise malformed(f"A release label has 1 to {MAX_LABEL} characters.")
    return labels


def read_id(value: Any, what: str) -> int | None:
    """Null or a positive integer."""
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= MAX_INTEGER:
        raise malformed(f"{what} has to be a positive integer or null.")
    return value


def _strings(value: Any, what: str) -> list[str] | None:
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise malformed(f"{what} has to be a list of strings.")
    return list(dict.fromkeys(value))


def _external_ids(value: Any) -> list[tuple[str, str]]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise malformed("external_ids has to be a list.")
    return [read_external_id(item) for item in value]


def read_external_id(value: Any) -> tuple[str, str]:
    """Source and id of ``{"source", "external_id"}``, which allows no other keys."""
    if not isinstance(value, Mapping) or value.keys() != {"source", "external_id"}:
        raise malformed("An external id is an object with source and external_id, and nothing else.")
    source, external_id = value["source"], value["external_id"]
    check_external_id(source, external_id)
    return source, external_id


def check_external_id(source: Any, external_id: Any) -> None:
    """400 unless both are strings within the limits."""
    if not isinstance(source, str) or not 1 <= len(source) <= MAX_SOURCE:
        raise malformed(f"source has to be a string of 1 to {MAX_SOURCE} characters.")
    if not isinstance(external_id, str) or not 1 <= len(external_id) <= MAX_EXTERNAL_ID:
        raise malformed(f"external_id has to be a string of 1 to {MAX_EXTERNAL_ID} characters.")
