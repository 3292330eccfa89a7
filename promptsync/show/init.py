"""What init did, and what to do next, as text and JSON."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

from promptsync.files.config import FILE_NAME, Config
from promptsync.files.yaml.layout import inline
from promptsync.registry.address import LOCAL
from promptsync.setup.import_registry import Imported
from promptsync.setup.init import EXAMPLE, VENDOR, Started
from promptsync.setup.scaffold import HOOKS, Scaffold, in_repository, remote_of
from promptsync.show.outcome import Outcome
from promptsync.terminal import output

Step = tuple[str, str]
"""A command to type next, and why."""

_FEW = 8
"""How many imported prompts are listed without ``-v``."""


def show_init(
    done: Started,
    imported: Imported | None,
    added: Scaffold | None,
    *,
    directory: str,
    quiet: bool,
    verbose: bool,
) -> Outcome:
    """Return what was done, and the next steps; ``directory`` is the value of -C."""
    created, changed, kept = list(done.created), list(done.changed), list(done.kept)
    if added is not None:
        created += [added.shown(path, done.root) for path in added.created]
        changed += [added.shown(path, done.root) for path in added.changed]
        kept += [added.shown(path, done.root) for path in added.kept]
    steps = _steps(done, imported, added, directory)
    body: dict[str, Any] = {
        "root": str(done.root),
        "created": created,
        "changed": changed,
        "kept": kept,
        "next": [{"do": what, "why": why} for what, why in steps],
    }
    if added is not None:
        body["package"] = added.target.package
    meanings = (("created", "good", created), ("changed", "good", changed), ("kept", "faint", kept))
    lines = output.table(
        (output.style(word, meaning), output.name(path))
        for word, meaning, paths in meanings
        for path in paths
    )
    error = None
    if imported is not None:
        lines += ["", *_imported_lines(imported, verbose)]
        body |= _imported_body(imported)
        error = imported.error
    if not quiet and error is None:
        lines += ["", *_step_lines(steps), *_settings(added)]
    return Outcome(lines, body, error=error)


def _imported_lines(done: Imported, verbose: bool) -> list[str]:
    plan, written = done.plan, done.receipt.written
    lines: list[str] = []
    if verbose or len(written) <= _FEW:
        rows = ((output.name(one.name), f"v{one.version}", output.safe(one.path)) for one in written)
        lines = output.table((f"  {output.style('new', 'remote')}", *row) for row in rows)
    include = " ".join(shlex.quote(one) for one in done.started.config.include)
    where = f"{output.safe(done.url)} (include: {output.name(include)})"
    what = f"{output.count(len(written), 'prompt')} imported" if written else "nothing new to import"
    lines.append(f"{what} from {where}")
    label = output.name(done.label or "")
    if plan.present:
        lines.append(f"  {len(plan.present)} kept, because they have a file already")
    if plan.newer:
        lines.append(f"  {len(plan.newer)} with a version newer than {label}: behind until you pull")
    if plan.unlabelled:
        lines.append(f"  {len(plan.unlabelled)} without {label}: skipped, promptsync pull imports them")
    if plan.not_included:
        lines.append(f"  {plan.not_included} not matched by include:")
    return lines


def _imported_body(done: Imported) -> dict[str, Any]:
    plan = done.plan
    return {
        "include": list(done.started.config.include),
        "imported": [
            {"name": one.name, "path": one.path, "version": one.version} for one in done.receipt.written
        ],
        "present": [item.name for item in plan.present],
        "conflicts": [item.name for item in plan.apart],
        "newer": list(plan.newer),
        "unlabelled": list(plan.unlabelled),
        "not_included": plan.not_included,
    }


# -- next steps ----------------------------------------------------------------------------------------------


def _step_lines(steps: Sequence[Step]) -> list[str]:
    width = len(str(len(steps)))
    numbered = (f"  {number:>{width}}. {what}" for number, (what, _) in enumerate(steps, 1))
    return ["Next:", *map(output.safe, numbered)] if steps else []


def _settings(added: Scaffold | None) -> list[str]:
    """Return what to set on GitHub, for which there is no short command."""
    if added is None or not _has_workflows(added):
        return []
    branches = " and ".join(map(output.name, added.target.branches))
    return ["", f"On GitHub (Settings > Branches), protect {branches} and require the check named check."]


def _steps(done: Started, imported: Imported | None, added: Scaffold | None, directory: str) -> list[Step]:
    """Return the commands in the order of doing: try, configure, commit, publish, set up GitHub, push."""
    promptsync = shlex.join(["promptsync", *(["-C", directory] if directory else [])])
    steps: list[Step] = []
    publish: list[Step] = []
    if imported is not None:
        remote, plan = imported.remote, imported.plan
        choice = "" if remote == done.config.default_remote else f" --remote {shlex.quote(remote)}"
        differs = plan.newer or plan.unlabelled
        why = "what is newer than the label" if differs else "nothing differs"
        steps.append((f"{promptsync} status{choice}", why))
    elif added is None or FILE_NAME in done.created:
        steps += _first(done, promptsync)
        publish = _publish(done, promptsync)
    if added is not None:
        steps += _configure(done.config, added, directory)
    commits = bool(
        (done.created or done.changed)
        or (imported is not None and imported.receipt.written)
        or (added is not None and (added.created or added.changed))
    )
    if commits:
        steps += _commit(done, imported, added, directory)
    steps += publish
    if added is not None:
        creates = commits and _has_workflows(added) and not added.target.has_origin
        if creates:
            top = os.path.normpath(
                PurePosixPath(directory) / os.path.relpath(added.target.top, done.root.resolve())
            )
            create = shlex.join(["gh", "repo", "create", "--private", "--source", top, "--remote", "origin"])
            steps.append((create, "creates the repository on GitHub, and names it origin"))
        steps += _accounts(added)
        if creates or (commits and added.target.has_origin):
            steps.append((_git(directory, "push", "-u", "origin", "HEAD"), "starts the workflows"))
    return steps


def _first(done: Started, promptsync: str) -> list[Step]:
    if not _is_local(done.config):
        url = done.config.remotes[done.config.default_remote].url
        return [
            ("export PROMPTLAYER_API_KEY=…", f"the key for {output.name(url)}"),
            (f"{promptsync} ls-remote", "list the prompts in the registry"),
            (f"{promptsync} pull", "write them to files"),
        ]
    lint = (f"{promptsync} lint", "check the files, offline")
    if f"{done.config.prompts}/{EXAMPLE}" in done.created:
        return [lint, (f"{promptsync} render hello --example 1", "show what a model would see")]
    return [lint, (f"{promptsync} status", "show what changed on either side")]


def _publish(done: Started, promptsync: str) -> list[Step]:
    """Return the push to the embedded registry. It follows the commit, whose subject it publishes."""
    if not _is_local(done.config):
        return []
    return [(f"{promptsync} push", "publish to the embedded registry")]


def _is_local(config: Config) -> bool:
    remote = config.remotes.get(config.default_remote)
    return remote is None or remote.url.startswith(LOCAL)


def _configure(config: Config, added: Scaffold, directory: str) -> list[Step]:
    """Return the commands that add to promptsync.yaml what workflows need."""
    if not _has_workflows(added):
        return []
    path = shlex.quote(str(PurePosixPath(directory) / FILE_NAME))
    text = config.path.read_text("utf-8")
    steps: list[Step] = []
    if remote_of(config) is None:
        why = "an embedded registry is empty in each run of a workflow"
        uncomment = f"perl -pi -e 's/# (production:)/$1/' {path}"
        variable = f"gh variable set PROMPTSYNC_REMOTE --body {VENDOR}"
        steps.append((uncomment if f"# production: {{url: {VENDOR}}}" in text else variable, why))
    if not config.labels:
        (branch,) = added.target.branches
        line = shlex.quote(f"labels: {{{inline(branch)}: prod}}")
        # A line cannot be added behind one that does not end.
        add = f"echo {line}" if text.endswith("\n") else f"printf '\\n%s\\n' {line}"
        steps.append((f"{add} >> {path}", f"the label that a deploy of {output.name(branch)} moves"))
    return steps


def _commit(done: Started, imported: Imported | None, added: Scaffold | None, directory: str) -> list[Step]:
    """Return the commands that commit the new files."""
    paths = [FILE_NAME, ".gitignore"]
    is_example = f"{done.config.prompts}/{EXAMPLE}" in done.created
    message = "Add a first prompt" if is_example else "Keep prompts with promptsync"
    pulls = FILE_NAME in done.created and not _is_local(done.config)
    # git refuses to add a directory without files.
    if pulls or any(path.is_file() for path in done.config.prompts_path.rglob("*")):
        paths.append(done.config.prompts)
    if imported is not None and imported.receipt.written:
        message = f"Import {output.count(len(imported.receipt.written), 'prompt')} from the registry"
    if added is not None:
        paths += [added.shown(path, done.root) for path in (*added.created, *added.changed)]
        message = message if imported is not None else "Check and deploy prompts with promptsync"
    first = [] if in_repository(done.root) else [(_git(directory, "init"), "to keep a history")]
    return [
        *first,
        (_git(directory, "add", *paths), "stage the new files"),
        (_git(directory, "commit", "-m", message), "commit them"),
    ]


def _accounts(added: Scaffold) -> list[Step]:
    """Return what to set up on GitHub and in the clone."""
    steps: list[Step] = []
    if _has_workflows(added):
        allow = "gh api -X PUT 'repos/{owner}/{repo}/actions/permissions/workflow'"
        steps = [
            ("gh secret set PROMPTLAYER_API_KEY", "the key for the workflows, stored by GitHub"),
            (
                f"{allow} -F can_approve_pull_request_reviews=true",
                "lets the drift workflow open pull requests",
            ),
        ]
    if HOOKS in added.paths:
        steps += [
            ("pre-commit install", "in each clone: lint runs at every commit"),
            ("pre-commit install --hook-type pre-push", "only if drift should stop a push, too"),
        ]
    return steps


def _has_workflows(added: Scaffold) -> bool:
    return any(path != HOOKS for path in added.paths)


def _git(directory: str, *arguments: str) -> str:
    return shlex.join(["git", *(["-C", directory] if directory else []), *arguments])
