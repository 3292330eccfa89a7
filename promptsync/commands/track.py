"""``promptsync track``: log requests, and note things about them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from promptsync.commands.shared.options import variable_option, variables, variables_option
from promptsync.commands.shared.session import Session, verb, verb_group
from promptsync.errors import UsageError
from promptsync.show.outcome import Outcome
from promptsync.terminal import output

if TYPE_CHECKING:
    from promptsync.registry.protocol import Registry


@verb_group("track", short_help="Log requests, and note things about them.")
def command() -> None:
    """Log what an application asked a model, and note its prompt, score, metadata and group.

    \b
    id=$(promptsync track request request.json)
    promptsync track score "$id" 90 --name tone
    """


def _request(_: click.Context, __: click.Parameter, value: str | None) -> int | str | None:
    """An id as the registry gave it: a positive number, or a text."""
    text = (value or "").strip()
    is_number = text.isascii() and text.removeprefix("-").isdigit()
    if value is not None and (not text or (is_number and int(text) < 1)):
        raise UsageError(f"{value!r} is no id of a request", hint="promptsync track request prints one")
    return int(text) if is_number else text or None


_request_id = click.argument("request_id", metavar="ID", callback=_request)


@verb("request", parent=command, short_help="Log a request, and print its id.")
@click.argument("file", metavar="FILE|-")
def request_command(session: Session, file: str) -> Outcome:
    """Log the request in the JSON document FILE, - for stdin, and print its id.

    It is checked before it is sent; promptsync schema request prints what it has to look like.

    \b
    promptsync track request request.json
    my-application | promptsync track request -
    """
    from promptsync.checks.tracking import log_request, read_request

    request = read_request(_read(session, file), "stdin" if file == "-" else file)
    with session.project(needs_config=False) as project:
        request_id = log_request(project.registry, request)
    return Outcome([str(request_id)], {"request_id": request_id})


def _read(session: Session, file: str) -> bytes:
    if file == "-":
        return sys.stdin.buffer.read()
    try:
        return (session.directory / file).read_bytes()
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}", hint="give - to read stdin") from None


@verb("prompt", parent=command, short_help="Note which prompt a request used.")
@_request_id
@click.argument("name", metavar="NAME")
@click.option("--version", metavar="N", type=click.IntRange(1), help="Version N (default: the latest).")
@click.option("--label", metavar="LABEL", help="The version under LABEL.")
@variable_option
@variables_option
def prompt_command(
    session: Session,
    request_id: int | str,
    name: str,
    version: int | None,
    label: str | None,
    given: tuple[str, ...],
    source: str | None,
) -> Outcome:
    """Note that the request ID used the prompt NAME, with these values of its variables.

    \b
    promptsync track prompt 8801 support/refund --label prod --var question="Where is it?"
    """
    if label is not None and version is not None:
        raise UsageError("--label and --version exclude each other", hint="leave one of them out")
    values = variables(session, given, source)
    _note(
        session,
        lambda registry: registry.tracking.track_prompt(
            request_id, name, version=version, label=label, variables=values or None
        ),
        "prompt",
    )
    body = {"request_id": request_id, "name": name, "version": version, "label": label, "variables": values}
    return Outcome([f"request {request_id}: prompt {output.name(name)}"], body)


@verb("score", parent=command, short_help="Score a request.")
@_request_id
@click.argument("score", metavar="N", type=click.IntRange(0, 100))
@click.option("--name", metavar="NAME", help="What is scored (default: the registry's, 'default').")
def score_command(session: Session, request_id: int | str, score: int, name: str | None) -> Outcome:
    """Score the request ID with N, 0 to 100. The same name again replaces the score.

    \b
    promptsync track score 8801 90 --name tone
    """
    if name is not None and not name.strip():
        raise UsageError("--name is empty", hint="leave it out for the default score")
    _note(session, lambda registry: registry.tracking.track_score(request_id, score, name=name), "score")
    named = f" for {output.name(name)}" if name is not None else ""
    body = {"request_id": request_id, "score": score, "name": name}
    return Outcome([f"request {request_id}: score {score}{named}"], body)


@verb("metadata", parent=command, short_help="Note metadata on a request.")
@_request_id
@click.argument("pairs", nargs=-1, required=True, metavar="KEY=VALUE...")
def metadata_command(session: Session, request_id: int | str, pairs: tuple[str, ...]) -> Outcome:
    """Note metadata, which is text, on the request ID. The same key again replaces the value.

    \b
    promptsync track metadata 8801 user=42 channel=mail
    """
    metadata = dict(map(_pair, pairs))
    _note(session, lambda registry: registry.tracking.track_metadata(request_id, metadata), "metadata")
    body = {"request_id": request_id, "metadata": metadata}
    return Outcome([f"request {request_id}: {', '.join(map(output.name, metadata))}"], body)


def _pair(text: str) -> tuple[str, str]:
    key, sign, value = text.partition("=")
    if not sign or not key:
        raise UsageError(f"{text} is not of the form KEY=VALUE", hint="write user=42")
    if len(key) > 1024:
        raise UsageError(f"the key {key[:20]}… is longer than 1,024 characters")
    return key, value


@verb("group", parent=command, short_help="Put a request into a group, or make a group.")
@click.argument("request_id", metavar="[ID]", callback=_request, required=False)
@click.argument("group_id", metavar="[GROUP]", type=click.IntRange(1), required=False)
@click.option("--new", is_flag=True, help="Make a group, and print its id.")
def group_command(session: Session, request_id: int | str | None, group_id: int | None, new: bool) -> Outcome:
    """Put the request ID into the group GROUP, or with --new into a new one, whose id is printed.

    \b
    group=$(promptsync track group --new)
    promptsync track group 8801 "$group"
    """
    if new == (group_id is not None) or (request_id is None and not new):
        raise UsageError(
            "give either the ids of a request and a group, or --new", hint="promptsync track group 8801 614"
        )
    if not new:
        assert group_id is not None
        _group(session, request_id, group_id)
        return Outcome(
            [f"request {request_id}: group {group_id}"], {"request_id": request_id, "group_id": group_id}
        )
    from promptsync.checks.tracking import create_group

    with session.project(needs_config=False) as project:
        group_id = create_group(project.registry)
    if request_id is not None:
        _group(session, request_id, group_id)
    return Outcome([str(group_id)], {"request_id": request_id, "group_id": group_id})


def _group(session: Session, request_id: int | str | None, group_id: int) -> None:
    assert request_id is not None
    _note(session, lambda registry: registry.tracking.track_group(request_id, group_id), "group")


def _note(session: Session, action: Callable[[Registry], None], what: str) -> None:
    from promptsync.checks.tracking import note

    with session.project(needs_config=False) as project:
        note(lambda: action(project.registry), what)
