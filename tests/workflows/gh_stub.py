"""Stands for ``gh`` in the tests of the workflows: ``gh api`` and ``gh auth setup-git`` on a file.

Its state is a JSON file that ``FAKE_GITHUB`` names, with comments and pull requests, and the calls made.
"""

from __future__ import annotations

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
            assert arguments[0] == "api", arguments
            call(state, Call(arguments[1:]))
    except Answer as answer:
        sys.stderr.write(f"gh: {answer}\n")
        return 1
    finally:
        place.write_text(json.dumps(state))
    return 0


class Call:
    """The arguments of ``gh api`` that our files use; another one is an error."""

    def __init__(self, arguments: list[str]) -> None:
        self.method, self.fields, self.query = "GET", {}, ""
        self.silent = self.paginate = False
        rest = iter(arguments)
        endpoint = ""
        for one in rest:
            if one in ("--silent", "--paginate"):
                setattr(self, one[2:], True)
            elif one == "--method":
                self.method = next(rest)
            elif one == "--jq":
                self.query = next(rest)
            elif one in ("-f", "-F"):
                key, _, value = next(rest).partition("=")
                self.fields[key] = Path(value[1:]).read_text() if one == "-F" and value[0] == "@" else value
            else:
                assert not one.startswith("-") and not endpoint, arguments
                endpoint = one
        parts = urlsplit(endpoint)
        self.path = parts.path
        self.parameters = {key: values[0] for key, values in parse_qs(parts.query).items()}


def call(state: dict[str, Any], asked: Call) -> None:
    repository = f"repos/{state['repository']}"
    assert asked.path.startswith(repository), asked.path
    path = asked.path.removeprefix(repository)
    if asked.method != "GET":
        if state["token"] != "write":
            raise Answer("Resource not accessible by integration (HTTP 403)")
        if len(asked.fields.get("body", "")) > LONGEST:
            raise Answer("Validation Failed: body is too long (maximum is 65536 characters) (HTTP 422)")
    for pattern, method, handler in ROUTES:
        found = re.fullmatch(pattern, path)
        if found and method == asked.method:
            show(asked, handler(state, asked, *map(int, found.groups())))
            return
    raise Answer(f"Not Found (HTTP 404): {asked.method} {path}")


def show(asked: Call, found: Any) -> None:
    if asked.silent:
        return
    pages = [found]
    if isinstance(found, list):
        pages = [found[at : at + PAGE] for at in range(0, len(found), PAGE)] or [[]]
        pages = pages if asked.paginate else pages[:1]
    for page in pages:
        for value in jq.compile(asked.query or ".").input_value(page).all():
            sys.stdout.write(f"{value if isinstance(value, str) else json.dumps(value)}\n")


def comments(state: dict[str, Any], asked: Call, number: int) -> list[Any]:
    return [one for one in state["comments"] if one["issue"] == number]


def new_comment(state: dict[str, Any], asked: Call, number: int) -> Any:
    comment = {
        "id": 1_000 + len(state["comments"]),
        "issue": number,
        "user": {"login": BOT},
        "body": asked.fields["body"],
    }
    state["comments"].append(comment)
    return comment


def edit_comment(state: dict[str, Any], asked: Call, number: int) -> Any:
    comment = next(one for one in state["comments"] if one["id"] == number)
    if comment["user"]["login"] != BOT:
        raise Answer("a comment of somebody else was edited")
    comment["body"] = asked.fields["body"]
    return comment


def pulls(state: dict[str, Any], asked: Call) -> list[Any]:
    wanted = asked.parameters
    owner, _, head = wanted["head"].partition(":")
    assert owner == state["repository"].split("/")[0]
    keys = {"state": wanted["state"], "base": wanted["base"], "head": head}
    return [one for one in state["pulls"] if all(one[key] == value for key, value in keys.items())]


def new_pull(state: dict[str, Any], asked: Call) -> Any:
    head, base = asked.fields["head"], asked.fields["base"]
    ahead = subprocess.run(
        ["git", "--git-dir", state["origin"], "rev-list", "--count", f"{base}..{head}"],
        capture_output=True,
        text=True,
        check=True,
    )
    if ahead.stdout.strip() == "0":
        raise Answer(f"Validation Failed: No commits between {base} and {head} (HTTP 422)")
    if any(one["head"] == head and one["state"] == "open" for one in state["pulls"]):
        raise Answer(f"Validation Failed: A pull request already exists for {head} (HTTP 422)")
    pull = {**asked.fields, "number": 40 + len(state["pulls"]), "state": "open"}
    state["pulls"].append(pull)
    return pull


def edit_pull(state: dict[str, Any], asked: Call, number: int) -> Any:
    pull = next(one for one in state["pulls"] if one["number"] == number)
    assert set(asked.fields) <= {"title", "body"}
    pull.update(asked.fields)
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
