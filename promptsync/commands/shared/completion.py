"""What completion in shells may offer for a parameter, from files alone: no request, no message, ever."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from promptsync.commands.shared.session import Session
from promptsync.prompt.labels import SUFFIX

if TYPE_CHECKING:
    from promptsync.files.config import Config
    from promptsync.files.state.record import SeenNames

Offer = Callable[[Session, str], Iterable[str]]
"""Returns what somebody may mean who has typed so much."""


class Known(click.types.StringParamType):
    """Text of which some values are known here."""

    def __init__(self, offer: Offer) -> None:
        self._offer = offer

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
        values = dict.fromkeys(self._offer(ctx.find_root().obj, incomplete))
        return [CompletionItem(value) for value in sorted(values) if value.startswith(incomplete)]


def teach(command: click.Command, path: str) -> None:
    """Let the parameters of a verb, and of the verbs below it, know what to offer. ``path`` is the verb."""
    for parameter in command.params:
        if type(parameter.type) is not click.types.StringParamType:
            continue
        word = str(parameter.metavar or parameter.name).upper()
        named = word if "@" in word else word.strip("[].")
        offer = _offer_for(path, named, parameter)
        if named in _PATHS:
            parameter.type = click.Path(file_okay=named != "DIR")
        elif offer is not None:
            parameter.type = Known(offer)
    for name, below in getattr(command, "commands", {}).items():
        teach(below, f"{path} {name}")


def _offer_for(path: str, named: str, parameter: click.Parameter) -> Offer | None:
    if named in ("NAME", "NAME|ID"):
        # an option that takes one NAME gives it to something
        is_given = isinstance(parameter, click.Option) and not parameter.multiple
        return None if is_given else _NAMES.get(path, prompts)
    return _OFFERS.get(named)


def prompts(session: Session, incomplete: str) -> Iterator[str]:
    """The prompts that have a file here, and those that the registry had."""
    from promptsync.files.names import prompt_names

    config = _config(session)
    yield from prompt_names(config.root, config.prompts)
    yield from _seen(session, config).versions


def versions(session: Session, incomplete: str) -> Iterator[str]:
    """The prompts, and after a whole name its versions and labels."""
    config = _config(session)
    known = _seen(session, config)
    yield from prompts(session, incomplete)
    for name, latest in known.versions.items():
        if incomplete.startswith(f"{name}@"):
            yield from (f"{name}@{number}" for number in range(latest, 0, -1))
        elif incomplete.startswith(f"{name}:"):
            yield from (f"{name}:{label}" for label in labels(session, incomplete))


def labels(session: Session, incomplete: str) -> Iterator[str]:
    """The labels that the configuration names, and those that the registry had."""
    config = _config(session)
    yield from config.labels.values()
    # what rollback keeps is offered to those who ask for it
    yield from (one for one in _seen(session, config).labels if SUFFIX in incomplete or SUFFIX not in one)


def remotes(session: Session, incomplete: str) -> Iterable[str]:
    """The remotes of the configuration."""
    return _config(session).remotes


def evaluations(session: Session, incomplete: str) -> Iterator[str]:
    """The evaluations that files name."""
    return _checks(session, "evaluations")


def agents(session: Session, incomplete: str) -> Iterator[str]:
    """The agents that files name."""
    return _checks(session, "agents")


def _checks(session: Session, kind: str) -> Iterator[str]:
    from promptsync.files.names import check_names, fixture_names

    config = _config(session)
    yield from check_names(config.root, config.prompts, kind)
    yield from (str(check[kind[:-1]]) for check in config.checks if kind[:-1] in check)
    for remote in config.remotes.values():
        if remote.fixtures:
            yield from fixture_names(config.root / remote.fixtures, kind)


def _config(session: Session) -> Config:
    """The configuration, with defaults where it is broken or missing."""
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
    "NAME|URL": remotes,
    "NAME[@N|:LABEL]": versions,
}
"""By what the help calls a parameter."""

_NAMES: dict[str, Offer] = {
    "eval run": evaluations,
    "eval show": evaluations,
    "agent run": agents,
}
"""What a ``NAME`` is after these verbs; after the others it is a prompt."""
