"""Rules about snippet references."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from itertools import pairwise

from promptsync.lint.rules import KnownPrompts, Severity, Subject
from promptsync.prompt.prompt import KeyPath, Problem, leaves
from promptsync.prompt.snippets import FENCE, Malformed, Reference, find_cycle, references, scan


def check(subject: Subject, known: KnownPrompts) -> Iterator[Problem]:
    """Check the references of one file."""
    for path, reference in _scanned(subject):
        if isinstance(reference, Malformed):
            rule = "snippet-unbalanced" if "closing" in reference.reason else "snippet-malformed"
            hint = f"Write {FENCE}name{FENCE} or {FENCE}name@label:prod{FENCE}."
            yield subject.problem(
                rule, path, f"This is not a snippet reference: {reference.reason}.", hint=hint
            )
            continue
        target = known.templates.get(reference.name)
        if target is None and reference.name not in known.unreadable:
            yield from _missing(subject, path, reference, known)
        elif target is not None and target.get("type") == "chat":
            message = f"{reference} refers to a chat prompt; only a completion prompt can be a snippet."
            yield subject.problem("snippet-chat", path, message, hint="Move the text to a completion prompt.")
        if not reference.pinned:
            message = (
                f"{reference} is not pinned, so publishing that snippet changes this prompt immediately."
            )
            hint = f"Pin it to a label or a version: {Reference(reference.name, label='LABEL')}."
            yield subject.problem("snippet-unpinned", path, message, hint=hint)
        newest, owner = known.newest_pins.get(reference.name, (0, ""))
        if reference.version is not None and reference.version < newest:
            message = f"{reference} pins an old version; {owner} pins v{newest}."
            hint = f"promptsync bump {shlex.quote(reference.name)} {shlex.quote(subject.prompt.name)}"
            yield subject.problem("snippet-outdated", path, message, hint=hint)
    yield from _outside(subject)


def cycles(subjects: Sequence[Subject], known: KnownPrompts) -> Iterator[Problem]:
    """Check that no snippet contains itself; a pinned reference may mean a version that does not."""
    files = {subject.prompt.name: subject for subject in subjects}
    left = {name: {reference.name for reference in used} for name, used in known.references.items()}
    while (circle := find_cycle(left)) is not None:
        # Without one of its references, the next circle can be found.
        left[circle[0]].discard(circle[1])
        steps = [*pairwise(circle)]
        subject, following = next(((files[name], used) for name, used in steps if name in files), (None, ""))
        if subject is None:
            continue
        uses = (
            at for at, used in _scanned(subject) if isinstance(used, Reference) and used.name == following
        )
        # A pin may lead to a version that does not belong to the circle.
        unpinned = {
            (name, used.name) for name in circle for used in known.references[name] if not used.pinned
        }
        severity: Severity = "error" if unpinned >= {*steps} else "warning"
        message = f"Snippets refer to one another in a circle: {' -> '.join(circle)}."
        hint = "Remove one of these references."
        yield subject.problem("snippet-cycle", next(uses, ()), message, hint=hint, severity=severity)


def _scanned(subject: Subject) -> Iterator[tuple[KeyPath, Reference | Malformed]]:
    """Yield each distinct reference, or attempt at one, once."""
    seen: set[Reference | Malformed] = set()
    for text in subject.texts:
        for token, _ in scan(text.text):
            if token is not None and token not in seen:
                seen.add(token)
                yield text.path, token


def _missing(subject: Subject, path: KeyPath, reference: Reference, known: KnownPrompts) -> Iterator[Problem]:
    if known.registry is not None:
        if reference.name not in known.registry:
            message = f"{reference}: neither the files nor the registry have a prompt with this name."
            yield subject.problem("snippet-missing", path, message, hint="Check the name; case matters.")
        return
    hint = f"Check the name, because case matters, or run promptsync pull {reference.name!r}."
    severity: Severity = "error"
    if not known.in_scope(reference.name):
        hint = "The registry may have it, because include: limits this repository to some prompts."
        severity = "warning"
    message = f"{reference}: this repository has no prompt with this name."
    yield subject.problem("snippet-missing", path, message, hint=hint, severity=severity)


def _outside(subject: Subject) -> Iterator[Problem]:
    # Usually every fence of the file is in a rendered text, and the slow search below can be skipped.
    if sum(text.text.count(FENCE) for text in subject.texts) == subject.file.text.count(FENCE):
        return
    rendered = {text.path for text in subject.texts}
    for path, value in leaves(subject.template):
        if path not in rendered and isinstance(value, str) and (found := references(value)):
            message = f"{found[0]} is in a place where the registry does not expand snippets."
            yield subject.problem("snippet-not-expanded", path, message)
