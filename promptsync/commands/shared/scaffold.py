"""What is left to do for a person after ``init --github --pre-commit``."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from promptsync.files.config import Config
from promptsync.setup import scaffold
from promptsync.setup.init import VENDOR
from promptsync.setup.scaffold import Scaffold, remote_of
from promptsync.terminal import output

Step = tuple[str, str]
"""What to type or do next, and why."""

_UPDATE = f"pre-commit autoupdate --bleeding-edge --repo {scaffold.REPOSITORY}"

_LONG = 60
"""Characters of a command that would push what the others are for out of sight."""


def lines(found: Sequence[Step]) -> list[str]:
    """Return steps as lines; what is a text to insert follows the others."""
    explained = output.table(one for one in found if one[1] and len(one[0]) <= _LONG)
    explained += [f"{what}  {why}" for what, why in found if why and len(what) > _LONG]
    plain = [what for what, why in found if not why and "\n" not in what]
    texts = [line for what, _ in found if "\n" in what for line in ("", *what.splitlines())]
    return ["Next:", *(f"  {line}" for line in (*explained, *plain)), *texts]


def steps(config: Config, added: Scaffold) -> list[Step]:
    """Return what a repository needs besides the files."""
    paths = (*added.created, *added.kept)
    found = [_compare(added, path) for path in added.others if path != scaffold.HOOKS]
    if any(path != scaffold.HOOKS for path in paths):
        found += _github(config, added.branch)
    if scaffold.HOOKS in paths:
        found += _hooks(added)
    return found


def _compare(added: Scaffold, path: str) -> Step:
    place = str(added.top / path)
    command = shlex.join(["diff", place, str(added.others[path])])
    return output.name(command), "it was there already and says something else: it is kept"


def _github(config: Config, branch: str) -> list[Step]:
    found: list[Step] = []
    if remote_of(config) is None:
        why = "each run of a workflow would find an embedded registry empty"
        found.append((f"remotes: {{production: {{url: {VENDOR}}}}} in promptsync.yaml", why))
    if not config.labels:
        found.append(
            (f"labels: {{{branch}: prod}} in promptsync.yaml", f"the label that a deploy of {branch} moves")
        )
    return [
        *found,
        ("gh secret set PROMPTLAYER_API_KEY", "the key for the workflows; GitHub keeps it"),
        ("Settings > Branches on GitHub", f"protect {branch}, and require the check named check"),
        ("Settings > Actions > General", "let GitHub Actions create pull requests, as drift does"),
        ("the first lines of drift.yml", "which token lets checks run on its pull requests"),
    ]


def _hooks(added: Scaffold) -> list[Step]:
    found: list[Step] = []
    if scaffold.HOOKS in added.kept and not added.mentions(scaffold.HOOKS, "promptsync-lint"):
        found.append((f"Add to {scaffold.HOOKS}, which is kept:\n{added.hooks}", ""))
    return [
        *found,
        *([] if added.commit is not None else [(_UPDATE, "pins these hooks to the newest commit")]),
        ("pre-commit install", "in each clone: lint runs at every commit"),
        ("pre-commit install --hook-type pre-push", "if drift is to stop a push, too"),
    ]
