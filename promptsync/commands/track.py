"""``promptsync track``: log and annotate requests."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

import click
from msgspec.structs import replace

from promptsync.commands.shared import options
from promptsync.commands.shared.groups import flag, option
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


def _set(
    session: Session,
    request_id: int | str,
    what: str,
    shown: str,
    values: Mapping[str, Any],
    body: Mapping[str, Any] | None = None,
) -> Outcome:
    """Set values of a request, which are also the body unless there is another one."""
    with _tracking(session, what) as tracking:
        tracking.track(request_id, what, **values)
    known = {"request_id": request_id, **(values if body is None else body)}
    return Outcome([f"request {request_id}: {shown}"], known)


@verb("request", parent=command, short_help="Log a request and print its id.")
@click.argument("file", metavar="FILE|-")
def request_command(session: Session, file: str) -> Outcome:
    """Log the request in the JSON file FILE (- for stdin), and print its id.

    The file is validated before it is sent; promptsync schema request prints its schema.

    \b
    promptsync track request request.json
    my-application | promptsync track request -
    """
    request = read_request(options.given_bytes(session, file), "stdin" if file == "-" else file)
    with _tracking(session, "request", "logged", "logging it again may log it twice") as tracking:
        request_id = tracking.log_request(request)
    return Outcome([str(request_id)], {"request_id": request_id})


@verb("prompt", parent=command, short_help="Set the prompt that a request used.")
@_request_id
@click.argument("name", metavar="NAME")
@options.version_options
@options.variable_options
def prompt_command(session: Session, request_id: int | str, name: str, at: At, **given: Any) -> Outcome:
    """Set the prompt NAME, and the values of its variables, that the request ID used.

    \b
    promptsync track prompt 8801 support/refund --label prod --var question="Where is it?"
    """
    values = options.variables(session, **given)
    where: dict[str, Any] = {"version": at.number, "label": at.label}
    sent = {**where, "prompt_name": name, "prompt_input_variables": values or None}
    body = {"name": name, **where, "variables": values}
    return _set(session, request_id, "prompt", f"prompt {output.name(name)}", sent, body)


@verb("score", parent=command, short_help="Score a request.")
@_request_id
@click.argument("score", metavar="N", type=click.IntRange(0, 100))
@option("--name", "NAME", "Name of the score (default: the registry's, 'default').")
def score_command(session: Session, request_id: int | str, score: int, name: str | None) -> Outcome:
    """Score the request ID with N, 0 to 100. A score of the same name is replaced.

    \b
    promptsync track score 8801 90 --name tone
    """
    if name is not None and not name.strip():
        raise UsageError("--name is empty", hint="drop --name for the default score")
    named = f" for {output.name(name)}" if name is not None else ""
    return _set(session, request_id, "score", f"score {score}{named}", {"score": score, "name": name})


@verb("metadata", parent=command, short_help="Set metadata of a request.")
@_request_id
@click.argument("pairs", nargs=-1, required=True, metavar="KEY=VALUE...")
def metadata_command(session: Session, request_id: int | str, pairs: tuple[str, ...]) -> Outcome:
    """Set metadata of the request ID, as text. The value of an existing key is replaced.

    \b
    promptsync track metadata 8801 user=42 channel=mail
    """
    metadata = dict(map(_pair, pairs))
    shown = ", ".join(map(output.name, metadata))
    return _set(session, request_id, "metadata", shown, {"metadata": metadata})


def _pair(text: str) -> tuple[str, str]:
    key, sign, value = text.partition("=")
    if not sign or not key:
        hint = "promptsync track metadata 8801 user=42"
        raise UsageError(f"{text} is not of the form KEY=VALUE", hint=hint)
    return key, value


@verb("group", parent=command, short_help="Add a request to a group, or create a group.")
@click.argument("request_id", metavar="[ID]", callback=_request, required=False)
@click.argument("group_id", metavar="[GROUP]", type=click.IntRange(1), required=False)
@flag("--new", "Create a group and print its id.")
def group_command(session: Session, request_id: int | str | None, group_id: int | None, new: bool) -> Outcome:
    """Add the request ID to the group GROUP, or with --new to a new group, whose id is printed.

    \b
    group=$(promptsync track group --new)
    promptsync track group 8801 "$group"
    """
    if new == (group_id is not None) or (request_id is None and not new):
        message = "pass the ids of a request and a group, or --new"
        raise UsageError(message, hint="promptsync track group 8801 614")
    if group_id is None:
        with _tracking(session, "group", "created", "creating another one does no harm") as tracking:
            group_id = tracking.create_group()
    body = {"group_id": group_id}
    if request_id is None:
        return Outcome([str(group_id)], {"request_id": None, **body})
    outcome = _set(session, request_id, "group", f"group {group_id}", body)
    return outcome.replaced(lines=[str(group_id)]) if new else outcome


def read_request(data: bytes, path: str) -> dict[str, Any]:
    """Return the request in a JSON document, ready to be sent.

    Raises ``InvalidFile`` with every problem and its position.
    """
    text = load.decode(data.removeprefix(codecs.BOM_UTF8), path)
    try:
        request: dict[str, Any] = checked_depth(json.loads(text, parse_constant=_refused))
    except RecursionError:
        raise InvalidFile.at(path, "json", NESTING) from None
    except ValueError as error:
        place = (error.lineno, error.colno) if isinstance(error, json.JSONDecodeError) else (1, 1)
        message = f"This is not JSON: {getattr(error, 'msg', error)}."
        raise InvalidFile([Problem(path, *place, "json", message)]) from None
    # Places of problems are found by reading the text as YAML, which allows fewer tabs than JSON.
    problems = schema.check(Loaded(request, text.replace("\t", " ")), path, "request")
    if problems:
        hint = 'Write text as [{"type": "text", "text": "…"}].'
        lists = ".content must be a list"
        raise InvalidFile(replace(one, hint=hint) if lists in one.message else one for one in problems)
    return request


def _refused(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a JSON number")
