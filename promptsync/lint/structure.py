"""Rules about the parts of a template: keys and their spelling, roles, blocks, formats, model, examples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from promptsync.lint.rules import KnownPrompts, Subject, numbered
from promptsync.prompt.prompt import KeyPath, Problem, as_blocks, as_mapping, format_of, mappings, readable
from promptsync.prompt.shapes import (
    BLOCKS,
    CHAT_KEYS,
    COMPLETION_KEYS,
    ENVELOPE,
    PARAMETERS,
    PROVIDERS,
    RESPONSE_FORMATS,
    SHAPES,
    WRITE_ONLY,
    meant,
    rejected_metadata,
    rejected_template,
)
from promptsync.prompt.template import template_variables

_RESERVED = ENVELOPE | {"prompt_template", "prompt_version", "metadata", "api_key"}
"""Keys that would set something else in a publish, such as a label that only a deploy moves."""


def check(subject: Subject, known: KnownPrompts) -> Iterator[Problem]:
    """Check the parts of one prompt, and its examples."""
    yield from _keys(subject)
    yield from _rejected(subject)
    yield from _formats(subject)
    yield from _blocks(subject, subject.template.get("content"), ("content",))
    for index, item in numbered(subject.template.get("messages")):
        yield from _blocks(subject, item.get("content"), ("messages", index, "content"))
    if _is_empty(subject.template):
        yield subject.problem("empty-prompt", (), "The prompt has no text.", hint="Write its messages.")
    yield from _examples(subject, known)
    yield from _spelling(subject)


def _keys(subject: Subject) -> Iterator[Problem]:
    chat = subject.template.get("type") == "chat"
    known = CHAT_KEYS if chat else COMPLETION_KEYS
    rule = "chat-unknown-key" if chat else "completion-unknown-key"
    for key in subject.template.keys() - known - {"template_format"}:
        will = "drops it when it is published" if chat else "may drop it when it is published"
        message = f"A {'chat' if chat else 'completion'} template has no key {key!r}; the registry {will}."
        yield subject.problem(rule, ("extra", "template", key), message, hint="Remove it.")
    for key in subject.prompt.extra.keys() & _RESERVED:
        message = f"{key!r} is not part of a version, so a prompt file cannot set it."
        yield subject.problem("reserved-key", ("extra", "version", key), message, hint="Remove it.")
    for key in subject.prompt.extra.keys() & WRITE_ONLY:
        message = f"The registry accepts {key!r} and never returns it, so it is neither compared nor pulled."
        yield subject.problem("write-only-field", ("extra", "version", key), message)


def _rejected(subject: Subject) -> Iterator[Problem]:
    """Report everything that the registry is known to reject."""
    told: set[str] = set()
    for part in (*rejected_template(subject.template), *rejected_metadata(subject.prompt.metadata)):
        path = part.path
        # A message without a format of its own has that of the file.
        if path[-1] == "template_format" and subject.position(path) == subject.position(path[:-1]):
            path = ("template_format",)
        message = f"The registry rejects this: {readable(path)} {part.what}."
        if message not in told:
            told.add(message)
            where = ("extra", "template", "type") if path == ("type",) else subject.in_metadata(path)
            hint = "Add it." if part.rule == "missing-key" else ""
            yield subject.problem(part.rule, where, message, hint=hint)


def _formats(subject: Subject) -> Iterator[Problem]:
    written = format_of(subject.template)
    # Reversed, so that each format keeps the index of the first message that uses it.
    used = {
        format_of(message, written): index
        for index, message in reversed(list(numbered(subject.template.get("messages"))))
        if message.get("role") != "placeholder"
    }
    if len(used) > 1:
        formats, last = " and ".join(sorted(used)), max(used.values())
        message = f"Messages use {formats}; the registry's SDK renders all with the first one."
        hint = "Use one format for all messages."
        yield subject.problem("mixed-formats", ("messages", last), message, hint=hint)


def _blocks(subject: Subject, content: Any, path: KeyPath) -> Iterator[Problem]:
    for index, block in numbered(content):
        kind = block.get("type", "text" if "text" in block else None)
        if not isinstance(kind, str) or kind not in BLOCKS:
            message = f"The block type {kind!r} is unknown; it is published unchanged."
            yield subject.problem("unknown-block", (*path, index, "type"), message)


def _is_empty(template: Mapping[str, Any]) -> bool:
    """Whether nothing in a prompt reaches the model."""
    return not any(
        part.get("role") == "placeholder"
        or part.get("tool_calls")
        or part.get("function_call")
        # A block without a text, such as an image, is content too.
        or any(str(block.get("text", "x")).strip() for block in mappings(as_blocks(part.get("content"))))
        for part in (template, *mappings(template.get("messages")))
    )


def _examples(subject: Subject, known: KnownPrompts) -> Iterator[Problem]:
    """Compare the names in the examples with the variables of the prompt and its snippets."""
    examples = subject.file.local.examples
    if not examples:
        return
    whole = known.expanded(subject.template)
    used = template_variables(whole or subject.template)
    valued = {name for example in examples for name in example}
    for name in sorted(used - valued):
        message = f"No example gives a value for the variable {name!r}."
        yield subject.problem("example-missing-variable", ("examples",), message, hint="Add one.")
    # A snippet that is not in the repository may use any of the names.
    if whole is None:
        return
    for index, example in enumerate(examples):
        for name in sorted(map(str, example.keys() - used)):
            message = f"The prompt has no variable {name!r}."
            yield subject.problem("example-unused-variable", ("examples", index, name), message)


_MESSAGE_KEYS: Final = frozenset(SHAPES["message"])
_MODEL_KEYS: Final = frozenset(SHAPES["model"])
_FORMAT_KEYS: Final = frozenset(["type", "json_schema"])


def _spelling(subject: Subject) -> Iterator[Problem]:
    """Check the words of one file that are similar to known ones."""
    for path, word, known in _words(subject):
        likely = meant(word, known)
        if not likely:
            continue
        where = ".".join(map(str, path))
        message = f"{where if path[-1] == word else f'{where}: {word}'} looks misspelled."
        yield subject.problem(
            "misspelled", subject.in_metadata(path), message, hint=f"Did you mean {likely}?"
        )
    for key in sorted(as_mapping(subject.prompt.metadata.get("model")).keys() & PARAMETERS):
        place = subject.in_metadata(("model", key))
        message = f"model.{key} belongs in model.parameters."
        yield subject.problem("misplaced", place, message, hint="Move it there.")


def _words(subject: Subject) -> Iterator[tuple[KeyPath, str, frozenset[str]]]:
    """Yield keys and values with their places, and the known words of the same kind."""
    model = as_mapping(subject.prompt.metadata.get("model"))
    parameters = as_mapping(model.get("parameters"))
    form = as_mapping(parameters.get("response_format"))
    below: KeyPath = ("model", "parameters")
    yield from ((("model", key), key, _MODEL_KEYS) for key in model.keys() - PARAMETERS)
    yield from (((*below, key), key, PARAMETERS) for key in parameters)
    yield from (((*below, "response_format", key), key, _FORMAT_KEYS) for key in form)
    for path, value, known in (
        (("model", "provider"), model.get("provider"), PROVIDERS),
        ((*below, "response_format", "type"), form.get("type"), RESPONSE_FORMATS),
    ):
        if isinstance(value, str):
            yield path, value, known
    for index, message in numbered(subject.template.get("messages")):
        yield from ((("messages", index, key), key, _MESSAGE_KEYS) for key in message.keys() - _MESSAGE_KEYS)
