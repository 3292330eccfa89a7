"""Completion in shells: click completes verbs and options, this module the values, from files alone.

Nothing here sends a request, prints a message or imports what takes long to load.
"""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    ShellComplete,
    add_completion_class,
    get_completion_class,
    shell_complete,
    split_arg_string,
)

from promptsync.commands.shared.session import Session
from promptsync.prompt.labels import is_own

if TYPE_CHECKING:
    from promptsync.files.config import Config
    from promptsync.files.state.record import SeenNames

SHELLS: Final = ("bash", "zsh", "fish")
VARIABLE: Final = "_PROMPTSYNC_COMPLETE"
"""The environment variable with which the scripts of click call the program."""

Offer = Callable[[Session, str], Iterable[str]]
"""Returns the values that may begin with what was typed."""


@add_completion_class
class Bash(BashComplete):
    """Completes words that bash splits at ``:``, ``@`` and ``=``, which names and versions contain."""

    source_template = r"""# completion of promptsync for bash
%(complete_func)s() {
    local type value
    COMPREPLY=()
    while IFS=, read -r type value; do
        case $type in
            plain) COMPREPLY+=("$value") ;;
            file) compopt -o default ;;
            dir) compopt -o dirnames ;;
        esac
    done < <(env COMP_LINE="${COMP_LINE:0:COMP_POINT}" COMP_WORD="$2" \
        %(complete_var)s=bash_complete "$1" 2>/dev/null)
}
complete -o nosort -F %(complete_func)s %(prog_name)s
"""
    _kept = 0
    _is_quoted = False

    def source(self) -> str:
        return ShellComplete.source(self)  # without starting bash for its version

    def get_completion_args(self) -> tuple[list[str], str]:
        variable = self.ctx_args["obj"].environment.secret
        line, word = variable("COMP_LINE") or "", variable("COMP_WORD") or ""
        words = split_arg_string(f"{line}.")  # so that the last word is the one being typed, even if empty
        incomplete = words.pop()[:-1]
        option, _, value = incomplete.partition("=") if incomplete.startswith("-") else ("", "", incomplete)
        self._kept = len(value) - len(word) if value.endswith(word) and option != incomplete else 0
        self._is_quoted = line.removesuffix(word)[-1:] in ("'", '"')
        return words[1:], incomplete

    def format_completion(self, item: CompletionItem[Any]) -> str:
        value = item.value[self._kept :]  # bash replaces only what it considers the last word
        return f"{item.type},{value if self._is_quoted else shlex.quote(value)}"


def complete(root: click.Command, session: Session, instruction: str) -> int:
    """Print completions for the script of a shell; ``instruction`` is the value of ``VARIABLE``."""
    # An error message would appear in the middle of the command that is being typed.
    with contextlib.suppress(Exception):
        teach(root, "")
        return shell_complete(root, {"obj": session}, "promptsync", VARIABLE, instruction)
    return 1


def script(root: click.Command, shell: str) -> str:
    """Return the script that makes a shell complete the words of ``root``."""
    found = get_completion_class(shell)
    assert found is not None
    return found(root, {}, "promptsync", VARIABLE).source()


# -- values -------------------------------------------------------------------------------------------------


class Completions(click.types.StringParamType):
    """Text with some known values."""

    def __init__(self, offer: Offer) -> None:
        self._offer = offer

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem[Any]]:
        values = dict.fromkeys(self._offer(ctx.find_root().obj, incomplete))
        return [CompletionItem(value) for value in sorted(values) if value.startswith(incomplete)]


def teach(command: click.Command, path: str) -> None:
    """Give the parameters of a verb, and of the verbs below it, their known values. ``path`` is the verb."""
    for parameter in command.params:
        if type(parameter.type) is not click.types.StringParamType:
            continue
        named = str(parameter.metavar or parameter.name).upper().strip("[].")
        offer = _offer_for(path, named, parameter)
        if named in _PATHS:
            parameter.type = click.Path(file_okay=named != "DIR")
        elif offer is not None:
            parameter.type = Completions(offer)
    for name, below in getattr(command, "commands", {}).items():
        teach(below, f"{path} {name}")


def _offer_for(path: str, named: str, parameter: click.Parameter) -> Offer | None:
    if "@" in named:
        return versions
    if named in ("NAME", "NAME|ID", "OLD NEW"):
        # an option with one NAME names something new
        is_given = isinstance(parameter, click.Option) and not parameter.multiple
        return None if is_given else _NAMES.get(path, prompts)
    return _OFFERS.get(named)


def prompts(session: Session, incomplete: str) -> Iterator[str]:
    """The prompts with a file, and those that the registry had when it was last read."""
    from promptsync.files.names import prompt_names

    config = _config(session)
    yield from prompt_names(config.root, config.prompts)
    yield from _seen(session, config).versions


def versions(session: Session, incomplete: str) -> Iterator[str]:
    """The prompts, and after a whole name its versions or labels."""
    config = _config(session)
    known = _seen(session, config)
    yield from prompts(session, incomplete)
    for name, latest in known.versions.items():
        if incomplete.startswith(f"{name}@"):
            yield from (f"{name}@{number}" for number in range(latest, 0, -1))
        elif incomplete.startswith(f"{name}:"):
            yield from (f"{name}:{label}" for label in labels(session, incomplete))


def labels(session: Session, incomplete: str) -> Iterator[str]:
    """The labels in the configuration, and those that the registry had when it was last read."""
    config = _config(session)
    yield from config.labels.values()
    # prod.previous and similar labels are offered only if the suffix is typed.
    yield from (one for one in _seen(session, config).labels if "." in incomplete or is_own(one))


def checks(kind: str, session: Session, incomplete: str) -> Iterator[str]:
    """The ``evaluations`` or ``agents`` that files mention."""
    from promptsync.files.names import check_names, fixture_names

    config = _config(session)
    yield from check_names(config.root, config.prompts, kind)
    yield from (str(check[kind[:-1]]) for check in config.checks if kind[:-1] in check)
    for remote in config.remotes.values():
        if remote.fixtures:
            yield from fixture_names(config.root / remote.fixtures, kind)


def _config(session: Session) -> Config:
    """Return the configuration, or the default one if it is broken or missing."""
    from promptsync.errors import PromptsyncError
    from promptsync.files.config import FILE_NAME, Config, find

    try:
        return session.config()
    except PromptsyncError:
        path = find(session.directory) or session.directory / FILE_NAME
        return Config(path.parent, path)


def _seen(session: Session, config: Config) -> SeenNames:
    from promptsync.errors import PromptsyncError
    from promptsync.files.state.record import SeenNames, names_seen

    try:
        project = session.project_of(config, session.remote or session.environment.remote)
        url = project.record_url
    except PromptsyncError:
        return SeenNames()
    listed = names_seen(config.root, url)
    pushed = {name: one.version for name, one in project.record().entries(url, None).items()}
    return SeenNames(
        {**pushed, **{name: max(at, pushed.get(name, 0)) for name, at in listed.versions.items()}},
        listed.labels,
    )


_PATHS = frozenset({"FILE", "FILE|-", "PATH", "DIR"})
_OFFERS: dict[str, Offer] = {
    "LABEL": labels,
    "FROM": labels,
    "TO": labels,
    "SNIPPET": prompts,
    "USER": prompts,
    "NAME|URL": lambda session, _: _config(session).remotes,
}
"""The values of a parameter by what the help calls it."""

_NAMES: dict[str, Offer] = {
    "eval run": partial(checks, "evaluations"),
    "eval show": partial(checks, "evaluations"),
    "agent run": partial(checks, "agents"),
}
"""The values of ``NAME`` after these verbs; after the others it is a prompt."""
