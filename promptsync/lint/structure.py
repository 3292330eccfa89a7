"""Rules about the parts of a template: keys, roles, blocks, formats, the model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from promptsync.lint.references import Snippets
from promptsync.lint.subject import MAX_DEPTH, KeyPath, Subject, blocks_of, messages_of
from promptsync.prompt.defaults import BLOCKS, CHAT_KEYS, COMPLETION_KEYS, WRITE_ONLY
from promptsync.prompt.prompt import Problem
from promptsync.prompt.roles import ROLES
from promptsync.prompt.template import FORMATS, template_variables
from promptsync.prompt.variables import format_of


def check(subject: Subject, snippets: Snippets) -> Iterator[Problem]:
    """Check the parts of one prompt, and its examples."""
    yield from _keys(subject)
    yield from _formats(subject)
    for index, item in messages_of(subject.template):
        yield from _message(subject, item, ("messages", index))
    yield from _blocks(subject, subject.template.get("content"), ("content",))
    model = subject.prompt.metadata.get("model")
    if isinstance(model, Mapping):
        missing = [key for key in ("provider", "name") if not model.get(key)]
        if missing:
            message = f"The registry rejects a model that has no {' and no '.join(missing)}."
            yield subject.problem("model-incomplete", ("model",), message, hint=f"Add {', '.join(missing)}.")
    if _is_empty(subject):
        yield subject.problem("empty-prompt", (), "The prompt has no text.", hint="Write its messages.")
    if _depth_over(subject.template) or _depth_over(subject.prompt.metadata):
        message = f"The template nests deeper than {MAX_DEPTH} levels; deeper levels are not checked."
        yield subject.problem("nesting", (), message)
    yield from _examples(subject, snippets)


def _keys(subject: Subject) -> Iterator[Problem]:
    chat = subject.template.get("type") == "chat"
    known = CHAT_KEYS if chat else COMPLETION_KEYS
    rule = "chat-unknown-key" if chat else "completion-unknown-key"
    for key in subject.template.keys() - known - {"template_format"}:
        will = "drops it when it is published" if chat else "may drop it when it is published"
        message = f"A {'chat' if chat else 'completion'} template has no key {key!r}; the registry {will}."
        yield subject.problem(rule, ("extra", "template", key), message, hint="Remove it.")
    for key in subject.prompt.extra.keys() & WRITE_ONLY:
        message = f"The registry accepts {key!r} and never returns it, so it is neither compared nor pulled."
        yield subject.problem("write-only-field", ("extra", "version", key), message)


def _formats(subject: Subject) -> Iterator[Problem]:
    written = format_of(subject.template)
    # Reversed, so that each format keeps the index of the first message that uses it.
    used = {
        format_of(message, written): index
        for index, message in reversed(list(messages_of(subject.template)))
        if message.get("role") != "placeholder"
    }
    if len(used) > 1:
        last = max(used.values())
        message = (
            f"Messages use {' and '.join(sorted(used))}; the registry's SDK renders all by the first one."
        )
        hint = "Use one format for all messages."
        yield subject.problem("mixed-formats", ("messages", last), message, hint=hint)
    # -1 stands for the template's own format, unless a message uses the same one.
    for name, index in {written: -1, **used}.items():
        if name not in FORMATS:
            path: KeyPath = ("template_format",) if index < 0 else ("messages", index, "template_format")
            message = f"The template format {name!r} is unknown."
            yield subject.problem("unknown-format", path, message, hint=f"Use {' or '.join(FORMATS)}.")


def _message(subject: Subject, message: Mapping[str, Any], path: KeyPath) -> Iterator[Problem]:
    role = message.get("role")
    if not isinstance(role, str) or role not in ROLES:
        hint = f"The known roles are {', '.join(ROLES)}."
        yield subject.problem("unknown-role", (*path, "role"), f"The role {role!r} is unknown.", hint=hint)
    else:
        for key in ROLES[role].required:
            if message.get(key) is None:
                text = f"The registry rejects a message with the role {role!r} that has no {key!r}."
                yield subject.problem("message-incomplete", path, text, hint=f"Add {key!r}.")
    yield from _blocks(subject, message.get("content"), (*path, "content"))


def _blocks(subject: Subject, content: Any, path: KeyPath) -> Iterator[Problem]:
    for index, block in blocks_of(content):
        kind = block.get("type", "text" if "text" in block else None)
        if not isinstance(kind, str) or kind not in BLOCKS:
            message = f"The block type {kind!r} is unknown; it is published unchanged."
            yield subject.problem("unknown-block", (*path, index, "type"), message)


def _is_empty(subject: Subject) -> bool:
    template = subject.template
    if _has_substance(template.get("content")):
        return False
    return not any(
        message.get("role") == "placeholder"
        or message.get("tool_calls")
        or message.get("function_call")
        or _has_substance(message.get("content"))
        for _, message in messages_of(template)
    )


def _has_substance(content: Any) -> bool:
    if isinstance(content, str):
        return bool(content.strip())
    # A block without a text, such as an image, is content too.
    return any(str(block.get("text", "x")).strip() for _, block in blocks_of(content))


def _depth_over(value: Any) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH):
        inner = (item.values() if isinstance(item, Mapping) else item for item in level)
        level = [one for items in inner for one in items if isinstance(one, Mapping | list | tuple)]
        if not level:
            return False
    return True


def _examples(subject: Subject, snippets: Snippets) -> Iterator[Problem]:
    """Compare the names in the examples with the variables of the prompt and its snippets."""
    examples = subject.file.local.examples
    if not examples:
        return
    own = template_variables(subject.template)
    nested = snippets.variables(subject.prompt.name)
    used = own | (nested or set())
    given = {name for example in examples for name in example}
    for name in sorted(used - given):
        message = f"No example gives a value for the variable {name!r}."
        yield subject.problem("example-missing-variable", ("examples",), message, hint="Add one.")
    # A snippet that is not in the repository may use any of the names.
    if nested is None:
        return
    for index, example in enumerate(examples):
        for name in sorted(map(str, example.keys() - used)):
            message = f"The prompt has no variable {name!r}."
            yield subject.problem("example-unused-variable", ("examples", index, name), message)
