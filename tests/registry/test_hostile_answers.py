"""Responses that no registry should send: each verb fails with a sentence, and writes nothing."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest
from mutations import Change, aligned, meeting, mutated
from scripted_registry import Reply, Seen
from worlds import Fault, World, asking, fault

VERBS = ("status", "push -y", "pull -y", "ls-remote", "log greet", "label list greet", "deploy -n", "doctor")
"""Those that read the list of prompts. What doctor finds is its result, so it exits with 1."""


@cache
def bomb(size: int = 1 << 28) -> bytes:
    """Four times as many blanks as the largest response has bytes; nobody reads as far as the checksum."""
    packer, blanks = zlib.compressobj(9, wbits=16 + zlib.MAX_WBITS), b" " * (1 << 20)
    first, more = (packer.compress(blanks) + packer.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    return first + more * (size >> 20) + packer.flush()


def packed(content: bytes, encoding: str = "gzip") -> Reply:
    return Reply(content, headers={"Content-Encoding": encoding})


def nested(levels: int, start: str = '{"a":', inside: str = "1", end: str = "}") -> str:
    return start * levels + inside + end * levels


BODIES: dict[str, tuple[Callable[[], Reply], str]] = {
    "an HTML page": (lambda: Reply("<!DOCTYPE html><title>Sign in</title>"), "an HTML page"),
    "nothing": (lambda: Reply(""), "an empty body"),
    "white space": (lambda: Reply(" \n "), "an empty body"),
    "null": (lambda: Reply("null"), "expected a list of objects"),
    "a number": (lambda: Reply("7"), "expected a list of objects"),
    "a text": (lambda: Reply('"ok"'), "expected a list of objects"),
    "true": (lambda: Reply("true"), "expected a list of objects"),
    "half of a response": (lambda: Reply('{"items": [{"id": 1'), "expected JSON"),
    "two documents": (lambda: Reply("{}{}"), "expected JSON"),
    "a comment": (lambda: Reply('{"items": [] /* none */}'), "expected JSON"),
    "NaN after half of a surrogate pair": (lambda: Reply('{"a": "\\ud800", "total": NaN}'), "expected JSON"),
    "infinity after a byte order mark": (lambda: Reply(b'\xef\xbb\xbf{"total": 1e999}'), "expected JSON"),
    "NaN": (lambda: Reply('{"items": [], "total": NaN}'), "expected JSON"),
    "infinity": (lambda: Reply('{"items": [], "total": -Infinity}'), "expected JSON"),
    "a float without end": (lambda: Reply('{"items": [], "total": 1e999}'), "expected JSON"),
    "a number of 100,000 digits": (lambda: Reply(f'{{"items": [], "a": {"9" * 100_000}}}'), "expected JSON"),
    "100,000 lists in one another": (lambda: Reply(nested(100_000, "[", "", "]")), "expected JSON"),
    "100,000 objects in one another": (lambda: Reply(nested(100_000)), "expected JSON"),
    "bytes that are no UTF-8": (lambda: Reply(b'{"items": ["\xff\xfe"]}'), "expected JSON"),
    "zero bytes": (lambda: Reply(b"\0" * 1000), "expected JSON"),
    "a failure with status 200": (lambda: Reply({"success": False, "message": "no"}), "expected a list"),
    "an object in place of the list": (lambda: Reply({"items": {"0": {}}}), "expected a list of objects"),
    "a text in place of the list": (lambda: Reply({"items": "none"}), "expected a list of objects"),
    "a list of numbers": (lambda: Reply({"items": [1, 2]}), "expected a list of objects"),
    "a list of nulls": (lambda: Reply({"items": [None]}), "expected a list of objects"),
    "an empty list that has items": (lambda: Reply({"items": [], "total": 7}), "the list kept changing"),
    "no list that has items": (lambda: Reply({"items": None, "total": 7}), "the list kept changing"),
    "a gzip bomb": (lambda: packed(bomb()), "is larger than 64 MB"),
    "a gzip bomb in a gzip": (
        lambda: packed(gzip.compress(bomb()), "gzip, gzip"),
        "is encoded as 'gzip, gzip'",
    ),
    "a gzip bomb of what is no gzip": (lambda: packed(b"not packed"), "cannot be decoded"),
    "half of a gzip": (lambda: packed(gzip.compress(b'{"items": []}' * 9)[:-9]), "ends early"),
    "an encoding that was not asked for": (lambda: packed(b"\x1b", "br"), "is encoded as 'br'"),
    "70 MB": (lambda: Reply(b" " * 70_000_000), "is larger than 64 MB"),
    "a million empty lists": (lambda: Reply(b'{"items": [' + b"[]," * 300_000 + b"[]]}"), "expected"),
    "over two million values": (
        lambda: Reply(b'{"items": [' + b"1," * 2_100_000 + b"1]}"),
        "at most 2,000,000",
    ),
}


def answer(reply: Callable[[], Reply]) -> Fault:
    """Large replies are made when they are needed."""
    return lambda seen, forward: reply()


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with aligned(tmp_path_factory.mktemp("hostile")) as world:
        yield world


def check_refused(world: World, fault: Fault, line: str, words: str) -> None:
    """Run a command that must fail with a sentence, and neither write nor publish anything."""
    before, writes = world.files(), len(world.writes)
    done = meeting(world, fault, line)
    assert done.code == (1 if line == "doctor" else 4), str(done)
    assert words in " ".join((done.out + done.err).split()), str(done)
    assert (world.files(), len(world.writes)) == (before, writes)


def with_verbs(table: dict[str, tuple[Any, str]]) -> list[Any]:
    """The rows of a table, each with one verb: all verbs read the list alike."""
    names = list(table)
    lines = [VERBS[number % len(VERBS)] for number in range(len(names))]
    return [
        pytest.param(*table[name], line, id=f"{name}-{line}") for name, line in zip(names, lines, strict=True)
    ]


@pytest.mark.parametrize(("reply", "words", "line"), with_verbs(BODIES))
def test_a_response_that_cannot_be_used_is_refused(
    copy: World, reply: Callable[[], Reply], words: str, line: str
) -> None:
    check_refused(copy, fault(lambda seen: seen.path == "/prompt-templates", answer(reply)), line, words)


@pytest.mark.parametrize("line", ["log greet", "diff greet@1 plain"])
@pytest.mark.parametrize("name", [name for name in BODIES if "expected a list" not in BODIES[name][1]])
def test_a_version_that_cannot_be_used_is_refused(copy: World, name: str, line: str) -> None:
    for path in (copy.root / ".promptsync").rglob("cache/**/*.json"):
        path.unlink()
    reply = answer(BODIES[name][0])
    check_refused(copy, fault(asking("GET", "resolve_snippets"), reply), line, "cannot read the prompt")


# -- one item of the list ------------------------------------------------------------------------------------


def in_first(**more: Any) -> Change:
    """Change the first item of the list of prompts."""

    def change(seen: Seen, body: Any) -> Any:
        if seen.path == "/prompt-templates" and seen.method == "GET" and body["items"]:
            body["items"][0].update(more)
        return body

    return change


ITEMS: dict[str, tuple[dict[str, Any], str]] = {
    "no id": ({"id": None}, "id is missing"),
    "an id that is true": ({"id": True}, "id is missing or of the wrong type"),
    "an id of 31 digits": ({"id": 10**30}, "id is missing or of the wrong type"),
    "an id that is a list": ({"id": [1]}, "id is missing"),
    "no name": ({"prompt_name": None}, "prompt_name is missing"),
    "a name that is a number": ({"prompt_name": 7}, "prompt_name is missing or of the wrong type"),
    "a name that is a list": ({"prompt_name": ["greet"]}, "prompt_name is missing"),
    "version 0": ({"version": 0}, "version is missing or of the wrong type"),
    "a negative version": ({"version": -4}, "version is missing or of the wrong type"),
    "version 10^9": ({"version": 10**9}, "version is missing or of the wrong type"),
    "metadata that is a list": ({"metadata": [1]}, "metadata is not an object"),
    "metadata that is a text": ({"metadata": "x"}, "metadata is not an object"),
    "tags that are a text": ({"tags": "a,b"}, "tags is not a list"),
    "tags that are numbers": ({"tags": [1]}, "tags is not a list of strings"),
    "messages that are null": (
        {"prompt_template": {"type": "chat", "messages": None}},
        "messages is missing",
    ),
    "messages that are text": ({"prompt_template": {"type": "chat", "messages": "x"}}, "messages is missing"),
}


@pytest.mark.parametrize(("change", "words", "line"), with_verbs(ITEMS))
def test_a_prompt_without_an_identity_or_of_another_shape_is_refused(
    copy: World, change: dict[str, Any], words: str, line: str
) -> None:
    check_refused(copy, mutated(in_first(**change)), line, words)


@pytest.mark.parametrize("totals", [{}, {"pages": None, "total": None, "has_next": None}])
def test_the_message_shows_the_item_and_not_another_page(copy: World, totals: dict[str, Any]) -> None:
    def change(seen: Seen, body: Any) -> Any:
        body = in_first(id=None)(seen, body)
        return body | totals if seen.path == "/prompt-templates" else body

    check_refused(
        copy,
        mutated(change),
        "status",
        '(id is missing or of the wrong type), but the registry returned the item {"id": null, ',
    )


GONE = {
    "log greet": (4, "lists 'greet' at v1, but has none of its versions from v1 down"),
    "log greet -p": (4, "has none of its versions"),
    "show greet": (2, "'greet' has no version 1"),
    "diff greet@1 plain": (2, "'greet' has no version 1"),
    "log greet@1": (4, "has none of its versions"),
    "bump tone --to 1": (2, "'tone' has no version 1"),
}


@pytest.mark.parametrize("line", GONE)
def test_a_listed_prompt_that_is_not_found_is_no_bug(copy: World, line: str) -> None:
    """As after somebody deleted it for good, while the list is cached."""
    for path in (copy.root / ".promptsync").rglob("cache/**/*.json"):
        path.unlink()
    gone = Reply({"success": False, "message": "Prompt template not found"}, 404)
    gone_path = re.compile("/prompt-templates/[0-9]+")
    done = meeting(copy, fault(lambda seen: bool(gone_path.fullmatch(seen.path)), gone), line)
    code, words = GONE[line]
    assert done.code == code, str(done)
    assert words in " ".join(done.err.split()), str(done)


ODD: dict[str, Any] = {
    "messages that are numbers": {"type": "chat", "messages": [1, 2.5, None, "x"]},
    "content that is a number": {"type": "chat", "messages": [{"role": "user", "content": 7}]},
    "blocks that are numbers": {"type": "chat", "messages": [{"role": "user", "content": [1, None]}]},
    "a format of a message that is a list": {
        "type": "chat",
        "messages": [{"role": "user", "content": "x", "template_format": ["jinja2"]}],
    },
    "messages of a completion that are a number": {"type": "completion", "content": [], "messages": 0.5},
    "a role that is a list": {"type": "chat", "messages": [{"role": ["user"], "content": "x"}]},
    "half of a surrogate pair": {"type": "completion", "content": [{"type": "text", "text": "\ud800"}]},
    "an integer of 4,000 digits": {"type": "completion", "content": [], "extra": int("9" * 4000)},
    "a type that is a number": {"type": 7, "content": "x"},
    "a format that is a list": {"type": "completion", "content": "x", "template_format": ["jinja2"]},
    "tools that are numbers": {"type": "chat", "messages": [], "tools": [1, "x", None]},
    "tools that are text": {"type": "chat", "messages": [], "tools": "x"},
    "functions that are text": {"type": "chat", "messages": [], "functions": "x", "function_call": 7},
}
"""Templates that can be read, although they make no sense."""


@pytest.mark.parametrize("line", [*VERBS, "diff", "status --label prod", "ls-remote --json", "show greet"])
@pytest.mark.parametrize("template", ODD.values(), ids=list(ODD))
def test_a_template_that_makes_no_sense_is_no_bug(copy: World, template: Any, line: str) -> None:
    def change(seen: Seen, body: Any) -> Any:
        for prompt in body.get("items", [body]) if isinstance(body, dict) else ():
            if prompt.get("prompt_name") == "greet" and "prompt_template" in prompt:
                prompt["prompt_template"] = template
        return body

    before = copy.files()
    done = meeting(copy, mutated(change, "GET"), line)
    for path, content in before.items():
        (copy.root / path).write_bytes(content)
    assert done.code in (0, 1, 3, 4), str(done)
    assert done.code == 0 or done.err or line == "doctor" or "invalid  greet" in done.out
    assert len(copy.writes) == 0 or line == "push -y"
