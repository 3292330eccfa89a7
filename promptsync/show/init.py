"""What init did, and what to do next, as text and JSON."""

from __future__ import annotations

import os
import shlex
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

_FEW = 8
"""How many imported prompts are listed without ``-v``."""


def show_init(
    started: Started,
    imported: Imported | None,
    added: Scaffold | None,
    *,
    directory: str,
    quiet: bool,
    verbose: bool,
) -> Outcome:
    """Return what was done, and the next steps; ``directory`` is the value of -C."""
    paths = {}
    for word in ("created", "changed", "kept"):
        here = getattr(added, word) if added is not None else ()
        shown = [added.shown(path, started.root) for path in here] if added is not None else []
        paths[word] = [*getattr(started, word), *shown]
    steps = _steps(started, imported, added, directory)
    body: dict[str, Any] = {"root": str(started.root), **paths, "next": [{"do": step} for step in steps]}
    if added is not None:
        body["package"] = added.target.package
    lines = output.table(
        (output.style(word, "faint" if word == "kept" else "good"), output.name(path))
        for word in paths
        for path in paths[word]
    )
    error = None
    if imported is not None:
        lines += ["", *_imported_lines(imported, verbose)]
        body |= _imported_body(imported)
        error = imported.error
    if not quiet and error is None:
        width = len(str(len(steps)))
        numbered = (output.safe(f"  {number:>{width}}. {step}") for number, step in enumerate(steps, 1))
        lines += ["", *(["Next:", *numbered] if steps else [])]
        if added is not None and added.has_workflows:
            branches = " and ".join(map(output.name, added.target.branches))
            protect = f"protect {branches} and require the check named check."
            lines += ["", f"On GitHub (Settings > Branches), {protect}"]
    return Outcome(lines, body, error=error)


def _imported_lines(imported: Imported, verbose: bool) -> list[str]:
    plan, written = imported.plan, imported.written
    lines: list[str] = []
    if verbose or len(written) <= _FEW:
        rows = ((output.name(file.name), f"v{file.version}", output.safe(file.path)) for file in written)
        lines = output.table((f"  {output.style('new', 'remote')}", *row) for row in rows)
    include = " ".join(map(shlex.quote, imported.started.config.include))
    what = f"{output.count(len(written), 'prompt')} imported" if written else "nothing new to import"
    lines.append(f"{what} from {output.safe(imported.url)} (include: {output.name(include)})")
    if plan.present:
        lines.append(f"  {len(plan.present)} kept, because they have a file already")
    if plan.not_included:
        lines.append(f"  {plan.not_included} not matched by include:")
    return lines


def _imported_body(imported: Imported) -> dict[str, Any]:
    plan = imported.plan
    return {
        "include": list(imported.started.config.include),
        "imported": [
            {"name": file.name, "path": file.path, "version": file.version} for file in imported.written
        ],
        "present": [item.name for item in plan.present],
        "conflicts": [item.name for item in plan.apart],
        "not_included": plan.not_included,
    }


def _steps(started: Started, imported: Imported | None, added: Scaffold | None, directory: str) -> list[str]:
    """Return the commands in the order of doing: try, configure, commit, publish, set up GitHub, push."""
    promptsync = shlex.join(["promptsync", *(["-C", directory] if directory else [])])
    steps: list[str] = []
    publish: list[str] = []
    if imported is not None:
        is_default = imported.remote == started.config.default_remote
        choice = "" if is_default else f" --remote {shlex.quote(imported.remote)}"
        steps.append(f"{promptsync} status{choice}")
    elif added is None or FILE_NAME in started.created:
        steps += _first(started, promptsync)
        # It follows the commit, whose subject it publishes.
        publish = [f"{promptsync} push"] if _is_local(started.config) else []
    if added is not None and added.has_workflows:
        steps += _configure(started.config, added, directory)
    is_written = (imported is not None and imported.written) or (added and added.is_written)
    commits = bool(started.created or started.changed or is_written)
    if commits:
        steps += _commit(started, imported, added, directory)
    steps += publish
    if added is not None:
        creates = commits and added.has_workflows and not added.target.has_origin
        if creates:
            top = os.path.relpath(added.target.top, started.root.resolve())
            top = os.path.normpath(PurePosixPath(directory) / top)
            command = ["gh", "repo", "create", "--private", "--source", top, "--remote", "origin"]
            steps.append(shlex.join(command))
        steps += _accounts(added)
        if creates or (commits and added.target.has_origin):
            steps.append(_git(directory, "push", "-u", "origin", "HEAD"))
    return steps


def _first(started: Started, promptsync: str) -> list[str]:
    if not _is_local(started.config):
        return ["export PROMPTLAYER_API_KEY=…", f"{promptsync} ls-remote", f"{promptsync} pull"]
    has_example = f"{started.config.prompts}/{EXAMPLE}" in started.created
    second = "render hello --example 1" if has_example else "status"
    return [f"{promptsync} lint", f"{promptsync} {second}"]


def _is_local(config: Config) -> bool:
    remote = config.remotes.get(config.default_remote)
    return remote is None or remote.url.startswith(LOCAL)


def _configure(config: Config, added: Scaffold, directory: str) -> list[str]:
    """Return the commands that add to promptsync.yaml what workflows need: a remote and a label."""
    path = shlex.quote(str(PurePosixPath(directory) / FILE_NAME))
    text = config.path.read_text("utf-8")
    steps: list[str] = []
    if remote_of(config) is None:
        # An embedded registry is empty in each run of a workflow.
        uncomment = f"perl -pi -e 's/# (production:)/$1/' {path}"
        variable = f"gh variable set PROMPTSYNC_REMOTE --body {VENDOR}"
        steps.append(uncomment if f"# production: {{url: {VENDOR}}}" in text else variable)
    if not config.labels:
        (branch,) = added.target.branches
        line = shlex.quote(f"labels: {{{inline(branch)}: prod}}")
        # A line cannot be added behind one that does not end.
        add = f"echo {line}" if text.endswith("\n") else f"printf '\\n%s\\n' {line}"
        steps.append(f"{add} >> {path}")
    return steps


def _commit(started: Started, imported: Imported | None, added: Scaffold | None, directory: str) -> list[str]:
    """Return the commands that commit the new files."""
    paths = [FILE_NAME, ".gitignore"]
    is_example = f"{started.config.prompts}/{EXAMPLE}" in started.created
    message = "Add a first prompt" if is_example else "Keep prompts with promptsync"
    pulls = FILE_NAME in started.created and not _is_local(started.config)
    # git refuses to add a directory without files.
    if pulls or any(path.is_file() for path in started.config.prompts_path.rglob("*")):
        paths.append(started.config.prompts)
    if imported is not None and imported.written:
        message = f"Import {output.count(len(imported.written), 'prompt')} from the registry"
    if added is not None:
        paths += [added.shown(path, started.root) for path in (*added.created, *added.changed)]
        message = message if imported is not None else "Check and deploy prompts with promptsync"
    first = [] if in_repository(started.root) else [_git(directory, "init")]
    return [*first, _git(directory, "add", *paths), _git(directory, "commit", "-m", message)]


def _accounts(added: Scaffold) -> list[str]:
    """Return what to set up on GitHub and in the clone."""
    steps: list[str] = []
    if added.has_workflows:
        allow = "gh api -X PUT 'repos/{owner}/{repo}/actions/permissions/workflow'"
        steps = [
            "gh secret set PROMPTLAYER_API_KEY",
            f"{allow} -F can_approve_pull_request_reviews=true",  # for the drift workflow
        ]
    if HOOKS in added.paths:
        steps += ["pre-commit install", "pre-commit install --hook-type pre-push"]
    return steps


def _git(directory: str, *arguments: str) -> str:
    return shlex.join(["git", *(["-C", directory] if directory else []), *arguments])
