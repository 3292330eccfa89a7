"""Lint: reading what is in the files and passing it to the rules. Offline; loads neither HTTP nor git."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from promptsync.errors import UsageError
from promptsync.files.config import FILE_NAME, Config, find, load
from promptsync.files.names import broken_names
from promptsync.files.prompt_file import PromptFile
from promptsync.files.schema import suggestion
from promptsync.files.worktree import Worktree, scan
from promptsync.files.yaml import load as yaml_load
from promptsync.lint.check import check
from promptsync.lint.rules import RULES, Rule
from promptsync.lint.subject import Known
from promptsync.prompt.names import SUFFIXES
from promptsync.prompt.prompt import Problem
from promptsync.prompt.snippets import references

_READING: Final = (
    Rule("config", "error", "promptsync.yaml is not a valid configuration."),
    Rule("file-encoding", "error", "The file is not plain UTF-8."),
    Rule("file-refused", "error", "A link that leads out of the prompts directory, or no file at all."),
    Rule("file-size", "error", "The file is too large to be a prompt."),
    Rule("file-unreadable", "error", "The file cannot be read."),
    Rule("fixtures-missing", "error", "The fixtures file that promptsync.yaml names is not there."),
    Rule("missing-key", "error", "Something that a prompt file must say is missing."),
    Rule("model-twice", "error", "The model stands both in model: and in metadata.model."),
    Rule("no-prompts", "warning", "There is no prompt file at all."),
    Rule("not-included", "warning", "The name is not in include, so the prompt is never published."),
    Rule("path-twin", "error", "Two paths differ only in case or accents: some systems take them for one."),
    Rule("prompt-kind", "error", "A prompt has either messages: or content:."),
    Rule("schema", "error", "A value that the format does not allow."),
    Rule("unknown-key", "error", "A key that the format does not have."),
    Rule("wrong-type", "error", "A value of another type than the format asks for."),
    Rule("yaml-aliases", "error", "Aliases that expand to far more than the file itself."),
    Rule("yaml-date", "error", "YAML reads an unquoted value as a date."),
    Rule("yaml-duplicate-key", "error", "A key is given twice."),
    Rule("yaml-key", "error", "A key is no text."),
    Rule("yaml-nesting", "error", "Values nest too deeply to be read."),
    Rule("yaml-number", "error", "A number that JSON does not have."),
    Rule("yaml-syntax", "error", "The file is not YAML."),
    Rule("yaml-tag", "error", "YAML tags are not allowed: values are plain data."),
)
ALL_RULES: Final = dict(sorted((RULES | {rule.id: rule for rule in _READING}).items()))
"""Every rule that a problem can name: those of reading files, and those of what is in them."""

_BETWEEN_FILES: Final = frozenset({"name-duplicate", "path-twin"})
_HOOK: Final = "where a pre-commit hook gave the path, narrow its files: in .pre-commit-config.yaml"
_DETAIL: Final = re.compile(r"(?s)[^:]*:(\d+):(\d+): (.*)")


@dataclass(frozen=True, slots=True)
class Checked:
    """What lint found. The paths of ``problems`` are absolute; ``files`` counts what was judged."""

    problems: tuple[Problem, ...]
    files: int

    def count(self, severity: str) -> int:
        return sum(problem.severity == severity for problem in self.problems)


def check_all(directory: Path) -> Checked:
    """Check the working copy around a directory: its configuration and every prompt file.

    Raises ``UsageError`` when there is no configuration.
    """
    return _check(_configuration(directory), None)


def check_files(directory: Path, given: Sequence[Path]) -> Checked:
    """Check these files, or the prompt files below these directories; the others are known for references.

    Paths are absolute or relative to ``directory``. Each file belongs to the nearest promptsync.yaml above
    it, so several working copies can be checked at once, from outside as well. Raises ``UsageError`` for
    what is no prompt file.
    """
    groups: dict[Path, set[Path]] = {}
    for path in given:
        absolute = Path(os.path.abspath(directory / path))  # noqa: PTH100 -- resolve() would follow links
        if not absolute.exists():
            raise UsageError(
                f"there is no file {path}", hint="give paths of prompt files, not names of prompts"
            )
        groups.setdefault(_configuration(absolute.parent), set()).add(absolute)
    found = [_check(configuration, files) for configuration, files in groups.items()]
    problems = sorted(problem for one in found for problem in one.problems)
    return Checked(tuple(problems), sum(one.files for one in found))


def _configuration(directory: Path) -> Path:
    path = find(directory)
    if path is None:
        raise UsageError(
            f"no {FILE_NAME} in {directory} or any directory above it",
            hint=f"run promptsync init to start one here, or give the directory with -C\n{_HOOK}",
        )
    return path


def _check(path: Path, selected: set[Path] | None) -> Checked:
    try:
        config = load(path)
    except UsageError as error:
        # Where the prompts are is unknown, so this is all that can be said.
        return Checked(tuple(_of_config(path, error)), 1)
    worktree = scan(config.root, config.prompts)
    paths = None if selected is None else _selected(config, selected, worktree)
    problems = [*worktree.problems, *_of_prompts(config, worktree, paths)]
    if paths is not None:
        problems = [one for one in problems if one.path in paths or one.rule in _BETWEEN_FILES]
    if selected is None or path in selected:
        problems += _of_valid_config(config, worktree)
    return Checked(
        tuple(sorted(replace(one, path=str(config.root / one.path)) for one in problems)),
        len(worktree.paths if paths is None else paths),
    )


def _of_prompts(config: Config, worktree: Worktree, paths: set[str] | None) -> Iterator[Problem]:
    files = worktree.files
    judged = [file for file in files.values() if paths is None or file.path in paths]
    names = {file.prompt.name for file in judged}
    others = {name: file.prompt.template for name, file in files.items() if name not in names}
    broken = broken_names(worktree)
    for problem in check(judged, Known(others, partial=bool(config.include))):
        # A file that cannot be read is a prompt all the same, and is reported itself.
        if problem.rule != "snippet-missing" or references(problem.message)[0].name not in broken:
            yield problem
    yield from (_not_included(file) for file in judged if not config.in_scope(file.prompt.name))


def _not_included(file: PromptFile) -> Problem:
    message = f"The name {file.prompt.name!r} matches no pattern of include, so it is never published."
    hint = f"Rename the prompt, or add a pattern to include in {FILE_NAME}."
    return Problem(file.path, *file.position(("name",)), "not-included", message, "warning", hint)


def _selected(config: Config, selected: set[Path], worktree: Worktree) -> set[str]:
    """Return the paths below the root of the selected prompt files. Raises UsageError for other files."""
    top = config.prompts_path
    known = set(worktree.paths) | {problem.path for problem in worktree.problems}
    found: set[str] = set()
    for path in sorted(selected):
        shown = path.relative_to(config.root).as_posix()
        if path == config.path:
            continue
        if not path.is_relative_to(top):
            raise UsageError(
                f"{shown} is outside {config.prompts}/, where the prompt files are",
                hint=f"move it there, or change prompts: in {config.path}\n{_HOOK}",
            )
        if path.is_dir():
            found |= {one for one in known if (config.root / one).is_relative_to(path)}
        elif shown in known:
            found.add(shown)
        elif not shown.endswith(SUFFIXES):
            raise UsageError(f"{shown} is no prompt file: their suffix is {SUFFIXES[0]}")
    return found


def _of_config(path: Path, error: UsageError) -> Iterator[Problem]:
    """Yield the problems in the details of an error: lines of the form path:line:column: message."""
    places = [found for detail in error.details if (found := _DETAIL.fullmatch(detail))]
    for found in places:
        yield Problem(str(path), int(found[1]), int(found[2]), "config", found[3])
    if not places:
        yield Problem(str(path), 1, 1, "config", error.message, hint=error.hint)


def _of_valid_config(config: Config, worktree: Worktree) -> Iterator[Problem]:
    """Yield what a configuration says that is not so."""
    loaded = yaml_load.load(config.path.read_bytes(), FILE_NAME)
    if not worktree.paths and not worktree.problems:
        place = loaded.position(("prompts",))
        message = f"There is no prompt file in {config.prompts}/, so nothing was checked."
        yield Problem(FILE_NAME, *place, "no-prompts", message, "warning", "Is prompts: right?")
    for remote in config.remotes.values():
        if remote.fixtures and not (config.root / remote.fixtures).is_file():
            place = loaded.position(("remotes", remote.name, "fixtures"))
            message = f"The remote {remote.name!r} names the fixtures {remote.fixtures}, which are not there."
            hint = suggestion(remote.fixtures, [one.name for one in config.root.glob("*.y*ml")])
            yield Problem(FILE_NAME, *place, "fixtures-missing", message, hint=hint)
