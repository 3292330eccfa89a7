"""Bounds of what a registry may send: time, size, depth, and how often it may be asked."""

from __future__ import annotations

import gzip
import json
import socket
import sys
from dataclasses import replace
from typing import Any

import pytest
from msgspec import structs
from mutations import Change, in_prompts, mutated
from scripted_registry import EMPTY_LIST, KEY, Reply, Seen, client, serving
from test_hostile_answers import bomb, packed
from worlds import SHORT_WAITS, World, asking, failing, fault

from promptsync.prompt.limits import MAX_DEPTH, is_deeper
from promptsync.prompt.prompt import Prompt
from promptsync.registry.errors import FateUnknown, TimedOut
from promptsync.registry.promptlayer.client import PromptLayer

QUICK = structs.replace(SHORT_WAITS, request=1.0)
"""A short deadline, and nothing else that could end a request first."""

# -- time ---------------------------------------------------------------------------------------------------


def test_what_arrives_byte_by_byte_ends_at_the_deadline_and_is_not_requested_again() -> None:
    with serving(lambda seen: Reply(" " * 9000, trickle=0.05)) as url:
        with PromptLayer(url, KEY, timeouts=QUICK) as registry:
            with pytest.raises(TimedOut) as caught:
                registry.prompts.list()
            assert registry.requests == 1
        assert caught.value.message == (
            f"{url} cannot list the prompts "
            "(GET /prompt-templates?page=1&per_page=100&sort_by=id&sort_order=asc): "
            "the response was not complete within 1 s"
        )
        assert "timeout:" in caught.value.hint and caught.value.exit_code == 4


def test_a_request_that_is_read_slowly_ends_at_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        with PromptLayer(url, KEY, timeouts=QUICK.limited_to(1)) as registry, pytest.raises(TimedOut):
            # Nobody accepts the connection, so the system takes only what fits into its buffers.
            registry.prompts.publish(Prompt("a", {"content": "x" * 20_000_000}), message="m")


def test_the_timeout_of_a_remote_is_a_number_of_seconds_in_the_configuration(world: World) -> None:
    before = "}}"
    for value in ("0", "-5", "soon", "1e9", ".inf", "true", "1"):
        world.configure(f", timeout: {value}}}}}", instead=before)
        before = f", timeout: {value}}}}}"
        if value != "1":
            assert "timeout" in world.exits(2, "status").err, value
    world.faults.append(fault(asking("GET", "/prompt-templates"), replace(EMPTY_LIST, trickle=0.1)))
    error = world.exits(4, "status", "--json").document["error"]
    assert error["code"] == "timed-out"
    assert "the response was not complete within 1 s" in error["message"]


# -- size ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["gzip", "gzip, gzip", "identity"])
def test_a_bomb_takes_no_more_memory_than_a_few_of_the_largest_responses(world: World, encoding: str) -> None:
    """Measured in a process of its own, against its size before the request."""
    measure = """if True:
        import resource, sys
        from promptsync.registry.errors import FateUnknown
        from promptsync.registry.promptlayer.client import PromptLayer
        with PromptLayer(sys.argv[1], "pl_4f9a1c77d0") as registry:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            try:
                registry.prompts.list()
            except FateUnknown as error:
                print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, error.message)
    """
    body = bomb() if "gzip" in encoding else b" " * (200 << 20)
    with serving(lambda seen: packed(body, encoding)) as url:
        done = world.outside("-c", measure, url)
    grown, _, message = done.out.partition(" ")
    assert "is larger than 64 MB" in message or "is encoded as 'gzip, gzip'" in message, str(done)
    # Linux counts kilobytes, macOS counts bytes.
    assert int(grown) // (1 if sys.platform == "linux" else 1024) < 250 * 1024


def test_what_decodes_to_nothing_is_limited_and_what_is_compressed_is_read() -> None:
    empty = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03" + b"\x00\x00\x00\xff\xff" * (14 << 20)
    with client(lambda seen: packed(empty)) as registry, pytest.raises(FateUnknown, match="larger than"):
        registry.prompts.list()
    body = json.dumps({"items": [], "padding": "x" * 3_000_000}).encode()
    with client(lambda seen: packed(gzip.compress(body))) as registry:
        assert registry.prompts.list() == []


# -- depth --------------------------------------------------------------------------------------------------


def deep(levels: int) -> Any:
    value: Any = {}
    for _ in range(levels - 1):
        value = {"a": value}
    return value


def test_the_depth_of_a_value_is_counted_without_recursion() -> None:
    for levels in (1, 2, 50, 100, 500, 5000):
        assert is_deeper(deep(levels), levels - 1) and not is_deeper(deep(levels), levels), levels


def test_the_deepest_file_comes_back_as_it_was(world: World) -> None:
    world.write("a", metadata={"a": deep(MAX_DEPTH - 2)}, commit="Add it")
    world.ok("push")
    assert world.states() == {"a": "in-sync"}
    world.path("a").unlink()
    world.ok("pull")
    assert world.states() == {"a": "in-sync"}
    world.write("a", metadata={"a": deep(MAX_DEPTH - 1)})
    assert "deeper than 100 levels" in world.run("lint").out


def nested_metadata(name: str) -> Change:
    return in_prompts(name, metadata={"deep": deep(500)})


NESTS = "nests deeper than 100 levels in the registry"
DEEP: list[tuple[str, int, str]] = [
    ("status", 1, f"invalid b v1 {NESTS}"),
    ("status --json", 1, f'"problem": "{NESTS}"'),
    ("ls-remote", 0, "b v1"),
    ("pull b", 3, f"'b' was skipped: {NESTS}"),
    ("push b", 3, f"'b' {NESTS}; push skips it"),
    ("push b --force -y", 3, f"'b' {NESTS}; push skips it"),
    ("push", 3, f"'b' was skipped: it {NESTS}"),
    ("deploy --label prod -y", 3, f"'b' {NESTS}; deploy skips it"),
    ("show b", 4, f"v1 of 'b' {NESTS}"),
    ("log b", 4, f"v1 of 'b' {NESTS}"),
    ("log a", 0, "version 2"),
    ("diff", 0, "Theirs {name}"),
    ("label list b", 0, ""),
    ("doctor", 0, ""),
    ("pull", 3, f"'b' was skipped: {NESTS}"),
]


def test_a_prompt_that_nests_too_deep_stops_no_other(world: World) -> None:
    """``a`` changed in the registry, ``b`` has a file and nests too deep there, ``c`` only exists there."""
    world.write("a")
    world.write("b", commit="Add prompts")
    world.ok("push")
    world.publish("a")
    world.publish("c")
    world.faults.append(mutated(nested_metadata("b"), "GET"))
    world.forget()
    for line, code, words in DEEP:
        done = world.exits(code, *line.split())
        assert words in " ".join((done.out + done.err).split()), line
    assert world.published == []
    assert "Theirs {name}" in world.path("a").read_text() and world.path("c").exists()


def test_an_old_version_that_nests_too_deep_is_as_good_as_lost(world: World) -> None:
    world.write("a", commit="Add it")
    world.ok("push")
    world.publish("a")
    deepened = nested_metadata("a")

    def change(seen: Seen, body: Any) -> Any:
        return deepened(seen, body) if "version=1" in seen.target else body

    world.faults.append(mutated(change, "GET"))
    for path in (world.root / ".promptsync").rglob("cache/**/*.json"):
        path.unlink()
    shown = world.ok("log", "a").out
    assert "version 2" in shown and "version 1" not in shown
    world.exits(4, "show", "a@1")
    world.ok("status")


# -- the rate of requests ------------------------------------------------------------------------------------


def test_doctor_waits_once_for_a_rate_limit(world: World) -> None:
    world.write("a", commit="Add it")
    world.ok("push")
    limited = failing(429, "slow down", **{"Retry-After": "0.01"})
    world.faults.append(fault(asking("GET", "/prompt-templates"), limited, times=1))
    world.forget()
    world.ok("doctor", "-q")
    assert world.writes == []
    world.faults.append(fault(asking("GET", "/prompt-templates"), limited))
    world.forget()
    done = world.exits(1, "doctor")
    assert "slow down; promptsync waited once and gave up" in " ".join(done.out.split())
    assert len(world.seen) == 2
