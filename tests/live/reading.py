"""How the steps put into words what the registry has."""

from __future__ import annotations

from typing import Any

from session import Session


def versions(session: Session, items: list[dict[str, Any]], key: str = "version") -> str:
    """Return names without what is common to this run, each with its version."""
    prefix = session.workspace.names
    return (
        ", ".join(sorted(f"{item['name'].removeprefix(prefix)} v{item.get(key)}" for item in items)) or "none"
    )


def states(session: Session, *words: str) -> str:
    """Return the states of prompts as ``status`` shows them."""
    document = session.run("status", *map(session.name, words))
    words = ([prompt["state"], *_version(prompt)] for prompt in document["prompts"])
    return ", ".join(" ".join(parts) for parts in words)


def _version(prompt: dict[str, Any]) -> list[str]:
    return [] if prompt.get("version") is None else [f"v{prompt['version']}"]


def labels(session: Session, word: str) -> str:
    """Return where the labels of a prompt point, as the registry has it."""
    prefix = session.workspace.label
    pointers = session.workspace.labels(word).items()
    return (
        ", ".join(sorted(f"LABEL{name.removeprefix(prefix)} v{version}" for name, version in pointers))
        or "none"
    )


def texts(session: Session, word: str, query: str = "") -> list[str]:
    """Return the texts of the messages of a prompt."""
    template = (
        session.workspace.get(word, query or "?resolve_snippets=false").fields.get("prompt_template") or {}
    )
    parts = template.get("messages") or [template]
    return [str(block.get("text")) for part in parts for block in part.get("content") or ()]
