"""Every rule with its severity and one line of documentation, and what the rules look at."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal

from msgspec import Struct, field

from promptsync.prompt.prompt import KeyPath, Problem, Text, line_and_column, texts_of
from promptsync.prompt.snippets import Reference, SnippetError, expand, rendered_in

if TYPE_CHECKING:
    from promptsync.files.prompt_file import PromptFile

Severity = Literal["error", "warning"]


class Rule(Struct, frozen=True):
    """An error stops a push of the prompt, a warning does not. No legal template is an error."""

    id: str
    severity: Severity
    summary: str


_RULES: Final = (
    Rule("api-key", "error", "The file contains something that looks like a secret key."),
    Rule("chat-unknown-key", "warning", "The registry drops keys that a chat template does not have."),
    Rule("completion-unknown-key", "warning", "The registry may drop keys that a completion does not have."),
    Rule("conflict-markers", "error", "A text contains the conflict markers of a merge."),
    Rule("control-character", "warning", "A text contains invisible characters that the model still reads."),
    Rule("empty-prompt", "warning", "The prompt has no text."),
    Rule("evaluation-few-rows", "warning", "The rows of an evaluation are too few for its max_drop."),
    Rule("evaluation-missing-variable", "error", "The rows of an evaluation lack a variable of a prompt."),
    Rule("evaluation-no-prompt", "error", "An evaluation names a prompt that has no file."),
    Rule("evaluation-unread", "warning", "A file looks like an evaluation, and nothing reads it."),
    Rule("evaluation-unscored", "error", "The scorecard of an evaluation has no steps."),
    Rule("evaluation-unused", "warning", "No prompt uses the evaluation."),
    Rule("evaluation-unused-column", "warning", "Nothing uses a column or variable of an evaluation."),
    Rule("example-missing-variable", "warning", "No example gives a value for a variable of the prompt."),
    Rule("example-unused-variable", "warning", "An example gives a value that the prompt does not use."),
    Rule("fstring-field", "warning", "A variable has a name that looks like JSON or contains spaces."),
    Rule(
        "fstring-unrenderable", "warning", "The f-string cannot be rendered; its variables stay as they are."
    ),
    Rule("fstring-jinja", "warning", "An f-string contains a jinja2 variable."),
    Rule("jinja-name", "warning", "The template uses a filter or test that jinja2 does not have."),
    Rule("jinja-syntax", "error", "The jinja2 template has a syntax error."),
    Rule("misplaced", "warning", "A parameter of the model is outside of parameters:."),
    Rule("misspelled", "warning", "A key or a value looks misspelled."),
    Rule("mixed-formats", "warning", "The messages of one prompt use different template formats."),
    Rule("name-blank", "warning", "The name starts or ends with a space, or contains a control character."),
    Rule("name-digits", "warning", "A name that is all digits can be mistaken for an id."),
    Rule("name-duplicate", "error", "Two files define the same prompt."),
    Rule("name-reserved", "warning", "No prompt can refer to a name that contains the syntax of references."),
    Rule("name-too-long", "error", "The name is longer than the registry allows."),
    Rule("name-twin", "warning", "Two names differ only in case or in how accents are encoded."),
    Rule(
        "not-included", "warning", "The prompt is never published, because include does not match its name."
    ),
    Rule("reserved-key", "error", "extra: sets something that is not part of a version."),
    Rule("snippet-chat", "error", "A reference names a chat prompt; only completion prompts are snippets."),
    Rule("snippet-cycle", "error", "Snippets refer to one another in a circle."),
    Rule("snippet-malformed", "error", "A snippet reference has no name, or an invalid version or label."),
    Rule(
        "snippet-missing",
        "error",
        "No prompt has the name in a reference. Only a warning where include: leaves out some prompts.",
    ),
    Rule("snippet-not-expanded", "warning", "The registry does not expand a reference at this place."),
    Rule("snippet-outdated", "warning", "A prompt pins an older version of a snippet than another prompt."),
    Rule("snippet-unbalanced", "error", "A @@@ has no closing @@@ in its text."),
    Rule("snippet-unpinned", "warning", "A new version of the snippet changes this prompt immediately."),
    Rule("unknown-block", "warning", "A content block has an unknown type."),
    Rule("wrong-value", "error", "The registry rejects a value of this kind."),
    Rule("write-only-field", "warning", "The registry accepts this field and never returns it."),
    Rule("yaml-scalar", "warning", "YAML converts this unquoted value; quote it."),
    # About files, not about the prompts in them.
    Rule("config", "error", "promptsync.yaml is not valid."),
    Rule("evaluation", "error", "An evaluation file contradicts itself."),
    Rule("evaluation-rows", "error", "A file with rows of an evaluation is not valid."),
    Rule("file-encoding", "error", "The file is not plain UTF-8."),
    Rule("file-refused", "error", "The file is a symbolic link, or not a regular file."),
    Rule("file-size", "error", "The file is too large to be a prompt."),
    Rule("file-unreadable", "error", "The file cannot be read."),
    Rule("fixtures-missing", "error", "The fixtures file in promptsync.yaml does not exist."),
    Rule("missing-key", "error", "The prompt file, or a part of it such as a message, lacks a required key."),
    Rule("no-prompts", "warning", "The prompts directory has no prompt files."),
    Rule("path-twin", "error", "Some file systems cannot tell two paths apart (case, accents)."),
    Rule("prompt-kind", "error", "A prompt has either messages: or content:."),
    Rule("schema", "error", "The file format does not allow a value."),
    Rule("unknown-key", "error", "The file format has no such key."),
    Rule("wrong-type", "error", "A value has the wrong type."),
    Rule("yaml-aliases", "error", "Aliases expand to far more than the file itself."),
    Rule("yaml-date", "error", "YAML reads an unquoted value as a date."),
    Rule("yaml-duplicate-key", "error", "A key appears twice."),
    Rule("yaml-key", "error", "A key is not text."),
    Rule("yaml-nesting", "error", "Values nest too deeply to be read."),
    Rule("yaml-number", "error", "JSON does not have a number like this."),
    Rule("yaml-syntax", "error", "The file is not valid YAML."),
    Rule("yaml-tag", "error", "YAML tags are not allowed, because values are plain data."),
)

RULES: Final = {rule.id: rule for rule in sorted(_RULES, key=lambda rule: rule.id)}


KEY = r"(?:\"(?:[^\"\\]|\\.)*\"|'(?:[^']|'')*'|[^\s\"'\[\]{},:][^:#\n]*?)\s*:(?:\s+|$)"
"""A key of a YAML mapping with its colon."""

_BLOCK_SCALAR = re.compile(rf"(?:-\s+)*(?:{KEY})?([|>])[-+1-9]{{0,2}}\s*(?:#.*)?")


class KnownPrompts(Struct, frozen=True, dict=True):
    """What is known of all prompts, those under check and others, and the references between them.

    ``templates`` are the prompts of the repository by name. ``registry`` are the names in the registry,
    ``None`` when they were not fetched. ``in_scope`` says whether ``include`` takes a name in: a snippet that
    it leaves out may well exist without a file. ``unreadable`` are prompts whose files cannot be read: they
    are reported themselves, and references to them are not.
    """

    templates: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    registry: frozenset[str] | None = None
    in_scope: Callable[[str], bool] = lambda name: True
    unreadable: frozenset[str] = frozenset()

    @cached_property
    def references(self) -> dict[str, set[Reference]]:
        """The prompts that contain references, with these references."""
        every = {name: set(rendered_in(template)) for name, template in self.templates.items()}
        return {name: used for name, used in every.items() if used}

    @cached_property
    def referenced(self) -> set[str]:
        """The names of all prompts that others refer to."""
        return {reference.name for used in self.references.values() for reference in used}

    @cached_property
    def newest_pins(self) -> dict[str, tuple[int, str]]:
        """The highest version of each snippet that a prompt pins, and the first prompt that pins it."""
        newest: dict[str, tuple[int, str]] = {}
        for user in sorted(self.references):
            for used in self.references[user]:
                if used.version is not None and used.version > newest.get(used.name, (0, ""))[0]:
                    newest[used.name] = used.version, user
        return newest

    def expanded(self, template: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Return a template with its snippets expanded, ``None`` if one of them is not in the repository."""
        try:
            return expand(template, lambda reference: self.templates[reference.name])
        except (KeyError, SnippetError):
            return None


class Subject:
    """A file under check, with what several rules need, computed once."""

    def __init__(self, file: PromptFile) -> None:
        self.file = file
        self.prompt = file.prompt
        self.template = file.prompt.template
        self.position = file.position

    @cached_property
    def texts(self) -> list[Text]:
        return texts_of(self.template)

    @cached_property
    def lines(self) -> list[str]:
        return self.file.text.split("\n")

    def problem(
        self,
        rule: str,
        path: KeyPath,
        message: str,
        *,
        hint: str = "",
        severity: Severity | None = None,
        within: tuple[int, int | None] | None = None,
    ) -> Problem:
        """Return a problem at a path, or at a line and column ``within`` the text at that path."""
        line, column = self.place(path, within) if within else self.position(path)
        level = severity or RULES[rule].severity
        return Problem(self.file.path, line, column, rule, message, level, hint)

    def in_text(self, rule: str, text: Text, start: int, message: str, hint: str) -> Problem:
        """Return a problem at an offset of a text."""
        within = line_and_column(text.text, start)
        return self.problem(rule, text.path, message, hint=hint, within=within)

    def in_metadata(self, path: KeyPath) -> KeyPath:
        """Return the path of a key at the top of a file; the model may be in the metadata instead."""
        below = self.position(("metadata", "model")) != self.position(("metadata",))
        return ("metadata", *path) if below and path[0] == "model" else path

    def place(self, path: KeyPath, within: tuple[int, int | None]) -> tuple[int, int]:
        """Return the place in the file of a line and column of a text.

        Only a literal block keeps the lines of a text; in any other style this is the place of the text.
        """
        line, column = self.position(path)
        # The position is that of the key, so the rest of its line is the key and what follows it.
        header = self.lines[line - 1][column - 1 :] if line <= len(self.lines) else ""
        block = _BLOCK_SCALAR.fullmatch(header.rstrip("\r"))
        if block is None or block[1] == ">":
            return line, column
        target, offset = within
        # The first line with text shows how far the block is indented.
        body = next((text for text in self.lines[line:] if text.strip()), "")
        indent = len(body) - len(body.lstrip(" "))
        return line + target, indent + (offset or 1)


def numbered(items: Any) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield the messages, or the content blocks, that are objects, with their indexes."""
    for index, item in enumerate(items if isinstance(items, list | tuple) else ()):
        if isinstance(item, Mapping):
            yield index, item
