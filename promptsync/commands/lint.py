"""``promptsync lint``: reads prompt files and passes them to the rules. Needs neither the network nor git."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import click
from msgspec.structs import replace

from promptsync.commands.shared.groups import flag
from promptsync.commands.shared.options import format_option
from promptsync.commands.shared.session import Session, verb
from promptsync.errors import UsageError
from promptsync.files.config import FILE_NAME, Config, InvalidConfig, find, load
from promptsync.files.evaluation import FOLDER, scan_evaluations, unread_evaluations
from promptsync.files.prompt_file import Worktree, scan
from promptsync.files.schema import suggestion
from promptsync.files.yaml import load as yaml_load
from promptsync.lint.check import check, check_evaluation
from promptsync.lint.rules import RULES, KnownPrompts
from promptsync.prompt.evaluation import EvaluationFile
from promptsync.prompt.names import SUFFIXES
from promptsync.prompt.prompt import Problem
from promptsync.show.outcome import Outcome, bodies
from promptsync.terminal import output

Checked = tuple[list[Problem], int]
"""The problems, whose paths are absolute, and how many files were checked."""

_BETWEEN_FILES: Final = frozenset({"name-duplicate", "path-twin"})
_HOOK: Final = "if a pre-commit hook passed the path, narrow files: in .pre-commit-config.yaml"


@verb("lint")
@click.argument("files", nargs=-1, metavar="[FILE]...", type=click.Path(path_type=Path))
@format_option("github")
@flag("--strict", "Exit with 1 for warnings, too.")
@flag("--deleted", "Also find references to missing snippets in all files that git tracks.")
@flag("--rules", "List the rules instead.")
def command(session: Session, files: tuple[Path, ...], strict: bool, deleted: bool, rules: bool) -> Outcome:
    """Check FILEs, or all prompt and evaluation files. Needs no network and no key.

    Exits with 1 if there are errors. Hooks pass the files of a commit and --deleted: a commit that deletes or
    renames a snippet leaves the files that refer to it as they are.

    \b
    promptsync lint
    promptsync lint prompts/support/refund.yaml --strict
    promptsync lint --format github
    """
    if rules:
        known = RULES.values()
        table = [(one.id, output.style(one.severity, _MEANINGS[one.severity]), one.summary) for one in known]
        return Outcome(output.table(table), {"problems": [], "rules": bodies(known, "id severity summary")})
    found, files_checked = lint(session.directory, files, deleted=deleted)
    problems = _relative(found, session.directory)
    if session.form == "github":
        # Paths in annotations are relative to the checkout of the workflow, if it is above.
        workspace, directory = session.variable("GITHUB_WORKSPACE"), session.directory
        is_below = workspace and directory.is_relative_to(workspace)
        lines = github(_relative(found, Path(workspace or "") if is_below else directory))
    else:
        lines = _text(problems)
    numbers = Counter(problem.severity for problem in problems)
    counts = " and ".join(output.count(numbers[kind], kind) for kind in _MEANINGS if numbers[kind])
    what = f"{output.count(files_checked, 'file')} checked, {counts or 'no problems'}"
    body = {"problems": bodies(problems, "path line column rule severity message hint")}
    failed = numbers["error"] or (strict and numbers["warning"])
    return Outcome([*lines, output.aside(what)], body, 1 if failed else 0)


def lint(directory: Path, files: Sequence[Path] = (), *, deleted: bool = False) -> Checked:
    """Check these files, or the prompt files below these directories; without any, the whole working copy.

    Paths are absolute or relative to ``directory``. Each file belongs to the nearest promptsync.yaml above
    it, so several working copies can be checked at once, also from outside. References may name any prompt.
    ``deleted`` looks for references to missing snippets in all files that git tracks.
    """
    if not files and not deleted:
        return _check(_configuration(directory), None)
    groups: dict[Path, set[Path]] = {}
    for path in files:
        absolute = Path(os.path.abspath(directory / path))  # noqa: PTH100 -- resolve() would follow links
        if not absolute.exists():
            hint = "pass paths of prompt files, not names of prompts"
            raise UsageError(f"{path} does not exist", hint=hint)
        groups.setdefault(_configuration(absolute.parent), set()).add(absolute)
    if deleted:
        for shown in _tracked(directory, f":(top,glob)**/{FILE_NAME}"):
            groups.setdefault(Path(os.path.abspath(directory / shown)), set())  # noqa: PTH100 -- as above
    checks = [_check(path, selected, deleted) for path, selected in groups.items()]
    problems = sorted(problem for found, _ in checks for problem in found)
    return problems, sum(number for _, number in checks)


def _relative(problems: Sequence[Problem], directory: Path) -> list[Problem]:
    return [replace(one, path=Path(os.path.relpath(one.path, directory)).as_posix()) for one in problems]


def _configuration(directory: Path) -> Path:
    path = find(directory)
    if path is None:
        raise UsageError(
            f"no {FILE_NAME} in {directory} or any directory above it", hint=f"promptsync init\n{_HOOK}"
        )
    return path


def _tracked(root: Path, pathspec: str) -> set[str]:
    """Return the files that git tracks and a pathspec matches, relative to ``root``; none outside of git."""
    # Imported only here, because nothing else of lint needs git.
    from promptsync.files.git.repository import Repository

    repository = Repository.find(root, ".")
    return {*repository.listed(pathspec)} if repository is not None else set()


def _check(path: Path, selected: set[Path] | None, deleted: bool = False) -> Checked:
    try:
        config = load(path)
    except InvalidConfig as error:
        if selected == set():
            return [], 0  # it is another working copy, and no part of the commit
        # Without a configuration it is unknown where the prompt files are.
        return [replace(problem, path=str(path), rule="config") for problem in error.problems], 1
    worktree = scan(config.root, config.prompts)
    paths = _selected(config, selected, worktree) if selected is not None else {*worktree.paths}
    others = _tracked(config.root, config.prompts) if deleted else set()
    problems = [*worktree.problems, *_of_prompts(config, worktree, paths | others)]
    if selected is not None:
        problems = [
            problem
            for problem in problems
            if problem.path in paths
            or problem.rule in _BETWEEN_FILES
            or (problem.rule == "snippet-missing" and problem.path in others)
        ]
    if selected is None or path in selected:
        problems += _of_config(config, worktree)
    files = len(paths)
    if selected is None or any(place.is_relative_to(config.root / FOLDER) for place in selected):
        evaluations, broken = scan_evaluations(config.root)
        problems += [*broken, *_of_evaluations(config, worktree, evaluations)]
        problems += unread_evaluations(config.root)
        files += len(evaluations) + len({problem.path for problem in broken})
    return sorted(replace(problem, path=str(config.root / problem.path)) for problem in problems), files


def _selected(config: Config, selected: set[Path], worktree: Worktree) -> set[str]:
    """Return the selected prompt files as paths below the root. Raises UsageError for any other file."""
    known = set(worktree.paths) | {problem.path for problem in worktree.problems}
    paths: set[str] = set()
    for path in sorted(selected - {config.path}):
        shown = path.relative_to(config.root).as_posix()
        if path.is_relative_to(config.root / FOLDER):
            continue  # all evaluation files are checked together
        if not path.is_relative_to(config.prompts_path):
            hint = f"move it there, or change prompts: in {config.path}\n{_HOOK}"
            raise UsageError(f"{shown} is outside the prompts directory {config.prompts}/", hint=hint)
        if path.is_dir():
            paths |= {below for below in known if (config.root / below).is_relative_to(path)}
        elif shown in known:
            paths.add(shown)
        elif not shown.endswith(SUFFIXES):
            raise UsageError(f"{shown} is not a prompt file; the suffix of prompt files is {SUFFIXES[0]}")
    return paths


def _of_prompts(config: Config, worktree: Worktree, paths: set[str]) -> Iterator[Problem]:
    files = worktree.files
    checked = [file for file in files.values() if file.path in paths]
    names = {file.prompt.name for file in checked}
    known = KnownPrompts(
        {name: file.prompt.template for name, file in files.items() if name not in names},
        in_scope=config.in_scope,
        unreadable=frozenset(worktree.broken.values()),
    )
    yield from check(checked, known, worktree.problems)
    for file in checked:
        if not config.in_scope(file.prompt.name):
            message = f"include: does not match {file.prompt.name!r}, so the prompt is never published."
            hint = f"Rename the prompt, or add a pattern to include: in {FILE_NAME}."
            yield Problem(file.path, *file.position(("name",)), "not-included", message, "warning", hint)


def _of_evaluations(config: Config, worktree: Worktree, files: Sequence[EvaluationFile]) -> Iterator[Problem]:
    tables: dict[str, list[str]] = {}
    for entry in config.checks:
        tables.setdefault(entry.get("table", ""), []).append(entry["match"])
    for name, prompt in worktree.files.items():
        for evaluation in prompt.local.evaluations:
            tables.setdefault(evaluation, []).append(name)
    prompts, names = worktree.files, {*worktree.files, *worktree.broken.values()}
    for file in files:
        for rule, keypath, message, hint in check_evaluation(file, prompts, names, tables.get(file.name)):
            place = yaml_load.position(file.text, keypath)
            yield Problem(file.path, *place, rule, message, RULES[rule].severity, hint)


def _of_config(config: Config, worktree: Worktree) -> Iterator[Problem]:
    """Yield the problems of a valid configuration that does not match the files."""
    loaded = yaml_load.load(config.path.read_bytes(), FILE_NAME)
    if not worktree.paths and not worktree.problems:
        place = yaml_load.position(loaded.text, ("prompts",))
        message = f"There are no prompt files in {config.prompts}/, so nothing was checked."
        yield Problem(FILE_NAME, *place, "no-prompts", message, "warning", "Check the path in prompts:.")
    for remote in config.remotes.values():
        if remote.fixtures and not (config.root / remote.fixtures).is_file():
            place = yaml_load.position(loaded.text, ("remotes", remote.name, "fixtures"))
            message = f"The fixtures file of the remote {remote.name!r} does not exist: {remote.fixtures}."
            hint = suggestion(remote.fixtures, [path.name for path in config.root.glob("*.y*ml")])
            yield Problem(FILE_NAME, *place, "fixtures-missing", message, hint=hint)


_MEANINGS: Final = {"error": "bad", "warning": "warn"}


def _text(problems: Sequence[Problem]) -> list[str]:
    """Return problems as lines, each with its hint."""
    lines: list[str] = []
    for problem in problems:
        lines.append(_line(problem))
        if problem.hint:
            lines.append(f"    {output.style('hint:', 'remote')} {output.name(problem.hint)}")
    return lines


def _line(problem: Problem) -> str:
    place = output.style(f"{output.name(problem.path)}:{problem.line}:{problem.column}:", "strong")
    severity = output.style(f"{problem.severity}:", _MEANINGS[problem.severity])
    return f"{place} {severity} {output.name(problem.message)} [{problem.rule}]"


# -- annotations in a GitHub workflow -----------------------------------------------------------------------


def github(problems: Sequence[Problem]) -> list[str]:
    """Return problems as annotations, errors first: GitHub shows ten of each severity, and all in the log."""
    lines = []
    for problem in sorted(problems, key=lambda problem: [*_MEANINGS].index(problem.severity)):
        message = _escaped(output.safe(f"{problem.message} {problem.hint}".strip()))
        path, title = (
            _escaped(output.name(text)).replace(":", "%3A").replace(",", "%2C")
            for text in (problem.path, f"promptsync {problem.rule}")
        )
        place = f"file={path},line={problem.line},col={problem.column}"
        lines.append(f"::{problem.severity} {place},title={title}::{message}")
    return lines


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
