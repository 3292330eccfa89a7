"""How registries may change their responses without meaning anything else, and a copy that meets it."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from evaluation_files import contains, declared, evaluation
from worlds import Fault, Reply, Run, Seen, World, made

FIXTURES = declared(
    """
agents:
  - {name: bot, nodes: [{name: first, prompt: greet}, {name: last, prompt: reply, output: true}]}
""",
    evaluation("polite", "greet", [{"name": "Ada"}, {"name": "Linus"}], contains("polite")),
)

Change = Callable[[Seen, Any], Any]
"""Returns what a registry sends in place of a response body: another body, or a ``Reply``."""

PAGED = ("/prompt-templates", "/workflows", "/api/public/v2/datasets", "/api/public/v2/evaluations")
NUMBERS = ("id", "_id", "version", "version_number")
CONTENT = ("prompt_template", "metadata", "llm_kwargs", "report_columns")
LISTS = ("items", "release_labels", "datasets", "evaluations", "workflows")


@contextmanager
def aligned(directory: Path) -> Iterator[World]:
    """Four prompts, a snippet among them, committed, published and released; an evaluation; an agent."""
    with made(directory, fixtures=FIXTURES) as world:
        world.configure("labels: {main: prod}")
        world.write("tone", content="so polite")
        greeting = {"tags": ["b", "a"], "evaluations": ["polite"], "agents": ["bot"]}
        world.write("greet", "A polite hello, {name}", **greeting)
        world.write("reply", "Hello, {name}, @@@tone@@@", metadata={"owner": "me"})
        world.write("plain", "No variables", commit="Add prompts")
        world.ok("deploy", "-y")
        world.forget()
        yield world


def meeting(world: World, fault: Fault, line: str) -> Run:
    """Run a command line that meets a fault."""
    world.faults[:] = [fault]
    try:
        return world.run(*line.split())
    finally:
        world.faults.clear()


def mutated(change: Change, method: str = "") -> Fault:
    """Send what ``change`` makes of each response with a JSON body."""

    def answer(seen: Seen, forward: Callable[[Seen], Reply]) -> Reply | None:
        if method and seen.method != method:
            return None
        reply = forward(seen)
        try:
            body = json.loads(reply.content)
        except ValueError:
            return reply
        changed = change(seen, body)
        if not isinstance(changed, Reply):
            return replace(reply, body=json.dumps(changed))
        return replace(changed, status=reply.status) if changed.status == 200 else changed

    return answer


def everywhere(change: Callable[[dict[str, Any]], dict[str, Any]], kept: Collection[str] = CONTENT) -> Change:
    """Change each object of a response, but nothing below the keys that are kept."""

    def walk(value: Any) -> Any:
        if isinstance(value, list):
            return [walk(item) for item in value]
        if not isinstance(value, dict):
            return value
        return change({key: item if key in kept else walk(item) for key, item in value.items()})

    return lambda seen, body: walk(body)


def in_prompts(name: str, **more: Any) -> Change:
    """Change what a response says of a prompt."""

    def change(seen: Seen, body: Any) -> Any:
        for prompt in body.get("items", [body]) if isinstance(body, dict) else ():
            if prompt.get("prompt_name") == name and "prompt_template" in prompt:
                prompt.update(more)
        return body

    return change


def envelope(**more: Any) -> Change:
    """Change the keys around a list that comes in pages."""
    return lambda seen, body: {**body, **more} if seen.path in PAGED and seen.method == "GET" else body


def bare(seen: Seen, body: Any) -> Any:
    """Return lists without anything around them."""
    if seen.method != "GET" or not (seen.path in PAGED or seen.path.endswith("/labels")):
        return body
    return next((body[key] for key in LISTS if isinstance(body.get(key), list)), body)


def _spelled(spell: Callable[[int], Any]) -> Change:
    def change(raw: dict[str, Any]) -> dict[str, Any]:
        is_number = {key for key, item in raw.items() if type(item) is int and key.endswith(NUMBERS)}
        return {key: spell(item) if key in is_number else item for key, item in raw.items()}

    return everywhere(change)


def _camel(key: str) -> str:
    first, *others = key.split("_")
    return first + "".join(map(str.capitalize, others))


in_camel_case = everywhere(lambda raw: {_camel(key): item for key, item in raw.items()}, kept=())
"""Another API's names for everything."""


def twice(seen: Seen, body: Any) -> Any:
    """Return each key twice; what comes last counts, as in nearly every parser."""
    if not isinstance(body, dict):
        return body
    first = ", ".join(f"{json.dumps(key)}: null" for key in body)
    return Reply(f"{{{first}, {json.dumps(body)[1:-1]}}}" if body else "{}")


def beside_nodes(seen: Seen, body: Any) -> Any:
    """Return more than the nodes of an agent's run."""
    is_result = seen.path == "/workflow-version-execution-results"
    return {"success": True, "seconds": 1.5, "trace": {"id": 7}, **body} if is_result else body


HARMLESS: dict[str, Change] = {
    "null in place of empty lists": everywhere(
        lambda raw: {key: None if item == [] else item for key, item in raw.items()}
    ),
    "numbers as text": _spelled(str),
    "numbers as floats": _spelled(float),
    "keys in another order": everywhere(lambda raw: dict(reversed(raw.items()))),
    "lists without an envelope": bare,
    "nothing about pages": envelope(total=None, pages=None, has_next=None),
    "nonsense about pages": envelope(total=[4], pages="1", has_next="false"),
    "unknown keys around lists": envelope(request_time=3, links={"next": None}),
    "unknown keys beside the nodes of an agent": beside_nodes,
    "a byte order mark": lambda seen, body: Reply(b"\xef\xbb\xbf" + json.dumps(body).encode()),
    "another content type": lambda seen, body: Reply(json.dumps(body), 200, {"Content-Type": "text/plain"}),
    "white space": lambda seen, body: Reply("\n\n" + json.dumps(body, indent=4) + "\n\n"),
    "escaped slashes": lambda seen, body: Reply(json.dumps(body, ensure_ascii=False).replace("/", "\\/")),
    "each key twice": twice,
}
