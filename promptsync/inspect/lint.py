"""Lint: reads the files and passes them to the rules. Needs neither the network nor git."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, Final

from msgspec import structs

from promptsync.errors import UsageError
from promptsync.files.config import FILE_NAME, Config, InvalidConfig, find, load
from promptsync.files.names import broken_names, name_in, names_beside
from promptsync.files.prompt_file import PromptFile
from promptsync.files.schema import suggestion
from promptsync.files.state.record import left_out_seen
from promptsync.files.worktree import Names, Worktree, pins_in, scan
from promptsync.files.yaml import load as yaml_load
from promptsync.lint.check import check
from promptsync.lint.subject import KnownPrompts, KnownVersion
from promptsync.prompt.canonical import digest
from promptsync.prompt.names import SUFFIXES, name_for
from promptsync.prompt.prompt import Problem
from promptsync.prompt.snippets import FENCE, of_prompt

_BETWEEN_FILES: Final = frozenset({"name-duplicate", "path-twin"})
_HOOK: Final = "if a pre-commit hook passed the path, narrow files: in .pre-commit-config.yaml"


@dataclass(frozen=True, slots=True)
class Checked:
    """What lint found. The paths of ``problems`` are absolute; ``files`` counts what was checked."""

    problems: tuple[Problem, ...]
    files: int

    def count(self, severity: str) -> int:
        return sum(problem.severity == severity for problem in self.problems)


def check_all(directory: Path) -> Checked:
    """Check the working copy around a directory: its configuration and every prompt file.

    Raises ``UsageError`` when there is no configuration.
    """
    return _check(_configuration(directory), None)


def check_files(directory: Path, given: Sequence[Path], *, deleted: bool = False) -> Checked:
    """Check these files, or the prompt files below these directories; references may name any prompt.

    Paths are absolute or relative to ``directory``. Each file belongs to the nearest promptsync.yaml above
    it, so several working copies can be checked at once, also from outside. ``deleted`` checks other files,
    too, if they refer to prompts that ``HEAD`` has and the files do not. Raises ``UsageError`` for a path
    that is not a prompt file.
    """
    groups: dict[Path, set[Path]] = {}
    for path in given:
        absolute = Path(os.path.abspath(directory / path))  # noqa: PTH100 -- resolve() would follow links
        if not absolute.exists():
            hint = "pass the paths of prompt files, not the names of prompts"
            raise UsageError(f"{path} does not exist", hint=hint)
        groups.setdefault(_configuration(absolute.parent), set()).add(absolute)
    gone = _changed_names(directory) if deleted else {}
    groups = {configuration: set[Path]() for configuration in gone} | groups
    found = [_check(one, files, gone.get(one, frozenset())) for one, files in groups.items()]
    problems = sorted(problem for one in found for problem in one.problems)
    return Checked(tuple(problems), sum(one.files for one in found))


def _changed_names(directory: Path) -> dict[Path, frozenset[str]]:
    """Return the names that ``HEAD`` has in files which differ by now, for each configuration in git."""
    # Imported only here, because nothing else of lint needs git.
    from promptsync.files.git.program import GitProgram
    from promptsync.project.project import open_project

    listed = GitProgram(directory).line("ls-files", "-z", "--", f":(top,glob)**/{FILE_NAME}") or ""
    found: dict[Path, frozenset[str]] = {}
    for shown in filter(None, listed.split("\0")):
        path = Path(os.path.abspath(directory / shown))  # noqa: PTH100 -- resolve() would follow links
        try:
            config = load(path)
        except (InvalidConfig, UsageError):
            continue  # it is reported when it is checked itself
        history = open_project(config).history
        if history is None or not history.born:
            continue
        blobs = {path: history.head[path] for path in history.differing("HEAD") if path in history.head}
        texts = history.blobs(blobs.values())
        top = f"{config.prompts}/"
        found[path] = frozenset(
            name_in(texts[blob]) or name_for(shown.removeprefix(top)) for shown, blob in blobs.items()
        )
    return {path: names for path, names in found.items() if names}


def _configuration(directory: Path) -> Path:
    path = find(directory)
    if path is None:
        raise UsageError(
            f"no {FILE_NAME} in {directory} or any directory above it",
            hint=f"promptsync init\n{_HOOK}",
        )
    return path


def _check(path: Path, selected: set[Path] | None, changed: frozenset[str] = frozenset()) -> Checked:
    try:
        config = load(path)
    except InvalidConfig as error:
        # Without a configuration it is unknown where the prompt files are.
        wrong = (structs.replace(problem, path=str(path), rule="config") for problem in error.problems)
        return Checked(tuple(wrong), 1)
    worktree = scan(
        config.root, config.prompts, _needless(config, selected) if selected is not None else None
    )
    paths = None if selected is None else _selected(config, selected, worktree)
    problems = [*worktree.problems, *_of_prompts(config, worktree, paths)]
    if paths is not None:
        problems = [one for one in problems if one.path in paths or one.rule in _BETWEEN_FILES]
        dangling = {(one.path, one.line, one.message): one for one in _dangling(config, worktree, changed)}
        problems = [one for one in problems if (one.path, one.line, one.message) not in dangling]
        problems += dangling.values()
    if selected is None or path in selected:
        problems += _of_config(config, worktree)
    return Checked(
        tuple(sorted(structs.replace(one, path=str(config.root / one.path)) for one in problems)),
        len(worktree.paths if paths is None else paths),
    )


def _needless(config: Config, selected: set[Path]) -> Names:
    shown = {path.relative_to(config.root).as_posix() for path in selected}

    def is_selected(path: str) -> bool:
        return path in shown or any(folder.as_posix() in shown for folder in PurePosixPath(path).parents)

    return lambda found: names_beside(found, config.prompts, is_selected)


def _of_prompts(config: Config, worktree: Worktree, paths: set[str] | None) -> Iterator[Problem]:
    files = worktree.files
    checked = [file for file in files.values() if paths is None or file.path in paths]
    names = {file.prompt.name for file in checked}
    others: dict[str, Mapping[str, Any]] = {name: {} for name in worktree.unread.values()}
    others |= {name: file.prompt.template for name, file in files.items() if name not in names}
    versions, left_out = _known_versions(config, files)
    known = KnownPrompts(
        others,
        partial=bool(config.include),
        unreadable=frozenset(broken_names(worktree)),
        versions=versions,
        left_out=left_out,
    )
    yield from check(checked, known)
    yield from _of_broken(worktree, known, files)
    for file in checked:
        if not config.in_scope(file.prompt.name):
            message = f"include: does not match {file.prompt.name!r}, so the prompt is never published."
            hint = f"Rename the prompt, or add a pattern to include: in {FILE_NAME}."
            yield Problem(file.path, *file.position(("name",)), "not-included", message, "warning", hint)


def _dangling(config: Config, worktree: Worktree, changed: frozenset[str]) -> Iterator[Problem]:
    """Yield the references to those of the ``changed`` names that no file has any more.

    They are errors even if ``include`` leaves out some prompts, because these had files here.
    """
    gone = changed - {*worktree.files, *worktree.unread.values(), *broken_names(worktree)}
    users = {
        file.path
        for file in (worktree.files.values() if gone else ())
        if gone & {used.name for used in of_prompt(file.prompt.template)}
    }
    starts = tuple(f"{FENCE}{name}{end}" for name in gone for end in (FENCE, "@"))
    for problem in _of_prompts(config, worktree, users) if users else ():
        if problem.rule == "snippet-missing" and problem.message.startswith(starts):
            yield structs.replace(problem, severity="error")


def _of_broken(worktree: Worktree, known: KnownPrompts, files: Mapping[str, PromptFile]) -> Iterator[Problem]:
    """Yield what the rules find in unreadable files, except at places that have a problem already."""
    templates = {**known.templates, **{name: file.prompt.template for name, file in files.items()}}
    for file in worktree.broken:
        yield from check([file], replace(known, templates=templates), worktree.problems)


def _known_versions(
    config: Config, files: Mapping[str, PromptFile]
) -> tuple[dict[str, KnownVersion], dict[str, frozenset[int]]]:
    """Return what this working copy recorded about pinned snippets. Sends no request."""
    snippets = {name: files[name] for name in pins_in(files) if name in files}
    if not snippets:
        return {}, {}
    from promptsync.project.project import open_project  # imported only here, because few files have pins

    project = open_project(config)
    url = project.record_url
    entries = project.record().entries(url, None)
    versions = {
        name: KnownVersion(entry.version, digest(file.prompt) == entry.digest)
        for name, file in snippets.items()
        if (entry := entries.get(name)) is not None
    }
    return versions, left_out_seen(config.root, url, {name: file.text for name, file in snippets.items()})


def _selected(config: Config, selected: set[Path], worktree: Worktree) -> set[str]:
    """Return the selected prompt files as paths below the root. Raises UsageError for any other file."""
    top = config.prompts_path
    known = set(worktree.paths) | {problem.path for problem in worktree.problems}
    found: set[str] = set()
    for path in sorted(selected):
        shown = path.relative_to(config.root).as_posix()
        if path == config.path:
            continue
        if not path.is_relative_to(top):
            raise UsageError(
                f"{shown} is outside the prompts directory {config.prompts}/",
                hint=f"move it there, or change prompts: in {config.path}\n{_HOOK}",
            )
        if path.is_dir():
            found |= {one for one in known if (config.root / one).is_relative_to(path)}
        elif shown in known:
            found.add(shown)
        elif not shown.endswith(SUFFIXES):
            raise UsageError(f"{shown} is not a prompt file; the suffix of prompt files is {SUFFIXES[0]}")
    return found


def _of_config(config: Config, worktree: Worktree) -> Iterator[Problem]:
    """Yield the problems of a valid configuration that does not match the files."""
    loaded = yaml_load.load(config.path.read_bytes(), FILE_NAME)
    if not worktree.paths and not worktree.problems:
        place = loaded.position(("prompts",))
        message = f"There are no prompt files in {config.prompts}/, so nothing was checked."
        yield Problem(FILE_NAME, *place, "no-prompts", message, "warning", "Check the path in prompts:.")
    for remote in config.remotes.values():
        if remote.fixtures and not (config.root / remote.fixtures).is_file():
            place = loaded.position(("remotes", remote.name, "fixtures"))
            message = f"The fixtures file of the remote {remote.name!r} does not exist: {remote.fixtures}."
            hint = suggestion(remote.fixtures, [one.name for one in config.root.glob("*.y*ml")])
            yield Problem(FILE_NAME, *place, "fixtures-missing", message, hint=hint)
