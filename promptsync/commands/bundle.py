"""``promptsync bundle``: the prompts of a release in one file, for the day that the registry is down."""

from __future__ import annotations

import shlex
import sys

import click

from promptsync.commands.shared.branches import live_label
from promptsync.commands.shared.checks import writable
from promptsync.commands.shared.options import check_apart
from promptsync.commands.shared.session import Session, verb
from promptsync.errors import UsageError
from promptsync.prompt.bundle import Bundle, decode, encode
from promptsync.show import bundle as show
from promptsync.show.outcome import Outcome
from promptsync.terminal import output


@verb("bundle", blank=show.BLANK)
@click.option(
    "--label", metavar="LABEL", help="The release label (default: the one for this branch in labels:)."
)
@click.option("--from", "revision", metavar="REF", help="Bundle the files of a commit, without a registry.")
@click.option("-o", "--output", "file", metavar="FILE", help="Write to FILE (default: print the bundle).")
@click.option("--check", "checked", metavar="FILE", help="Exit with 3 if the bundle in FILE is out of date.")
def command(
    session: Session, label: str | None, revision: str | None, file: str | None, checked: str | None
) -> Outcome:
    """Write the prompts of a release to one file, which applications read while the registry is down.

    It has every prompt under the label, with its snippets and registry tools in place, its model and its
    variables. The file is the same as long as the release is the same.

    \b
    promptsync bundle --label prod -o prompts.json
    promptsync bundle --check prompts.json
    promptsync bundle --from HEAD -o prompts.json
    """
    from promptsync.bundle.build import bundle_of_commit, bundle_of_label, changes

    check_apart(("--label", label), ("--from", revision))
    check_apart(("-o", file), ("--check", checked))
    existing = None if checked is None else _existing(session, checked, label, revision)
    path = writable(session, "-o", file)
    with session.project() as project:
        if revision is not None:
            bundle, pinning = bundle_of_commit(project, revision)
            source = f"--from {shlex.quote(revision)}"
            for name in pinning:
                session.say(f"note: {output.name(name)} pins a snippet, which is bundled as in the commit")
        else:
            label = label or (existing.label if existing else live_label(session, project, None))
            if label is None:
                raise UsageError("no label for this branch in labels:", hint="promptsync bundle --label prod")
            bundle, source = bundle_of_label(project, label), f"--label {shlex.quote(label)}"
    if existing is not None and checked is not None:
        again = f"promptsync bundle {source} -o {shlex.quote(checked)}"
        return show.show_check(bundle, checked, changes(existing, bundle), again)
    text = encode(bundle).decode()
    if path is None or file is None:
        for note in show.advice(bundle, None):
            session.say(note)
        text = output.safe(text) if sys.stdout.isatty() else text
        return Outcome(text.rstrip("\n").split("\n"), show.bundle_body(bundle, None))
    from promptsync.files.disk import write

    write(path.parent, path.name, text)
    return Outcome([show.contents(bundle, file), *show.advice(bundle, file)], show.bundle_body(bundle, file))


def _existing(session: Session, file: str, label: str | None, revision: str | None) -> Bundle:
    """Return the bundle to check. Raises ``UsageError`` if it is none, or of another label or of a commit."""
    again, quoted = "promptsync bundle -o", shlex.quote(file)
    try:
        existing = decode((session.directory / file).read_bytes())
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}", hint=f"{again} {quoted}") from None
    except ValueError as error:
        raise UsageError(f"{file} {error}", hint=f"{again} {quoted}", code="bundle") from None
    if existing.label is None and revision is None:
        hint = f"promptsync bundle --from HEAD --check {quoted}"
        raise UsageError(f"{file} is the bundle of a commit, not of a label", hint=hint)
    if existing.label is not None and (revision is not None or label not in (None, existing.label)):
        hint = f"promptsync bundle --check {quoted}"
        raise UsageError(f"{file} is the bundle of the label {existing.label!r}", hint=hint)
    return existing
