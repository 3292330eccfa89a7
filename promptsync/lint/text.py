"""Rules about texts: template syntax, invisible characters, conflict markers, secret keys, YAML scalars."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from promptsync.lint.rules import KEY, KnownPrompts, Severity, Subject
from promptsync.prompt.prompt import JINJA2, Problem, Text, conflict_in, leaves, line_and_column
from promptsync.prompt.snippets import FENCE
from promptsync.prompt.template import read

if TYPE_CHECKING:
    from promptsync.files.prompt_file import PromptFile

# C0 and C1 without tab, LF, CR and NEL; zero-width blanks; bidirectional embeddings, overrides and isolates;
# invisible tags, which can carry hidden instructions.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\u200b\u2060\ufeff\u202a-\u202e\u2066-\u2069"
    "\U000e0000-\U000e007f]"
)
_QUOTED = re.compile(r"^ *# promptsync: ignore conflict-markers\s*$", re.MULTILINE)
"""The comment in a file whose text shows conflict markers on purpose."""


def check(subject: Subject, known: KnownPrompts) -> Iterator[Problem]:
    """Check the texts of one file."""
    yield from _syntax(subject, known)
    for text in subject.texts:
        yield from _unseen(subject, text)
        yield from _conflict(subject, text)
    yield from _secrets(subject)
    yield from _scalars(subject)


def first_conflict(file: PromptFile) -> Problem | None:
    """Return the problem of the first conflict markers in a file, ``None`` without any."""
    subject = Subject(file)
    return next((problem for text in subject.texts for problem in _conflict(subject, text)), None)


def _unseen(subject: Subject, text: Text) -> Iterator[Problem]:
    # All the characters in question are unprintable, which is far quicker to test.
    unseen = [] if text.text.replace("\n", "").isprintable() else [*_UNSEEN.finditer(text.text)]
    if not unseen:
        return
    character, count = unseen[0][0], len(unseen)
    name = unicodedata.name(character, "control character").lower()
    more = f" and {count - 1} more like it" if count > 1 else ""
    message = (
        f"The text contains U+{ord(character):04X} ({name}){more}: it is invisible, but a model reads it."
    )
    start = unseen[0].start()
    yield subject.in_text("control-character", text, start, message, "Delete it, unless it is intended.")


def _conflict(subject: Subject, text: Text) -> Iterator[Problem]:
    start = conflict_in(text.text)
    if start is not None and not _QUOTED.search(subject.file.text):
        message = "The text contains the markers of a merge conflict."
        hint = "Choose a side and delete the marker lines."
        yield subject.in_text("conflict-markers", text, start, message, hint)


_KEYS = {
    "PromptLayer": "pl_[0-9A-Za-z]{24,}",
    "Anthropic": "sk-ant-[A-Za-z0-9_-]{16,}",
    "OpenAI": "sk-[A-Za-z0-9_-]{20,}",
    "Google": "AIza[0-9A-Za-z_-]{35}",
    "AWS": "AKIA[0-9A-Z]{16}",
    "GitHub": "gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,}",
    "Slack": "xox[abprs]-[A-Za-z0-9-]{20,}",
    "Hugging Face": "hf_[A-Za-z0-9]{30,}",
}
"""What the keys of an issuer look like."""
_ANY_KEY = re.compile(
    rf"(?<![A-Za-z0-9_])(?:{'|'.join(f'({key})' for key in _KEYS.values())})(?![A-Za-z0-9])"
)
_PREFIXES = ("pl_", "sk-", "AIza", "AKIA", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_", "xox", "hf_")
_PLACEHOLDER = re.compile(
    r"example|x{4}|your|placeholder|redacted|123456789|abcdefgh|(.)\1{5}", re.IGNORECASE
)
_RANDOM = re.compile(r"(?=[0-9]*[A-Za-z])(?=[A-Za-z]*[0-9])[A-Za-z0-9]{16,}")
"""Letters and digits in one run, which are no word."""


def _secrets(subject: Subject) -> Iterator[Problem]:
    """Search the whole source for keys, comments included."""
    source = subject.file.text
    if not any(prefix in source for prefix in _PREFIXES):  # far quicker than the search
        return
    for match in _ANY_KEY.finditer(source):
        key, issuer = match[0], [*_KEYS][(match.lastindex or 1) - 1]
        if _RANDOM.search(key) and not _PLACEHOLDER.search(key):
            message = f"This looks like a secret key of {issuer} ({key[:6]}…)."
            hint = "Remove it, and revoke it if it was committed."
            place = line_and_column(source, match.start())
            yield Problem(subject.file.path, *place, "api-key", message, hint=hint)


_BRACES = "Write literal braces as {{ and }}, or use template_format: jinja2."
_UNRENDERED = "The registry does not render a text with a syntax error."
_VARIABLE = re.compile(r"[\w-]+(?: [\w-]+)*")
_DOUBLE = re.compile(r"(?<!\{)\{\{ *[A-Za-z_][\w.]{0,80}(?: *\|[^{}\n]{0,80})? *\}\}(?!\})")

_UNKNOWN_NAME = ("no filter named ", "no test named ")


def _syntax(subject: Subject, known: KnownPrompts) -> Iterator[Problem]:
    """Check that each text can be rendered."""
    for text in subject.texts:
        error = read(text.text, text.template_format).error
        if error is None:
            yield from _braces(subject, text) if text.template_format != JINJA2 else ()
            continue
        rule, hint, severity = "fstring-unrenderable", _BRACES, None
        reason, line, column = error
        message = f"This text cannot be rendered, so its variables stay as they are: {reason}."
        if text.template_format == JINJA2:
            rule, hint, severity = "jinja-syntax", _UNRENDERED, _severity(subject, text, known)
            message = f"jinja2: {reason.rstrip('.')}."
            if reason.startswith(_UNKNOWN_NAME):
                rule, hint, severity = "jinja-name", "", "warning"
                message = f"This text cannot be rendered: {reason}."
            elif severity is None:
                continue
        within = (line, column)
        yield subject.problem(rule, text.path, message, hint=hint, severity=severity, within=within)


def _braces(subject: Subject, text: Text) -> Iterator[Problem]:
    """Report the first field of an f-string that is no likely variable, and the first pair of braces."""
    names = read(text.text, text.template_format).variables
    places = {text.text.find("{" + name): name for name in names if not _VARIABLE.fullmatch(name)}
    if places:
        start = min(places)
        message = f"The registry reads this as a variable named {places[start]!r}."
        yield subject.in_text("fstring-field", text, start, message, _BRACES)
    match = _DOUBLE.search(text.text) if "{{" in text.text else None
    if match is not None:
        message = f"{match[0]} renders as {match[0][1:-1]}."
        hint = "Did you mean template_format: jinja2?"
        yield subject.in_text("fstring-jinja", text, match.start(), message, hint)


def _severity(subject: Subject, text: Text, known: KnownPrompts) -> Severity | None:
    """Judge a broken text with its snippets expanded, because one may open a block that the text closes."""
    # If a snippet is not in the repository, it is unknown whether the whole text is broken.
    if FENCE in text.text:
        whole = known.expanded({"content": text.text})
        if whole is None:
            return "warning"
        return "error" if read(whole["content"], JINJA2).error else None
    # A snippet is only a part, and may be closed by the text that contains it.
    return "warning" if subject.prompt.name in known.referenced else "error"


# YAML 1.1 reads 010 as 8 and 1:30 as 90; it reads 1e3 as text.
_OCTAL_OR_SIXTIES = r"[-+]?0[0-7_]+|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?"
_SURPRISES: Final[tuple[tuple[Any, str, str], ...]] = (
    (bool, "(?i:yes|no|on|off)", "the boolean {}"),
    (int | float, _OCTAL_OR_SIXTIES, "the number {}"),
    (str, r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)[eE][-+]?\d+", "text, not as a number"),
)
"""The type of a value, what its unquoted source looks like, and how YAML reads it."""
_EXPONENT_HINT = "Write a number with a decimal point and a sign, such as 1.0e-3, or quote the text."
_ANY_SURPRISE = re.compile(
    rf"(?m)[:,\-\[](?:(?<=\[)|\s)\s*(?:{'|'.join(look for _, look, _ in _SURPRISES)})\s*(?:[,\]}}#]|$)"
)
_KEY_BEFORE = re.compile(rf"(?:-\s+)*{KEY}")
_ITEM_BEFORE = re.compile(r"(?:-\s+)*")


def _scalars(subject: Subject) -> Iterator[Problem]:
    """Check for unquoted values that YAML 1.1 converts, where a value may have any type.

    Elsewhere a wrong type is an error when the file is read.
    """
    if not _ANY_SURPRISE.search(subject.file.text):
        return
    free = [
        (("model",) if key == "model" else ("metadata", key), value)
        for key, value in subject.prompt.metadata.items()
    ]
    free += [((key,), subject.template.get(key)) for key in ("tools", "functions")]
    free.append((("examples",), subject.file.local.examples))
    for path, value in (leaf for start, part in free for leaf in leaves(part, start)):
        line, column = subject.position(path)
        rest = subject.lines[line - 1][column - 1 :]
        before = (_KEY_BEFORE if isinstance(path[-1], str) else _ITEM_BEFORE).match(rest)
        token = re.compile(r"[^\s,\]}#]*").match(rest, before.end() if before else 0)[0]  # type: ignore[index]
        for kind, look, words in _SURPRISES:
            if isinstance(value, kind) and re.fullmatch(look, token):
                read = words.format(str(value).lower())
                hint = f'Write "{token}" for text, or {read.split()[-1]} if that is what you mean.'
                hint = _EXPONENT_HINT if kind is str else hint
                yield subject.problem("yaml-scalar", path, f"YAML reads {token} as {read}.", hint=hint)
