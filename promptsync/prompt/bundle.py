"""The bundle: the prompts of a release in one file, for applications that cannot reach the registry.

A bundle depends only on the release: made again, it has the same bytes. Checksums show edited prompts.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from promptsync.errors import Refused
from promptsync.prompt.canonical import digest
from promptsync.prompt.prompt import Prompt, as_mapping, format_of, mappings
from promptsync.prompt.template import template_variables, variable_uses

FORMAT: Final = "promptsync-bundle/2"

Renders = Literal["anywhere", "registry"]

_OF_REQUEST: Final = ("success", "message", "request_id", "created_at")
_HAVE_KEYS: Final = ("custom_provider", "provider_base_url")


class BundledPrompt(Struct, frozen=True):
    """One prompt of a bundle.

    ``response`` is what the registry returns for the version to an application that renders the prompt
    itself: snippets and tools in place, variables not filled in. ``digest`` is the hash of its content.
    ``commit`` is the git commit in the version's message, as it is abbreviated there. ``renders`` says who
    can fill in the variables: the official SDK cannot do that for every prompt.
    """

    digest: str
    variables: tuple[str, ...]
    renders: Renders
    response: Mapping[str, Any]
    version: int | None = None
    commit: str | None = None
    needs: str | None = None


class Bundle(Struct, frozen=True):
    """The prompts under a ``label``, or those of a ``commit``; the other one is ``None``."""

    prompts: Mapping[str, BundledPrompt]
    label: str | None = None
    commit: str | None = None
    format: str = FORMAT


def bundled(response: Mapping[str, Any], *, commit: str | None = None) -> BundledPrompt:
    """Return the prompt of a response that has its snippets in place and its variables not filled in.

    Keys of model providers are left out, because a bundle lies in images and repositories.
    """
    kept = {key: value for key, value in response.items() if key not in _OF_REQUEST}
    for key in _HAVE_KEYS:
        if isinstance(kept.get(key), Mapping):
            kept[key] = {name: value for name, value in kept[key].items() if name != "api_key"}
    template, metadata = kept["prompt_template"], as_mapping(kept.get("metadata"))
    prompt = Prompt(kept["prompt_name"], template, metadata)
    return BundledPrompt(
        digest=digest(prompt).removeprefix("sha256:"),
        variables=tuple(sorted(template_variables(template))),
        renders=_renders(template),
        response=kept,
        version=kept.get("version"),
        commit=commit,
        needs=prompt.needs,
    )


def _renders(template: Mapping[str, Any]) -> Renders:
    """Return who can render a template; the official SDK knows only texts in one template format."""
    parts = [*mappings(template.get("messages"))] if template.get("type") == "chat" else [template]
    is_for_registry = (
        any(use.kind != "text" for use in variable_uses(template))
        or len({format_of(part) for part in parts}) > 1
        # The SDK fails at a message without content, and at one that is a string.
        or not all(isinstance(part.get("content", []), list) for part in parts)
    )
    return "registry" if is_for_registry else "anywhere"


def checksum(label: str | None, name: str, entry: Mapping[str, Any]) -> str:
    """Return the hash of a prompt as the file has it; ``runtime`` computes the same without this package."""
    kept = {key: value for key, value in entry.items() if key != "checksum"}
    return hashlib.sha256(json.dumps([label, name, kept], sort_keys=True).encode()).hexdigest()


def encode(bundle: Bundle) -> bytes:
    """Return the content of the file of a bundle."""
    document = msgspec.to_builtins(bundle)
    for name, entry in document["prompts"].items():
        entry["checksum"] = checksum(bundle.label, name, entry)
    text = json.dumps(document, ensure_ascii=False, sort_keys=True, indent=1)
    # Half of a surrogate pair has no UTF-8; it is escaped as JSON does that.
    return f"{text}\n".encode("utf-8", "backslashreplace")


def outdated(file: str, problem: str, label: str | None) -> Refused:
    """Return the error about a bundle that has to be written again, with the command for that."""
    source = ["--label", f"{label}"] if label else ["--from", "HEAD"]
    hint = shlex.join(["promptsync", "bundle", *source, "-o", file])
    return Refused(f"{file} {problem}", hint=hint, code="outdated")


def decode(content: bytes, file: str = "the file") -> Bundle:
    """Return the bundle in a file. Raises ``ValueError``, or ``Refused`` if it has to be written again."""
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        raise ValueError(f"{file} is not a bundle: it is not JSON, or it was cut off") from None
    written = value.get("format") if isinstance(value, dict) else None
    if not isinstance(written, str) or not written.startswith("promptsync-bundle/"):
        raise ValueError(f"{file} is not a bundle: make one with promptsync bundle")
    if written != FORMAT:
        problem = f"has the format {written[:40]!r}; this promptsync reads {FORMAT!r}"
        raise outdated(file, problem, value.get("label"))
    try:
        bundle = msgspec.convert(value, Bundle)
    except msgspec.ValidationError as error:
        raise ValueError(f"{file} is not a valid bundle: {error}") from None
    for name, entry in value["prompts"].items():
        if entry.get("checksum") != checksum(bundle.label, name, entry):
            problem = f"was edited: {name[:200]!r} does not match its checksum"
            raise outdated(file, problem, bundle.label)
    return bundle
