"""Responses that no registry should send, and odd ones: a verb fails with a sentence, or shows the same."""

from __future__ import annotations

import gzip
import itertools
import json
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from itertools import count
from typing import Any

import pytest
from mutations import HARMLESS, Change, aligned, in_camel_case, in_prompts, meeting, mutated
from scripted_registry import DROPPED, Reply, Seen
from seeds import FUZZ
from worlds import Fault, World, asking, fault, publishing

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


LIST, JSON = "expected a list of objects", "expected JSON"

BODIES: dict[str, tuple[Callable[[], Reply], str]] = {
    name: (partial(Reply, body), words)
    for name, body, words in (
        (
            "an HTML page",
            "<html>\n <body>Sign in\x1b[2J",
            "an HTML page (status 200): <html> <body>Sign in\\x1b[2J",
        ),
        ("nothing", "", "an empty body"),
        ("white space", " \n ", "an empty body"),
        ("null", "null", LIST),
        ("a number", "7", LIST),
        ("a text", '"ok"', LIST),
        ("half of a response", '{"items": [{"id": 1', JSON),
        ("two documents", "{}{}", JSON),
        ("a comment", '{"items": [] /* none */}', JSON),
        ("NaN after half of a surrogate pair", '{"a": "\\ud800", "total": NaN}', JSON),
        ("infinity after a byte order mark", b'\xef\xbb\xbf{"total": 1e999}', JSON),
        ("infinity", '{"items": [], "total": -Infinity}', JSON),
        ("a number of 100,000 digits", f'{{"items": [], "a": {"9" * 100_000}}}', JSON),
        ("100,000 lists in one another", "[" * 100_000 + "]" * 100_000, JSON),
        ("100,000 objects in one another", '{"a":' * 100_000 + "1" + "}" * 100_000, JSON),
        ("bytes that are no UTF-8", b'{"items": ["\xff\xfe"]}', JSON),
        ("zero bytes", b"\0" * 1000, JSON),
        ("a failure with status 200", {"success": False, "message": "no"}, "expected a list"),
        ("an object in place of the list", {"items": {"0": {}}}, LIST),
        ("a text in place of the list", {"items": "none"}, LIST),
        ("a list of numbers", {"items": [1, 2]}, LIST),
        ("a list of nulls", {"items": [None]}, LIST),
        ("an empty list that has items", {"items": [], "total": 7}, "the list kept changing"),
        ("no list that has items", {"items": None, "total": 7}, "the list kept changing"),
        ("a million empty lists", b'{"items": [' + b"[]," * 300_000 + b"[]]}", "expected"),
    )
} | {
    "a gzip bomb": (lambda: packed(bomb()), "is larger than 64 MB"),
    "a gzip bomb in a gzip": (lambda: packed(gzip.compress(bomb()), "gzip, gzip"), "encoded as 'gzip, gzip'"),
    "a gzip bomb of what is no gzip": (lambda: packed(b"not packed"), "cannot be decoded"),
    "half of a gzip": (lambda: packed(gzip.compress(b'{"items": []}' * 9)[:-9]), "ends early"),
    "an encoding that was not asked for": (lambda: packed(b"\x1b", "br"), "is encoded as 'br'"),
    "70 MB": (lambda: Reply(b" " * 70_000_000), "is larger than 64 MB"),
    "over two million values": (lambda: Reply(b"[" + b"1," * 2_100_000 + b"1]"), "at most 2,000,000"),
}
"""What is sent, and words of the error. Large replies are made when they are needed."""


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


def with_verbs(table: dict[str, Any], verbs: Sequence[str] = VERBS, each: int = 1) -> Any:
    """The names of a table, each with some of the verbs, because all of them read the list alike."""
    turn = itertools.cycle(verbs)
    rows = [(name, next(turn)) for name in table for _ in range(len(verbs) if FUZZ else each)]
    return pytest.mark.parametrize(("name", "line"), rows)


@with_verbs(BODIES)
def test_a_response_that_cannot_be_used_is_refused(copy: World, name: str, line: str) -> None:
    reply, words = BODIES[name]
    answer = fault(lambda seen: seen.path == "/prompt-templates", lambda seen, forward: reply())
    check_refused(copy, answer, line, words)


def forget_versions(copy: World) -> None:
    for path in (copy.root / ".promptsync").rglob("cache/**/*.json"):
        path.unlink()


@with_verbs(
    {name: row for name, row in BODIES.items() if row[1] != LIST}, ["log greet", "diff greet@1 plain"]
)
def test_a_version_that_cannot_be_used_is_refused(copy: World, name: str, line: str) -> None:
    forget_versions(copy)
    answer = fault(asking("GET", "resolve_snippets"), lambda seen, forward: BODIES[name][0]())
    check_refused(copy, answer, line, "cannot read the prompt")


# -- one item of the list ------------------------------------------------------------------------------------


def in_first(**more: Any) -> Change:
    """Change the first item of the list of prompts."""

    def change(seen: Seen, body: Any) -> Any:
        if seen.path == "/prompt-templates" and seen.method == "GET" and body["items"]:
            body["items"][0].update(more)
        return body

    return change


WRONG = "is missing or of the wrong type"
ITEMS: dict[str, tuple[dict[str, Any], str]] = {
    "no id": ({"id": None}, f'id {WRONG}), but the registry returned the item {{"id": null, '),
    "an id that is true": ({"id": True}, f"id {WRONG}"),
    "an id of 31 digits": ({"id": 10**30}, f"id {WRONG}"),
    "an id that is a list": ({"id": [1]}, f"id {WRONG}"),
    "no name": ({"prompt_name": None}, f"prompt_name {WRONG}"),
    "a name that is a number": ({"prompt_name": 7}, f"prompt_name {WRONG}"),
    "a name that is a list": ({"prompt_name": ["greet"]}, f"prompt_name {WRONG}"),
    "version 0": ({"version": 0}, f"version {WRONG}"),
    "a negative version": ({"version": -4}, f"version {WRONG}"),
    "version 10^9": ({"version": 10**9}, f"version {WRONG}"),
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


@with_verbs(ITEMS)
def test_a_prompt_without_an_identity_or_of_another_shape_is_refused(
    copy: World, name: str, line: str
) -> None:
    """The message shows the item, also where the list says nothing about its pages."""
    changes, words = ITEMS[name]
    for totals in ({}, {"pages": None, "total": None, "has_next": None}):
        in_list = in_first(**changes)

        def change(seen: Seen, body: Any, more: Any = totals, in_list: Change = in_list) -> Any:
            body = in_list(seen, body)
            return body | more if seen.path == "/prompt-templates" else body

        check_refused(copy, mutated(change), line, words)


GONE = {
    "log greet": (4, "lists 'greet' at v1, but has none of its versions from v1 down"),
    "log greet -p": (4, "has none of its versions"),
    "show greet": (2, "'greet' has no version 1"),
    "diff greet@1 plain": (2, "'greet' has no version 1"),
    "log greet@1": (4, "has none of its versions"),
    "bump tone --to 1": (2, "'tone' has no version 1"),
}


def test_a_listed_prompt_that_is_not_found_is_no_bug(copy: World) -> None:
    """As after somebody deleted it for good, while the list is cached."""
    forget_versions(copy)
    gone = Reply({"success": False, "message": "Prompt template not found"}, 404)
    gone_path = re.compile("/prompt-templates/[0-9]+")
    for line, (code, words) in GONE.items():
        done = meeting(copy, fault(lambda seen: bool(gone_path.fullmatch(seen.path)), gone), line)
        assert done.code == code, str(done)
        assert words in " ".join(done.err.split()), str(done)


def chat_of(**message: Any) -> dict[str, Any]:
    return {"type": "chat", "messages": [{"role": "user", "content": "x", **message}]}


def completion_of(content: Any = "x", **more: Any) -> dict[str, Any]:
    return {"type": "completion", "content": content, **more}


ODD: dict[str, Any] = {
    "messages that are numbers": {"type": "chat", "messages": [1, 2.5, None, "x"]},
    "content that is a number": chat_of(content=7),
    "blocks that are numbers": chat_of(content=[1, None]),
    "a format of a message that is a list": chat_of(template_format=["jinja2"]),
    "messages of a completion that are a number": completion_of([], messages=0.5),
    "a role that is a list": chat_of(role=["user"]),
    "half of a surrogate pair": completion_of([{"type": "text", "text": "\ud800"}]),
    "an integer of 4,000 digits": completion_of([], extra=int("9" * 4000)),
    "a type that is a number": {"type": 7, "content": "x"},
    "a format that is a list": completion_of(template_format=["jinja2"]),
    "tools that are numbers": {"type": "chat", "messages": [], "tools": [1, "x", None]},
    "tools that are text": {"type": "chat", "messages": [], "tools": "x"},
    "functions that are text": {"type": "chat", "messages": [], "functions": "x", "function_call": 7},
}
"""Templates that can be read, although they make no sense."""


@with_verbs(ODD, [*VERBS, "diff", "status --label prod", "ls-remote --json", "show greet"], each=5)
def test_a_template_that_makes_no_sense_is_no_bug(copy: World, name: str, line: str) -> None:
    before = copy.files()
    done = meeting(copy, mutated(in_prompts("greet", prompt_template=ODD[name]), "GET"), line)
    for path, content in before.items():
        (copy.root / path).write_bytes(content)
    assert done.code in (0, 1, 3, 4), str(done)
    assert done.code == 0 or done.err or line == "doctor" or "invalid  greet" in done.out
    assert len(copy.writes) == 0 or line == "push -y"


# -- odd responses ------------------------------------------------------------------------------------------


READING = (
    "status --exit-code",
    "diff",
    "push --dry-run",
    "pull --dry-run",
    "ls-remote",
    "log greet",
    "show reply",
    "label list",
    "render greet --from-registry --var name=Ada",
    "deploy --dry-run",
    "eval list",
    "agent list",
    "dataset list",
)
RUNNING = ("eval run polite", "agent run bot --var name=Ada")


@pytest.fixture(scope="module")
def steady(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with aligned(tmp_path_factory.mktemp("mutated")) as world:
        yield world


def shown(world: World, line: str) -> tuple[int, Any]:
    """The exit code and the document of a command, without the ids of runs."""
    done = world.run(*line.split(), "--json")
    document = json.loads(done.out)
    for evaluation in document.get("evaluations", ()):
        del evaluation["runs"]  # each of these tests adds one
    for run in document.get("runs", ()):
        for key in ("report_id", "execution_id", "seconds", "request_ids"):
            run.pop(key, None)
    return done.code, document


@pytest.fixture(scope="module")
def plain(steady: World) -> dict[str, tuple[int, Any]]:
    """What each command shows if nothing is mutated."""
    documents = {line: shown(steady, line) for line in (*READING, *RUNNING)}
    assert {code for code, _ in documents.values()} == {0}
    return documents


@pytest.mark.parametrize("change", HARMLESS.values(), ids=list(HARMLESS))
def test_a_mutation_without_a_meaning_changes_nothing(
    steady: World, plain: dict[str, tuple[int, Any]], change: Change
) -> None:
    steady.faults[:] = [mutated(change)]
    try:
        for line in (*READING, *RUNNING):
            assert shown(steady, line) == plain[line], line
        assert steady.run("doctor", "-q").code == 0
    finally:
        steady.faults.clear()


def test_another_apis_names_fail_with_a_sentence(steady: World) -> None:
    before = len(steady.writes)
    # What doctor finds is its result, so it exits with 1. Names and ids are single words, so these lists are
    # understood, without what is optional. What was started without a readable id is unknown.
    expected = {"doctor": 1, "dataset list": 0, "eval list": 0, "agent list": 0} | dict.fromkeys(RUNNING, 5)
    moves = ("rollback greet --label prod -y", "promote prod beta -y")
    for line in (*READING, "doctor", *moves, *RUNNING):
        done = meeting(steady, mutated(in_camel_case), line)
        assert done.code == expected.get(line, 4), str(done)
        assert done.code != 4 or "expected" in done.err or "without" in done.err, done.err
        assert len(steady.writes) == before or line in RUNNING, line


# -- answers to a push --------------------------------------------------------------------------------------


def old_list(times: int) -> Fault:
    """Let the list stay as it is now, for so many requests after the next publish."""
    before: dict[str, Reply] = {}
    left = [times]
    is_published = [False]

    def answer(seen: Seen, forward: Callable[[Seen], Reply]) -> Reply | None:
        is_published[0] |= publishing()(seen)
        if seen.path != "/prompt-templates":
            return None
        if not is_published[0]:
            before[seen.target] = forward(seen)
        elif seen.target in before and left[0] > 0:
            left[0] -= 1
            return before[seen.target]
        return None

    return answer


def on_every_fifth(reply: Reply) -> Fault:
    """Send this in place of each fifth response, and do nothing."""
    numbers = count(1)
    return lambda seen, forward: reply if next(numbers) % 5 == 0 else None


def after_publish(reply: Callable[[], Reply]) -> Fault:
    """Publish, and send this."""
    return fault(publishing(), lambda seen, forward: reply(), after=True)


ANSWERS: dict[str, Callable[[], Fault]] = {
    "the list lags behind once": lambda: old_list(1),
    "the list lags behind twice": lambda: old_list(2),
    "the list lags behind for good": lambda: old_list(999),
    "a dropped connection on every fifth request": lambda: on_every_fifth(DROPPED),
    "numbers as text": lambda: mutated(HARMLESS["numbers as text"]),
    "null in place of empty lists": lambda: mutated(HARMLESS["null in place of empty lists"]),
    "another API's names after the publish": lambda: mutated(in_camel_case, "POST"),
    "a bomb after the publish": lambda: after_publish(lambda: packed(bomb())),
    "NaN after the publish": lambda: after_publish(lambda: Reply('{"id": NaN}')),
}
"""What the registry does from the first request of a push on."""


@pytest.mark.parametrize("answers", ANSWERS.values(), ids=list(ANSWERS))
def test_a_push_blames_nobody_for_what_the_registry_returns(
    world: World, answers: Callable[[], Fault]
) -> None:
    world.write("other")
    world.write("changed", commit="Add prompts")
    world.ok("push")
    for name in ("changed", "new"):
        world.write(name, "Changed {name}")
    world.commit()
    world.forget()
    world.faults.append(answers())
    world.ok("push")
    world.faults.clear()
    assert set(world.published) == {"changed", "new"}  # twice if a lost connection met the first attempt
    assert (world.version("changed"), world.version("new")) == (2, 1)
    assert world.text("changed") == world.text("new") == "Changed {name}"
    assert set(world.states().values()) == {"in-sync"}
