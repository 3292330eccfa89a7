"""``promptsync bundle``: the prompts of a release in one file, for the day that the registry is down."""

from __future__ import annotations

import shlex
import sys
from typing import Any

from promptsync.bundle.build import bundle_of_commit, bundle_of_label
from promptsync.commands.shared.ci import live_label
from promptsync.commands.shared.groups import option
from promptsync.commands.shared.options import check_apart, read_bundle, release_label_option, writable
from promptsync.commands.shared.session import Session, verb
from promptsync.errors import UsageError
from promptsync.files.disk import write
from promptsync.prompt.bundle import Bundle, encode, outdated
from promptsync.show.outcome import Outcome, Row, body, row_lines
from promptsync.terminal import output


@verb("bundle")
@release_label_option
@option("--from revision", "REF", "Bundle the files of a commit, without a registry.")
@option("-o --output file", "FILE", "Write to FILE (default: print the bundle).")
@option("--check checked", "FILE", "Exit with 3 if the bundle in FILE is out of date, or was edited.")
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


def show_bundle(bundle: Bundle, file: str | None) -> Outcome:
    """Return what a new bundle has, and how an application reads it; the bundle itself is in its file."""
    prompts: list[dict[str, Any]] = [
        {"name": name, "version": prompt.version, "digest": prompt.digest, "renders": prompt.renders}
        for name, prompt in sorted(bundle.prompts.items())
    ]
    known = {**body(bundle, "label commit"), "file": file, "prompts": prompts, "changes": []}
    if file is None:
        return Outcome(body=known)
    shown, source = output.name(file), f"under {bundle.label}" if bundle.label else "of the commit"
    serve = f"promptsync serve --bundle {shlex.quote(shown)}"
    lines = [
        f"{shown}: {output.count(len(prompts), 'prompt')} {source}",
        output.aside(f'next: {serve}, or in Python: promptsync.runtime.Prompts(client, bundle="{shown}")'),
    ]
    if names := [output.name(prompt["name"]) for prompt in prompts if prompt["renders"] == "registry"]:
        what = f"note: only serve renders {', '.join(names[:3])}{', …' if names[3:] else ''}"
        lines.append(output.aside(f"{what}; the SDKs cannot do it locally"))
    return Outcome(lines, known)


def show_check(old: Bundle, new: Bundle, file: str) -> Outcome:
    """Return what moved since a bundle was made."""
    changes: list[dict[str, Any]] = []
    rows = []
    for name in sorted({*old.prompts, *new.prompts}):
        before, after = old.prompts.get(name), new.prompts.get(name)
        if before and after and (before.version, before.digest) == (after.version, after.digest):
            continue
        what = "added" if before is None else "removed" if after is None else "changed"
        versions = [prompt.version if prompt is not None else None for prompt in (before, after)]
        changes.append({"name": name, "what": what, "old": versions[0], "new": versions[1]})
        numbers = dict.fromkeys(f"v{version}" for version in versions if version is not None)
        rows.append(Row(what, "warn", name, (" -> ".join(numbers),)))
    outcome = show_bundle(new, file)
    if not changes:
        return outcome.replaced(lines=[f"{outcome.lines[0]}, up to date"])
    error = outdated(file, f"is out of date: {output.count(len(changes), 'prompt')} changed", new.label)
    return Outcome(row_lines(rows), {**outcome.body, "changes": changes}, error=error)
