"""A working copy whose prompts name evaluations and agents, and a registry that has them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from evaluation_files import contains, declared, evaluation
from worlds import Fault, Reply, Run, Seen, World, documents, made

PEOPLE = [{"name": "Ada"}, {"name": "Linus"}]
FIXTURES = declared(
    """
agents:
  - {name: bot, nodes: [{name: first, prompt: a}, {name: last, prompt: b, output: true}]}
  - {name: old bot, nodes: [{name: only, prompt: {name: a, version: 1}, output: true}]}
""",
    evaluation("a is polite", "a", PEOPLE, contains("polite")),
    evaluation("b is polite", "b", PEOPLE, contains("polite")),
    evaluation("a once", "a", PEOPLE, contains("polite"), version=1),
    evaluation("unscored", "a", PEOPLE),
)


@contextmanager
def checked_copy(directory: Path) -> Iterator[World]:
    """``a`` names an evaluation and an agent, ``b`` uses the snippet ``tone``, ``c`` names nothing.

    Everything is committed and published.
    """

    def build(world: World) -> None:
        config = world.root / "promptsync.yaml"
        check = "checks:\n- {match: b, evaluation: b is polite, min_score: 50}\n"
        config.write_text(f"{config.read_text()}{check}")
        world.write("tone", content="so polite")
        agents = [{"name": "bot", "input_variables": {"name": "Ada"}}]
        world.write("a", "A polite hello, {name}", evaluations=["a is polite"], agents=agents)
        world.write("b", "Hello, {name}, @@@tone@@@")
        world.write("c", "Nobody checks this")
        world.commit("Add prompts")
        world.ok("push", "-y")

    with made(directory, fixtures=FIXTURES) as world:
        yield world.built(build)


def document(done: Run, verb: str) -> dict[str, Any]:
    """The document of a run, as the published schema has it."""
    found: dict[str, Any] = json.loads(done.out)
    assert found["exit_code"] == done.code
    documents(verb).validate(found)
    return found


def edited(change: Callable[[Any], None], part: str) -> Fault:
    """Let the working copy get another answer than the registry gave, where the path has ``part``."""

    def answer(seen: Seen, forward: Callable[[Seen], Reply]) -> Reply | None:
        if part not in seen.target:
            return None
        reply = forward(seen)
        body = json.loads(reply.content)
        change(body)
        return replace(reply, body=body)

    return answer


def started(world: World) -> list[str]:
    """The evaluations and agents that were started, as paths."""
    return [one.path for one in world.seen if one.method == "POST" and one.path.endswith("/run")]


def suites(path: Path) -> dict[str, dict[str, str]]:
    """The suites of a JUnit file, by name: each test with what became of it. The counts must be right."""
    root = ElementTree.parse(path).getroot()
    assert root.tag == "testsuites"
    found = {}
    totals = dict.fromkeys(("tests", "failures", "errors", "skipped"), 0)
    times = []
    for suite in root:
        assert suite.tag == "testsuite"
        cases = suite.findall("testcase")
        results = {case.attrib["name"]: next((one.tag for one in case), "passed") for case in cases}
        assert len(results) == len(cases)
        assert all(case.attrib["classname"] == suite.attrib["name"] for case in cases)
        counted = list(results.values())
        expected = {
            "tests": len(cases),
            "failures": counted.count("failure"),
            "errors": counted.count("error"),
            "skipped": counted.count("skipped"),
        }
        assert {key: int(suite.attrib[key]) for key in expected} == expected
        timed = [float(case.attrib["time"]) for case in cases if "time" in case.attrib]
        assert len(timed) in (0, len(cases))
        if timed:
            assert min(timed) >= 0 and sum(timed) == float(suite.attrib["time"])
            times.append(float(suite.attrib["time"]))
        totals = {key: totals[key] + expected[key] for key in totals}
        found[suite.attrib["name"]] = results
    assert {key: int(root.attrib[key]) for key in totals} == totals
    assert ("time" in root.attrib) is bool(times)
    assert not times or round(sum(times), 3) == float(root.attrib["time"])
    return found
