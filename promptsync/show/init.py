"""What init did, and what to do next, as text and JSON."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from promptsync.errors import PromptsyncError
from promptsync.files.config import FILE_NAME, Config
from promptsync.registry.address import LOCAL
from promptsync.setup.import_registry import Imported
from promptsync.setup.init import EXAMPLE, commit_command
from promptsync.setup.scaffold import Scaffold, StarterKind
from promptsync.show.lines import numbered
from promptsync.show.outcome import Outcome, bodies
from promptsync.terminal import output

SET_UP = "Set up promptsync"
"""The message of a commit that adds no prompts."""
_FEW = 8
"""How many imported prompts are listed without ``-v``."""

_PAGES = {
    StarterKind.GITHUB: "GitHub Actions and pre-commit",
    StarterKind.PRE_COMMIT: "GitHub Actions and pre-commit",
    StarterKind.GITLAB: "GitLab",
    StarterKind.AGENTS: "Coding agents",
}
"""The pages of the manual that say what is left to do outside of the files."""


class InitResult(Struct, frozen=True):
    """What init did. ``directory`` is the value of -C, ``committed`` the message of the commit, if any.

    ``was_shown`` says that the paths were listed before a question.
    """

    config: Config
    outcomes: Mapping[str, str]
    directory: str
    imported: Imported | None = None
    added: Scaffold | None = None
    committed: str | None = None
    was_shown: bool = False
    error: PromptsyncError | None = None

    @property
    def paths(self) -> dict[str, list[str]]:
        """The paths below the root that were created, changed and kept, without those of prompts."""
        outcomes = {**self.outcomes, **(self.added.outcomes if self.added else {})}
        words = ("created", "changed", "kept")
        return {word: [path for path, outcome in outcomes.items() if outcome == word] for word in words}

    @property
    def written(self) -> list[str]:
        """The files that were written."""
        paths = [*self.paths["created"], *self.paths["changed"]]
        prompts = [file.path for file in self.imported.written] if self.imported else []
        return [path for path in paths if not path.endswith("/")] + prompts

    @property
    def message(self) -> str:
        """The message for a commit of what was written."""
        if self.imported is not None and self.imported.written:
            return f"Import {output.count(len(self.imported.written), 'prompt')} from the registry"
        return "Add a first prompt" if self.has_example else SET_UP

    @property
    def has_example(self) -> bool:
        return f"{self.config.prompts}/{EXAMPLE}" in self.paths["created"]

    def path_lines(self) -> list[str]:
        """Return the paths, unless they were shown, and the commit as lines."""
        rows = {} if self.was_shown else self.paths
        rows = rows | ({"committed": [self.committed]} if self.committed is not None else {})
        return output.table(
            (output.style(word, "faint" if word == "kept" else "good"), output.name(path))
            for word, paths in rows.items()
            for path in paths
        )


def show_init(result: InitResult, *, quiet: bool, verbose: bool) -> Outcome:
    """Return what was done, and the next steps."""
    imported, added = result.imported, result.added
    steps = [*_steps(result)]
    body: dict[str, Any] = {"root": str(result.config.root), **result.paths, "committed": result.committed}
    body["next"] = [{"do": step} for step in steps]
    if added is not None and added.package:
        body["package"] = added.package
    lines = result.path_lines()
    if imported is not None:
        lines += ["", *_imported_lines(imported, verbose)]
        body |= {
            "include": list(result.config.include),
            "imported": bodies(imported.written, "name path version"),
            "present": [item.name for item in imported.present],
            "conflicts": [item.name for item in imported.apart],
            "not_included": imported.not_included,
        }
    error = result.error or (imported.error if imported is not None else None)
    if not quiet and error is None:
        lines += ["", "Next:", *numbered(steps)] if steps else []
        if pages := [page for kind, page in _PAGES.items() if added is not None and kind in added.kinds]:
            lines += ["", f"Then follow the manual: {', '.join(dict.fromkeys(pages))}."]
    return Outcome(lines, body, error=error)


def _imported_lines(imported: Imported, verbose: bool) -> list[str]:
    written = imported.written
    lines: list[str] = []
    if verbose or len(written) <= _FEW:
        rows = ((output.name(file.name), f"v{file.version}", output.safe(file.path)) for file in written)
        lines = output.table((f"  {output.style('new', 'remote')}", *row) for row in rows)
    what = f"{output.count(len(written), 'prompt')} imported" if written else "nothing new to import"
    include = output.name(shlex.join(imported.config.include))
    lines.append(f"{what} from {output.safe(imported.url)} (include: {include})")
    if imported.present:
        lines.append(f"  {len(imported.present)} skipped, because they already have a file")
    if imported.not_included:
        lines.append(f"  {imported.not_included} ignored (not in include)")
    return lines


def _steps(result: InitResult) -> Iterator[str]:
    """Yield the commands in the order of doing: the first one, the commit, the first push."""
    config, imported, directory = result.config, result.imported, result.directory
    promptsync = shlex.join(["promptsync", *(["-C", directory] if directory else [])])
    is_local = config.remotes[config.default_remote].url.startswith(LOCAL)
    is_new = imported is None and (result.added is None or FILE_NAME in result.paths["created"])
    paths = result.written if result.committed is None else []
    if imported is not None:
        is_default = imported.remote == config.default_remote
        yield f"{promptsync} status{'' if is_default else f' --remote {shlex.quote(imported.remote)}'}"
    elif is_new and is_local:
        yield f"{promptsync} lint"
        yield f"{promptsync} {'render hello --example 1' if result.has_example else 'status'}"
    elif is_new:
        yield from ("export PROMPTLAYER_API_KEY=…", f"{promptsync} pull")
        paths = [*paths, config.prompts] if result.written else []
    if paths:
        message = result.message if result.committed is None else SET_UP
        yield commit_command(config.root, paths, message, config.prompts, directory)
    if is_new and is_local:  # it publishes the subject of the commit
        yield f"{promptsync} push"
