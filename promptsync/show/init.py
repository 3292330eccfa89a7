"""What init did, and what to do next, as text and JSON."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

from promptsync.files.config import FILE_NAME, Config
from promptsync.registry.address import LOCAL
from promptsync.setup.import_registry import Imported
from promptsync.setup.init import EXAMPLE, VENDOR, Started
from promptsync.setup.scaffold import HOOKS, REPOSITORY, Scaffold, in_repository, remote_of
from promptsync.show.outcome import Outcome
from promptsync.terminal import output

Step = tuple[str, str]
"""What to type or do next, and why."""

_LONG = 60
"""Length of a command that would push the reasons of the others out of sight."""

_FEW = 8
"""How many imported prompts are listed without ``-v``."""


def show_init(
    done: Started,
    imported: Imported | None,
    added: Scaffold | None,
    *,
    git_directory: str,
    quiet: bool,
    verbose: bool,
) -> Outcome:
    """Return what was done, and the next steps; ``git_directory`` is where to run git, if given."""
    created, kept = list(done.created), list(done.kept)
    if added is not None:
        created += [added.shown(path, done.root) for path in added.created]
        kept += [added.shown(path, done.root) for path in added.kept]
    steps = _steps(done, imported, added, git_directory)
    body: dict[str, Any] = {
        "root": str(done.root),
        "created": created,
        "changed": list(done.changed),
        "kept": kept,
        "next": [{"do": what, "why": why} for what, why in steps],
    }
    meanings = (("created", "good", created), ("changed", "good", done.changed), ("kept", "faint", kept))
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
        lines += ["", *_step_lines(steps)]
    return Outcome(lines, body, error.exit_code if error is not None else 0, error)


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
    """Return steps as lines; a text to insert follows the others."""
    explained = output.table(one for one in steps if one[1] and len(one[0]) <= _LONG)
    explained += [f"{what}  {why}" for what, why in steps if why and len(what) > _LONG]
    plain = [what for what, why in steps if not why and "\n" not in what]
    texts = [line for what, _ in steps if "\n" in what for line in ("", *what.splitlines())]
    return ["Next:", *(f"  {line}" for line in (*explained, *plain)), *texts]


def _steps(
    done: Started, imported: Imported | None, added: Scaffold | None, git_directory: str
) -> list[Step]:
    steps: list[Step] = []
    if imported is not None:
        remote, plan = imported.remote, imported.plan
        choice = "" if remote == done.config.default_remote else f" --remote {shlex.quote(remote)}"
        differs = plan.newer or plan.unlabelled
        why = "what is newer than the label" if differs else "nothing differs"
        steps.append((f"promptsync status{choice}", why))
    elif added is None or FILE_NAME in done.created:
        steps += _first(done)
    if added is not None:
        steps += _scaffold(done.config, added)
    is_new = bool(done.created or done.changed or (imported is not None and imported.receipt.written))
    if (imported is not None and is_new) or (added is not None and (is_new or added.created)):
        steps += _commit(done, imported, added, git_directory)
    return steps


def _first(done: Started) -> list[Step]:
    remote = done.config.remotes.get(done.config.default_remote)
    if remote is not None and not remote.url.startswith(LOCAL):
        return [
            ("export PROMPTLAYER_API_KEY=…", f"the key for {output.name(remote.url)}"),
            ("promptsync ls-remote", "list the prompts in the registry"),
            ("promptsync pull", "write them to files"),
        ]
    if f"{done.config.prompts}/{EXAMPLE}" in done.created:
        return [
            ("promptsync lint", "check the files, offline"),
            ("promptsync render hello --example 1", "show what a model would see"),
            ("promptsync push", "publish to the embedded registry"),
        ]
    return [
        ("promptsync lint", "check the files, offline"),
        ("promptsync status", "show what changed on either side"),
        ("promptsync push", "publish what is new"),
    ]


def _commit(
    done: Started, imported: Imported | None, added: Scaffold | None, git_directory: str
) -> list[Step]:
    """Return the commands that commit the new files."""
    paths = [FILE_NAME, ".gitignore"]
    message = "Keep prompts with promptsync"
    if imported is not None or f"{done.config.prompts}/{EXAMPLE}" in done.created:
        paths.append(done.config.prompts)
    if imported is not None and imported.receipt.written:
        message = f"Import {output.count(len(imported.receipt.written), 'prompt')} from the registry"
    if added is not None:
        paths += [added.shown(path, done.root) for path in added.created]
        message = message if imported is not None else "Check and deploy prompts with promptsync"
    git = shlex.join(["git", *(["-C", git_directory] if git_directory else [])])
    first = [] if in_repository(done.root) else [(f"{git} init", "to keep a history")]
    return [
        *first,
        (f"{git} add {shlex.join(paths)}", ""),
        (f"{git} commit -m {shlex.quote(message)}", ""),
    ]


def _scaffold(config: Config, added: Scaffold) -> list[Step]:
    """Return what a repository needs besides the workflows and hooks."""
    paths = (*added.created, *added.kept)
    steps: list[Step] = []
    for path, other in added.others.items():
        if path != HOOKS:
            command = shlex.join(["diff", str(added.top / path), str(other)])
            steps.append((output.name(command), "an existing file that differs from the new one was kept"))
    if any(path != HOOKS for path in paths):
        steps += _github(config, added.branch)
    if HOOKS in paths:
        steps += _hooks(added)
    return steps


def _github(config: Config, branch: str) -> list[Step]:
    steps: list[Step] = []
    if remote_of(config) is None:
        line = f"remotes: {{production: {{url: {VENDOR}}}}} in {FILE_NAME}"
        steps.append((line, "an embedded registry is empty in each run of a workflow"))
    if not config.labels:
        line = f"labels: {{{branch}: prod}} in {FILE_NAME}"
        steps.append((line, f"the label that a deploy of {branch} moves"))
    return [
        *steps,
        ("gh secret set PROMPTLAYER_API_KEY", "the key for the workflows, stored by GitHub"),
        ("Settings > Branches on GitHub", f"protect {branch}, and require the status check named check"),
        ("Settings > Actions > General", "allow GitHub Actions to create pull requests, for drift"),
        ("the first lines of drift.yml", "which token lets checks run on its pull requests"),
    ]


def _hooks(added: Scaffold) -> list[Step]:
    steps: list[Step] = []
    if HOOKS in added.kept and not added.mentions(HOOKS, "promptsync-lint"):
        steps.append((f"Add to {HOOKS}, which was kept:\n{added.hooks}", ""))
    if added.commit is None:
        update = f"pre-commit autoupdate --bleeding-edge --repo {REPOSITORY}"
        steps.append((update, "pins these hooks to the newest commit"))
    return [
        *steps,
        ("pre-commit install", "in each clone: lint runs at every commit"),
        ("pre-commit install --hook-type pre-push", "only if drift should stop a push, too"),
    ]
