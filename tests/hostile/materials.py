"""Hostile inputs, from a seed: files, answers of a registry, git, private files, the environment."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import yaml

DEEP = 5_000

PIECES: tuple[bytes, ...] = (
    b"[" * DEEP,
    b"{a: " * DEEP,
    b"- " * DEEP,
    b"x: &a [1, 2]\ny: *a\n",
    b"a: &a [x,x,x,x]\nb: &b [*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c]\n",
    b"n: " + b"9" * 20_000 + b"\n",
    b"n: " + b":".join([b"59"] * 6_000) + b"\n",
    b"n: !!python/object/apply:os.system [exit]\n",
    b"n: !!binary Zg==\n",
    b"<<: {name: other}\n",
    b"\xff\xfe\x00",
    b"\xed\xa0\x80",
    b"\x00",
    b"\t\t",
    b"\r",
    b"\xc2\x85\xe2\x80\xa8",
    b"<<<<<<< yours\n",
    b"=======\n",
    b">>>>>>> registry v2\n",
    b"---\n...\n",
    b"name: [1]\nname: 2\n",
    b"? [a, b]\n: c\n",
    b"content: '{{ [\"a\" * 1000000] * 100000 }}'\n",
    b"content: '@@@a@@@ @@@support/refund@@@ @@@support/refund@version_number:99999999999999@@@'\n",
    b"examples: [{name: {{{{}}}}}]\n",
    b"synced: {'': [99999999999-0000000, 1-]}\n",
    b"template_format: [jinja2]\n",
    b"key: |2-\n x\n",
    b'"\\ud800": 1\n',
)

VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63, 10**400, 0.0, -0.0, 1e308, float("nan"), float("inf")),
    *(
        "",
        " ",
        "1",
        "0x1",
        "\x00",
        "\x1b[31m",
        "\ud800",
        "x" * 100_000,
        "../../etc/passwd",
        "@@@a@@@",
        "é\u202e",
    ),
    *([], [None], [[]], {}, {"": ""}, {"a": {"b": {"c": None}}}),
)


def nested(depth: int) -> Any:
    found: Any = "x"
    for _ in range(depth):
        found = [found]
    return found


def broken_bytes(random: Random, data: bytes) -> bytes:
    """Return a file's bytes with one to four things wrong."""
    for _ in range(random.randint(1, 4)):
        at, to = sorted(random.randrange(len(data) + 1) for _ in range(2))
        match random.randrange(6):
            case 0:
                data = data[:at]
            case 1:
                data = data[:at] + data[to:]
            case 2:
                data = data[:at] + bytes([random.randrange(256)]) + data[at + 1 :]
            case 3:
                data = data[:to] + data[at:to] + data[to:]
            case _:
                # Most pieces only mean something on a line of their own.
                start = data.rfind(b"\n", 0, at) + 1 if random.random() < 0.7 else at
                data = data[:start] + random.choice(PIECES) + data[start:]
    return data


def broken_values(random: Random, data: bytes) -> bytes:
    """Return a file in JSON, which is valid YAML, with one to three values that no prompt has."""
    return json.dumps(broken_json(random, yaml.safe_load(data)), indent=1).encode()


def broken_json(random: Random, value: Any) -> Any:
    """Return JSON in which one to three values are replaced, missing or repeated."""
    places = list(_places(value))
    for _ in range(random.randint(1, 3)):
        parent, key = random.choice(places)
        match random.randrange(6):
            case 0 if isinstance(parent, dict):
                parent.pop(key, None)
            case 1 if isinstance(parent, list):
                parent.append(parent[key] if key < len(parent) else None)
            case 2 if isinstance(parent, dict) and isinstance(key, str):
                head, *rest = key.split("_")
                parent[head + "".join(map(str.title, rest))] = parent.pop(key, None)
            case 3 if random.random() < 0.2:
                parent[key if isinstance(parent, dict) else slice(0, 0)] = nested(
                    random.choice((90, 150, 900))
                )
            case _:
                if isinstance(parent, dict) or key < len(parent):
                    parent[key] = random.choice(VALUES)
    return value


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in list(pairs):
        yield value, key
        yield from _places(item)


STATUSES = (200, 201, 204, 301, 400, 401, 403, 404, 405, 409, 418, 422, 500)


def broken_answer(random: Random, status: int, content: bytes) -> tuple[int, bytes, dict[str, str]]:
    """Return another status, body and headers."""
    headers = {"Content-Type": "application/json"}
    match random.randrange(12):
        case 0:
            return random.choice(STATUSES), content, headers
        case 1:
            return status, content[: random.randrange(len(content) + 1)], headers
        case 2:
            page = b"<!DOCTYPE html><title>Sign in</title>" + b"x" * 100
            return random.choice((200, 502)), page, {"Content-Type": "text/html"}
        case 3:
            bomb = gzip.compress(b" " * 100_000_000 + content)
            return status, bomb, {**headers, "Content-Encoding": "gzip"}
        case 4:
            return status, b"[" * 100_000, headers
        case 5:
            return (
                status,
                b"\xef\xbb\xbf" + content,
                {**headers, "Content-Encoding": random.choice(("br", "x", ""))},
            )
        case _:
            try:
                body = broken_json(random, json.loads(content))
            except (ValueError, IndexError):
                return status, content, headers
            return status, json.dumps(body).encode("utf-8", "surrogatepass"), headers


def break_files(random: Random, root: Path) -> None:
    """Break some prompt files, put odd things beside them, and maybe break the configuration."""
    files = sorted((root / "prompts").rglob("*.yaml"))
    for path in files:
        if random.random() < 0.4:
            breaks = random.choice((broken_bytes, broken_values))
            path.write_bytes(breaks(random, path.read_bytes()))
    for name, put in ODD.items():
        if random.random() < 0.15:
            put(root / "prompts" / name)
    if random.random() < 0.25:
        path = root / "promptsync.yaml"
        path.write_bytes(broken_bytes(random, path.read_bytes()))


def _loop(path: Path) -> None:
    path.symlink_to(path.name)


def _fifo(path: Path) -> None:
    os.mkfifo(path)


ODD: dict[str, Callable[[Path], None]] = {
    "loop.yaml": _loop,
    "loop": _loop,
    "up": lambda path: path.symlink_to(".."),
    "nowhere.yaml": lambda path: path.symlink_to("/nonexistent/x"),
    "null.yaml": lambda path: path.symlink_to("/dev/zero"),
    "pipe.yaml": _fifo,
    "folder.yaml": lambda path: path.mkdir(),
    "secret.yaml": lambda path: (path.write_text("name: secret\ncontent: x\n"), path.chmod(0))[0],
    "big.yaml": lambda path: path.write_bytes(b"content: |\n" + b"  word word\n" * 200_000),
    "NUL.yaml": lambda path: path.write_text("name: nul\ncontent: x\n"),
    ("n" * 200) + ".yaml": lambda path: path.write_text("content: x\n"),
}
"""Names below the prompts directory, and what puts something odd there."""


def break_private_files(random: Random, root: Path) -> None:
    for path in sorted((root / ".promptsync").rglob("*")):
        if path.is_file() and not path.name.startswith("registry.db") and random.random() < 0.5:
            path.write_bytes(broken_bytes(random, path.read_bytes()))


def break_git(random: Random, root: Path, git: Callable[..., str]) -> None:
    """Make an odd history, and maybe break it."""
    for setting, value in (
        ("i18n.commitEncoding", random.choice(("UTF-16", "ISO-8859-1", "no-such", ""))),
        ("i18n.logOutputEncoding", random.choice(("ISO-8859-1", "UTF-16", ""))),
        ("core.quotePath", "true"),
        ("log.showSignature", "true"),
        ("color.ui", "always"),
    ):
        if random.random() < 0.5:
            git("config", setting, value)
    message = random.choice((b"\xe9\xff broken", b"", b"x" * 10_000, "héllo 👩‍👩‍👧\r\n\x1b[31m".encode()))
    subprocess.run(
        ["git", "-c", "user.name=\xff", "-c", "user.email=a@b", "commit", "-q", "--allow-empty",
         "--allow-empty-message", "-a", "-F", "-"],
        cwd=root, input=message, capture_output=True, check=False,
    )  # fmt: skip
    match random.randrange(8):
        case 0:
            (root / ".git" / "HEAD").write_bytes(
                random.choice((b"", b"ref: refs/heads/none\n", b"\xff" * 40))
            )
        case 1:
            objects = sorted(path for path in (root / ".git" / "objects").rglob("*") if path.is_file())
            path = random.choice(objects)
            path.chmod(0o644)
            path.write_bytes(broken_bytes(random, path.read_bytes()))
        case 2:
            (root / ".git" / "index").write_bytes(b"\x00" * 100)
        case 3:
            (root / ".git" / "config").write_bytes(b"[core\n")
        case 4:
            (root / ".git" / "shallow").write_text(git("rev-parse", "HEAD"))


def environment(random: Random) -> dict[str, str]:
    """Return odd variables."""
    odd = {
        "COLUMNS": random.choice(("0", "-1", "99999999999", "x", "1")),
        "NO_COLOR": "1",
        "CI": random.choice(("true", "0", "\x00"[:0])),
        "LANG": "C",
        "PROMPTSYNC_REMOTE": random.choice(
            ("team", "", "nobody", "local:", "https://", "http://[::1", "ftp://x")
        ),
        "GITHUB_ACTIONS": "true",
        "GITHUB_REF": random.choice(("refs/heads/main", "refs/pull/1/merge", "x")),
        "GITHUB_EVENT_PATH": random.choice(("/dev/null", "/nonexistent", "promptsync.yaml", ".")),
        "GITHUB_STEP_SUMMARY": random.choice(("/dev/full", "/nonexistent/x", ".")),
        "GITHUB_OUTPUT": random.choice(("/dev/full", ".")),
    }
    return {key: value for key, value in odd.items() if random.random() < 0.15}
