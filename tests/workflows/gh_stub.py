"""Stands for ``gh`` in the tests of the workflows: ``gh api`` and ``gh auth setup-git`` on a file.

Its state is a JSON file that ``FAKE_GITHUB`` names, with comments and pull requests, and the calls made.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jq

BOT = "github-actions[bot]"
LONGEST = 65_536
PAGE = 30


class Answer(Exception):
    """A status that is not a success."""


def main(arguments: list[str]) -> int:
    place = Path(os.environ["FAKE_GITHUB"])
    state = json.loads(place.read_text())
    if not os.environ.get("GH_TOKEN"):
        sys.stderr.write("gh: to use GitHub CLI in a GitHub Actions workflow, set the GH_TOKEN\n")
        return 4
    state["calls"].append(arguments)
    try:
        if arguments != ["auth", "setup-git"]:
            call(state, options().parse_args(arguments))
    except Answer as answer:
        sys.stderr.write(f"gh: {answer}\n")
        return 1
    finally:
        place.write_text(json.dumps(state))
    return 0


def options() -> argparse.ArgumentParser:
    """The arguments of ``gh api`` that our files use; another one is an error."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("command", choices=["api"])
    parser.add_argument("endpoint", type=urlsplit)
    parser.add_argument("--silent", action="store_true")
    parser.add_argument("--paginate", action="store_true")
    parser.add_argument("--method", default="GET")
    parser.add_argument("--jq", default=".")
    parser.add_argument(
        "-f", action="append", default=[], dest="fields", type=lambda text: text.split("=", 1)
    )
    parser.add_argument("-F", action="append", dest="fields", type=read_field)
    return parser


def read_field(text: str) -> list[str]:
    """A field whose value may be a file."""
    key, _, value = text.partition("=")
    return [key, Path(value[1:]).read_text() if value[0] == "@" else value]


def call(state: dict[str, Any], asked: argparse.Namespace) -> None:
    repository, fields = f"repos/{state['repository']}", dict(asked.fields)
    assert asked.endpoint.path.startswith(repository), asked.endpoint
    path = asked.endpoint.path.removeprefix(repository)
    if asked.method == "GET":
        fields = {key: values[0] for key, values in parse_qs(asked.endpoint.query).items()}
    elif state["token"] != "write":
        raise Answer("Resource not accessible by integration (HTTP 403)")
    elif len(fields.get("body", "")) > LONGEST:
        raise Answer("Validation Failed: body is too long (maximum is 65536 characters) (HTTP 422)")
    for pattern, method, handler in ROUTES:
        found = re.fullmatch(pattern, path)
        if found and method == asked.method:
            show(asked, handler(state, fields, *map(int, found.groups())))
            return
    raise Answer(f"Not Found (HTTP 404): {asked.method} {path}")


def show(asked: argparse.Namespace, found: Any) -> None:
    if asked.silent:
        return
    pages = [found]
    if isinstance(found, list):
        pages = [found[at : at + PAGE] for at in range(0, len(found), PAGE)] or [[]]
    for page in pages if asked.paginate else pages[:1]:
        for value in jq.compile(asked.jq).input_value(page).all():
            sys.stdout.write(f"{value if isinstance(value, str) else json.dumps(value)}\n")


def comments(state: dict[str, Any], fields: dict[str, str], number: int) -> list[Any]:
    return [comment for comment in state["comments"] if comment["issue"] == number]


def new_comment(state: dict[str, Any], fields: dict[str, str], number: int) -> Any:
    comment = {"id": 1_000 + len(state["comments"]), "issue": number, "user": {"login": BOT}, **fields}
    state["comments"].append(comment)
    return comment


def edit_comment(state: dict[str, Any], fields: dict[str, str], number: int) -> Any:
    comment = next(comment for comment in state["comments"] if comment["id"] == number)
    if comment["user"]["login"] != BOT:
        raise Answer("a comment of somebody else was edited")
    comment.update(fields)
    return comment


def pulls(state: dict[str, Any], fields: dict[str, str]) -> list[Any]:
    owner, _, head = fields["head"].partition(":")
    assert owner == state["repository"].split("/")[0]
    keys = {"state": fields["state"], "base": fields["base"], "head": head}
    return [pull for pull in state["pulls"] if keys.items() <= pull.items()]


def new_pull(state: dict[str, Any], fields: dict[str, str]) -> Any:
    head, base = fields["head"], fields["base"]
    count = ["git", "--git-dir", state["origin"], "rev-list", "--count", f"{base}..{head}"]
    if subprocess.check_output(count, text=True).strip() == "0":
        raise Answer(f"Validation Failed: No commits between {base} and {head} (HTTP 422)")
    if any(pull["head"] == head and pull["state"] == "open" for pull in state["pulls"]):
        raise Answer(f"Validation Failed: A pull request already exists for {head} (HTTP 422)")
    pull = {**fields, "number": 40 + len(state["pulls"]), "state": "open"}
    state["pulls"].append(pull)
    return pull


def edit_pull(state: dict[str, Any], fields: dict[str, str], number: int) -> Any:
    pull = next(pull for pull in state["pulls"] if pull["number"] == number)
    assert set(fields) <= {"title", "body"}
    pull.update(fields)
    return pull


ROUTES = [
    (r"/issues/(\d+)/comments", "GET", comments),
    (r"/issues/(\d+)/comments", "POST", new_comment),
    (r"/issues/comments/(\d+)", "PATCH", edit_comment),
    (r"/pulls", "GET", pulls),
    (r"/pulls", "POST", new_pull),
    (r"/pulls/(\d+)", "PATCH", edit_pull),
]

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
