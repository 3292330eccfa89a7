"""What init did, and what to do next, as text and JSON."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from msgspec import Struct

from promptsync.errors import PromptsyncError
from promptsync.files.config import FILE_NAME, Config
from promptsync.files.git.repository import is_in_repository
from promptsync.files.yaml.layout import inline
from promptsync.registry.address import LOCAL
from promptsync.setup.import_registry import Imported
from promptsync.setup.init import EXAMPLE, VENDOR
from promptsync.setup.scaffold import JOBS, PIPELINE, Scaffold, StarterKind, remote_of
from promptsync.show.lines import numbered
from promptsync.show.outcome import Outcome, bodies
from promptsync.terminal import output

SET_UP = "Set up promptsync"
"""The message of a commit that adds no prompts."""
_FEW = 8
"""How many imported prompts are listed without ``-v``."""


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
        lines += _settings(added, result.config.root) if added is not None else []
    return Outcome(lines, body, error=error)


def _settings(added: Scaffold, root: Path) -> list[str]:
    """Return what is left to do in the pages of GitHub and GitLab, and for coding agents."""
    branches, lines = " and ".join(map(output.name, added.branches)), []
    if StarterKind.GITHUB in added.kinds:
        protect = f"protect {branches} and require the check named check."
        lines += ["", f"On GitHub (Settings > Branches), {protect}"]
    if StarterKind.GITLAB in added.kinds:
        lines += [
            "",
            "On GitLab:",
            "  Settings > Access tokens: create a token, role Developer, scope api.",
            "  Settings > CI/CD > Variables: add it as PROMPTSYNC_TOKEN, masked.",
            "  Settings > CI/CD > Variables: add PROMPTLAYER_API_KEY, masked.",
            "  Settings > Merge requests: pipelines must succeed.",
            f"  Build > Pipeline schedules: add one for {branches}, every night.",
        ]
        if added.outcomes.get(added.shown(PIPELINE, root)) == "kept":
            lines.append('  Your own jobs need rules, too: see "GitLab" in the manual.')
    if StarterKind.AGENTS in added.kinds:
        lines += ["", "Set PROMPTSYNC_READ_ONLY=1 in the environment of your coding agents."]
    return lines


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
    """Yield the commands in the order of doing: try, configure, commit, publish, set up CI, push."""
    config, imported, added, directory = result.config, result.imported, result.added, result.directory
    at = ["-C", directory] if directory else []
    promptsync, git = shlex.join(["promptsync", *at]), shlex.join(["git", *at])
    is_local = config.remotes[config.default_remote].url.startswith(LOCAL)
    is_new = FILE_NAME in result.paths["created"]
    is_first = imported is None and (added is None or is_new)
    if imported is not None:
        is_default = imported.remote == config.default_remote
        yield f"{promptsync} status{'' if is_default else f' --remote {shlex.quote(imported.remote)}'}"
    elif is_first and is_local:
        yield f"{promptsync} lint"
        yield f"{promptsync} {'render hello --example 1' if result.has_example else 'status'}"
    elif is_first:
        yield from ("export PROMPTLAYER_API_KEY=…", f"{promptsync} ls-remote", f"{promptsync} pull")
    edits = [*_configure(config, added, directory)] if added is not None and added.has_workflows else []
    files = [path for path, outcome in added.outcomes.items() if outcome != "kept"] if added else []
    if added is not None and StarterKind.GITLAB in added.kinds:
        pipeline, path = added.top / PIPELINE, added.shown(PIPELINE, config.root)
        if pipeline.is_file() and JOBS not in pipeline.read_text("utf-8", "replace"):
            place = PurePosixPath(directory) / path
            edits.append(f"add to {place}:  include: [/{JOBS}]  (and to its stages: test, deploy)")
            files.append(path)
    yield from edits
    pulls = is_new and not is_local and imported is None
    commits = bool(result.paths["created"] or result.written)
    if commits and (result.committed is None or pulls or edits):
        if not is_in_repository(config.root.resolve()):
            yield f"{git} init"
        # git refuses to add a directory without files.
        has_files = pulls or any(path.is_file() for path in config.prompts_path.rglob("*"))
        prompts = [config.prompts] if has_files else []
        yield f"{git} add {shlex.join([FILE_NAME, '.gitignore', *prompts, *files])}"
        yield f"{git} commit -m {shlex.quote(result.message if result.committed is None else SET_UP)}"
    if is_first and is_local:  # it publishes the subject of the commit
        yield f"{promptsync} push"
    if added is None:
        return
    creates, in_github = commits and added.has_workflows, StarterKind.GITHUB in added.kinds
    creates = creates and not added.has_origin
    if creates and in_github:
        yield f"gh repo create --private --source {shlex.quote(str(added.top))} --remote origin"
    elif creates:
        yield f"{git} remote add origin https://gitlab.com/GROUP/PROJECT.git"
    if in_github:
        allow = "gh api -X PUT 'repos/{owner}/{repo}/actions/permissions/workflow'"
        yield "gh secret set PROMPTLAYER_API_KEY"
        yield f"{allow} -F can_approve_pull_request_reviews=true"  # for the drift workflow
    if StarterKind.PRE_COMMIT in added.kinds:
        yield from ("pre-commit install", "pre-commit install --hook-type pre-push")
    if creates or (commits and added.has_origin):
        yield f"{git} push -u origin HEAD"


def _configure(config: Config, added: Scaffold, directory: str) -> Iterator[str]:
    """Yield the commands that add to promptsync.yaml what workflows need: a remote and a label."""
    path = shlex.quote(str(PurePosixPath(directory) / FILE_NAME))
    if remote_of(config) is None:
        # An embedded registry is empty in each run of a workflow.
        line = f"production: {{url: {VENDOR}}}"
        verb = "uncomment in" if f"# {line}" in config.path.read_text("utf-8") else "add to remotes: in"
        yield f"{verb} {path}:  {line}"
    if not config.labels:
        # The file may end without a line break.
        yield f"printf '\\n%s\\n' {shlex.quote(f'labels: {{{inline(added.branches[0])}: prod}}')} >> {path}"
