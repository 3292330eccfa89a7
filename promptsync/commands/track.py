"""``promptsync track``: log and annotate requests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

import click
from msgspec.structs import replace

from promptsync.commands.shared.options import (
    given_bytes,
    variable_option,
    variables,
    variables_option,
    version_options,
)
from promptsync.commands.shared.session import Session, verb, verb_group
from promptsync.errors import Incomplete, UsageError
from promptsync.files import schema
from promptsync.files.yaml import load
from promptsync.files.yaml.load import NESTING, InvalidFile, Loaded
from promptsync.project.target import At
from promptsync.prompt.limits import checked_depth
from promptsync.prompt.prompt import Problem
from promptsync.registry.errors import FateUnknown
from promptsync.show.outcome import Outcome
from promptsync.terminal import output

if TYPE_CHECKING:
    from promptsync.registry.protocol import Tracking


@verb_group("track")
def command() -> None:
    """Log and annotate the requests that an application sends to a model.

    \b
    id=$(promptsync track request request.json)
    promptsync track score "$id" 90 --name tone
    """


def _request(_: click.Context, __: click.Parameter, value: str | None) -> int | str | None:
    """Return an id as the registry printed it: a positive number, or text."""
    text = (value or "").strip()
    is_number = text.isascii() and text.removeprefix("-").isdigit()
    if value is not None and (not text or (is_number and int(text) < 1)):
        raise UsageError(f"{value!r} is not a request id", hint="promptsync track request FILE")
    return int(text) if is_number else text or None


_request_id = click.argument("request_id", metavar="ID", callback=_request)


@contextmanager
def _tracking(
    session: Session, what: str, outcome: str = "set", hint: str = "run it again; it sets the same values"
) -> Iterator[Tracking]:
    with session.project(needs_config=False) as project:
        try:
            yield project.registry.tracking
        except FateUnknown as error:
            unknown = f"the {what} may or may not have been {outcome}: {error.message}"
            raise Incomplete(unknown, hint=hint, code=error.code) from None


@verb("request", parent=command, short_help="Log a request and print its id.")
@click.argument("file", metavar="FILE|-")
def request_command(session: Session, file: str) -> Outcome:
    """Log the request in the JSON file FILE (- for stdin), and print its id.

    The file is validated before it is sent; promptsync schema request prints its schema.

    \b
    promptsync track request request.json
    my-application | promptsync track request -
    """
    request = read_request(given_bytes(session, file), "stdin" if file == "-" else file)
    with _tracking(session, "request", "logged", "logging it again may log it twice") as tracking:
        request_id = tracking.log_request(request)
    return Outcome([str(request_id)], {"request_id": request_id})


@verb("prompt", parent=command, short_help="Set the prompt that a request used.")
@_request_id
@click.argument("name", metavar="NAME")
@version_options
@variable_option
@variables_option
def prompt_command(
    session: Session,
    request_id: int | str,
    name: str,
    at: At,
    assignments: tuple[str, ...],
    source: str | None,
) -> Outcome:
    """Set the prompt NAME, and the values of its variables, that the request ID used.

    \b
    promptsync track prompt 8801 support/refund --label prod --var question="Where is it?"
    """
    values = variables(session, assignments, source)
    with _tracking(session, "prompt") as tracking:
        tracking.track(
            request_id,
            "prompt",
            prompt_name=name,
            version=at.number,
            label=at.label,
            prompt_input_variables=values or None,
        )
    body = {"request_id": request_id, "name": name, "version": at.number, "label": at.label}
    return Outcome([f"request {request_id}: prompt {output.name(name)}"], {**body, "variables": values})


@verb("score", parent=command, short_help="Score a request.")
@_request_id
@click.argument("score", metavar="N", type=click.IntRange(0, 100))
@click.option("--name", metavar="NAME", help="Name of the score (default: the registry's, 'default').")
def score_command(session: Session, request_id: int | str, score: int, name: str | None) -> Outcome:
    """Score the request ID with N, 0 to 100. A score of the same name is replaced.

    \b
    promptsync track score 8801 90 --name tone
    """
    if name is not None and not name.strip():
        raise UsageError("--name is empty", hint="drop --name for the default score")
    with _tracking(session, "score") as tracking:
        tracking.track(request_id, "score", score=score, name=name)
    named = f" for {output.name(name)}" if name is not None else ""
    body = {"request_id": request_id, "score": score, "name": name}
    return Outcome([f"request {request_id}: score {score}{named}"], body)


@verb("metadata", parent=command, short_help="Set metadata of a request.")
@_request_id
@click.argument("pairs", nargs=-1, required=True, metavar="KEY=VALUE...")
def metadata_command(session: Session, request_id: int | str, pairs: tuple[str, ...]) -> Outcome:
    """Set metadata of the request ID, as text. The value of an existing key is replaced.

    \b
    promptsync track metadata 8801 user=42 channel=mail
    """
    metadata = dict(map(_pair, pairs))
    with _tracking(session, "metadata") as tracking:
        tracking.track(request_id, "metadata", metadata=metadata)
    body = {"request_id": request_id, "metadata": metadata}
    return Outcome([f"request {request_id}: {', '.join(map(output.name, metadata))}"], body)


def _pair(text: str) -> tuple[str, str]:
    key, sign, value = text.partition("=")
    if not sign or not key:
        hint = "promptsync track metadata 8801 user=42"
        raise UsageError(f"{text} is not of the form KEY=VALUE", hint=hint)
    return key, value


@verb("group", parent=command, short_help="Add a request to a group, or create a group.")
@click.argument("request_id", metavar="[ID]", callback=_request, required=False)
@click.argument("group_id", metavar="[GROUP]", type=click.IntRange(1), required=False)
@click.option("--new", is_flag=True, help="Create a group and print its id.")
def group_command(session: Session, request_id: int | str | None, group_id: int | None, new: bool) -> Outcome:
    """Add the request ID to the group GROUP, or with --new to a new group, whose id is printed.

    \b
    group=$(promptsync track group --new)
    promptsync track group 8801 "$group"
    """
    if new == (group_id is not None) or (request_id is None and not new):
        message = "pass the ids of a request and a group, or --new"
        raise UsageError(message, hint="promptsync track group 8801 614")
    group = group_id
    if group is None:
        with _tracking(session, "group", "created", "creating another one does no harm") as tracking:
            group = tracking.create_group()
    if request_id is not None:
        with _tracking(session, "group") as tracking:
            tracking.track(request_id, "group", group_id=group)
    lines = [str(group) if new else f"request {request_id}: group {group}"]
    return Outcome(lines, {"request_id": request_id, "group_id": group})


def read_request(data: bytes, path: str) -> dict[str, Any]:
    """Return the request in a JSON document, ready to be sent.

    Raises ``InvalidFile`` with every problem and its position.
    """
    if len(data) > load.MAX_BYTES:
        raise load.too_large(path)
    place = (1, 1)
    try:
        text = data.decode("utf-8-sig")
        request: dict[str, Any] = checked_depth(json.loads(text, parse_constant=_refused))
    except UnicodeDecodeError as error:
        message = f"The file is not UTF-8: byte {error.start} cannot be read."
    except json.JSONDecodeError as error:
        message, place = f"This is not JSON: {error.msg}.", (error.lineno, error.colno)
    except RecursionError:
        message = NESTING
    except ValueError as error:
        message = f"This is not JSON: {error}."
    else:
        # Places of problems are found by reading the text as YAML, which allows fewer tabs than JSON.
        problems = schema.check(Loaded(request, text.replace("\t", " ")), path, "request")
        if not problems:
            return request
        hint = 'Write text as [{"type": "text", "text": "…"}].'
        raise InvalidFile(
            replace(problem, hint=hint) if ".content must be a list" in problem.message else problem
            for problem in problems
        )
    raise InvalidFile([Problem(path, *place, "json", message)])


def _refused(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a JSON number")
