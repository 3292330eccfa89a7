"""Every rule with its stable id, its usual severity and one line of documentation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Rule:
    """An error stops what a push would publish, a warning does not. No legal template is an error."""

    id: str
    severity: Severity
    summary: str


_TABLE: Final = (
    Rule("api-key", "error", "Something that looks like a secret key stands in the file."),
    Rule("chat-unknown-key", "warning", "The registry drops keys that a chat template does not have."),
    Rule("completion-unknown-key", "warning", "The registry may drop keys that a completion does not have."),
    Rule("conflict-markers", "error", "A merge left its conflict markers in a text."),
    Rule("control-character", "warning", "A text holds characters that nobody sees and a model reads."),
    Rule("empty-prompt", "warning", "The prompt has no text at all."),
    Rule("example-missing-variable", "warning", "No example gives a value for a variable of the prompt."),
    Rule("example-unused-variable", "warning", "An example gives a value that the prompt does not use."),
    Rule("fstring-field", "warning", "A variable has a name that looks like JSON or holds blanks."),
    Rule("fstring-unrenderable", "warning", "The f-string cannot be rendered: the text stays as it is."),
    Rule("jinja-name", "warning", "The template uses a filter or test that jinja2 does not have."),
    Rule("jinja-syntax", "error", "The jinja2 template has a syntax error."),
    Rule("message-incomplete", "warning", "A message lacks a key that its role needs."),
    Rule("mixed-formats", "warning", "The messages of one prompt use different template formats."),
    Rule("model-incomplete", "warning", "The model has no provider or no name."),
    Rule("name-blank", "warning", "The name starts or ends with a blank, or holds a control character."),
    Rule("name-digits", "warning", "A name of digits alone can be mistaken for an id."),
    Rule("name-duplicate", "error", "Two files define the same prompt."),
    Rule("name-empty", "error", "The prompt has no name."),
    Rule("name-reserved", "warning", "The name holds the signs of a reference: no prompt can refer to it."),
    Rule("name-too-long", "error", "The name is longer than the registry takes."),
    Rule("name-twin", "warning", "Two names look alike: they differ in case or in how accents are written."),
    Rule("nesting", "warning", "The template nests so deeply that its depths are not checked."),
    Rule("snippet-chat", "error", "A reference names a chat prompt; only completion prompts are snippets."),
    Rule("snippet-cycle", "error", "Snippets refer to one another in a circle."),
    Rule("snippet-malformed", "error", "A snippet reference has no name, or a bad version or label."),
    Rule(
        "snippet-missing",
        "error",
        "No prompt has the name that a reference names; a warning where the repository holds a part only.",
    ),
    Rule("snippet-not-expanded", "warning", "A reference stands where the registry expands none."),
    Rule("snippet-unbalanced", "error", "A @@@ has no partner in its text."),
    Rule("snippet-unpinned", "warning", "A new version of the snippet changes this prompt at once."),
    Rule("unknown-block", "warning", "A content block has a type that is not known here."),
    Rule("unknown-format", "warning", "The template format is neither f-string nor jinja2."),
    Rule("unknown-role", "warning", "A message has a role that is not known here."),
    Rule("write-only-field", "warning", "The registry takes this field and never gives it back."),
    Rule("yaml-scalar", "warning", "YAML reads an unquoted value as something else than it looks like."),
)

RULES: Final = {rule.id: rule for rule in _TABLE}
