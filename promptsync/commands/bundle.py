"""``promptsync bundle``: the prompts of a release in one file, for the day that the registry is down."""

from __future__ import annotations

import shlex
import sys

import click

from promptsync.commands.shared.checks import writable
from promptsync.commands.shared.ci import live_label
from promptsync.commands.shared.options import check_apart
from promptsync.commands.shared.session import Session, verb
from promptsync.errors import UsageError
from promptsync.prompt.bundle import Bundle, decode, encode
from promptsync.show.bundle import BLANK, show_bundle, show_check
from promptsync.show.outcome import Outcome
from promptsync.terminal import output


@verb("bundle", blank=BLANK)
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
    variables. The file is the same as long as the release is the same. A commit has no versions, so a pinned
    snippet is bundled as in the commit.

    \b
    promptsync bundle --label prod -o prompts.json
    promptsync bundle --check prompts.json
    promptsync bundle --from HEAD -o prompts.json
    """
    from promptsync.bundle.build import bundle_of_commit, bundle_of_label
    from promptsync.files.disk import write

    check_apart(("--label", label), ("--from", revision), ("--check", checked))
    check_apart(("-o", file), ("--check", checked))
    existing = None if checked is None else read_bundle(session, checked)
    if existing is not None:
        label, revision = existing.label, None if existing.label else "HEAD"
    path = writable(session, "-o", file)
    with session.project() as project:
        if revision is not None:
            bundle = bundle_of_commit(project, revision)
        elif label := live_label(session, project, label):
            bundle = bundle_of_label(project, label)
        else:
            raise UsageError("no label to bundle", hint="promptsync bundle --label LABEL")
    if existing is not None and checked is not None:
        return show_check(existing, bundle, checked)
    text, outcome = encode(bundle).decode(), show_bundle(bundle, file)
    if path is not None:
        write(path.parent, path.name, text)
        return outcome
    text = output.safe(text) if sys.stdout.isatty() else text
    return outcome.replaced(lines=text.rstrip("\n").split("\n"))


def read_bundle(session: Session, file: str) -> Bundle:
    """Return the bundle in a file. Raises ``UsageError`` if it is none."""
    try:
        return decode((session.directory / file).read_bytes())
    except OSError as error:
        again = f"promptsync bundle -o {shlex.quote(file)}"
        raise UsageError(f"{file} cannot be read: {error.strerror}", hint=again) from None
    except ValueError as error:
        raise UsageError(f"{file} {error}", hint="promptsync help bundle", code="bundle") from None
