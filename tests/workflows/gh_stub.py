"""Stands for ``gh`` in tests of the workflows: sends ``gh api`` to the host that ``FAKE_GITHUB`` names."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import jq


def main(arguments: list[str]) -> int:
    token = os.environ.get("GH_TOKEN")
    if not token:
        sys.stderr.write("gh: to use GitHub CLI in a GitHub Actions workflow, set the GH_TOKEN\n")
        return 4
    if arguments == ["auth", "setup-git"]:
        return 0
    asked = options().parse_args(arguments)
    url = f"{os.environ['FAKE_GITHUB']}/{asked.endpoint}{'&' if '?' in asked.endpoint else '?'}page="
    body = json.dumps(dict(asked.fields)).encode() if asked.method != "GET" else None
    page: str | None = "1"
    while page:
        request = Request(f"{url}{page}", body, {"PRIVATE-TOKEN": token}, method=asked.method)
        try:
            with urlopen(request) as response:
                found, page = json.load(response), response.headers["X-Next-Page"]
        except HTTPError as error:
            sys.stderr.write(f"gh: {error.read().decode()} (HTTP {error.code})\n")
            return 1
        for value in [] if asked.silent else jq.compile(asked.jq).input_value(found).all():
            sys.stdout.write(f"{value if isinstance(value, str) else json.dumps(value)}\n")
        page = page if asked.paginate else None
    return 0


def options() -> argparse.ArgumentParser:
    """The arguments of ``gh api`` that our files use; another one is an error."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("command", choices=["api"])
    parser.add_argument("endpoint")
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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
