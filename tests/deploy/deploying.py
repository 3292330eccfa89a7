"""What the registry of these tests knows besides prompts, and deploys that are killed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from itertools import count

from evaluation_files import contains, declared, evaluation
from worlds import DROPPED, Fault, Reply, Seen, World, fault, is_write

from promptsync.server.app import create_app

PEOPLE = [{"name": "Ada"}, {"name": "Linus"}]
FIXTURES = declared(
    """
agents:
  - {name: bot, nodes: [{name: answer, prompt: d, output: true}]}
""",
    evaluation("a is polite", "a", PEOPLE, contains("polite")),
    evaluation("b is polite", "b", PEOPLE, contains("polite")),
    evaluation("c is polite", "c", PEOPLE, contains("polite")),
    evaluation("a under prod", "a", PEOPLE, contains("polite"), label="prod"),
)


def change(world: World, old: str, new: str, names: Iterable[str] = "a") -> None:
    """Commit another text of some prompts."""
    for name in names:
        world.edit(name, old, new)
    world.commit(f"Say {new}")


def prod(world: World, names: Iterable[str] = "abcd") -> list[int | None]:
    """Where the label is."""
    return [world.label(name, "prod") for name in names]


def is_list(seen: Seen) -> bool:
    """Matches the list of all prompts, which a push reads again right before its first write."""
    return seen.method == "GET" and seen.path == "/prompt-templates" and "label=" not in seen.target


def served(world: World, name: str = "a") -> str:
    """What an application gets that requests a prompt by the label."""
    answer = world.call("POST", f"/prompt-templates/{name}", {"label": "prod"})
    assert answer.status == 200, answer.body
    return str(answer.body["prompt_template"]["messages"][0]["content"][0]["text"])


def computed(world: World) -> int:
    """How many sheets were computed."""
    return sum(seen.method == "POST" and seen.path.endswith("/operations") for seen in world.seen)


def dead_after(world: World, count: int) -> None:
    """From the next write but ``count`` on, nothing gets through, as if the deploy had been killed there."""
    writes = iter(range(count))

    def answer(seen: Seen, forward: object) -> Reply | None:
        dead = is_write(seen) and next(writes, None) is None
        if dead or world.faults[0] is not answer:
            world.faults[:] = [fault(lambda seen: True, DROPPED)]
            return DROPPED
        return None

    world.faults.append(answer)


def protect(world: World, *lines: str) -> None:
    """Protect labels as in the fixtures, and no others, which approves what waits for those."""
    place = world.root.parent / "registry.yaml"
    rest = [line for line in place.read_text("utf-8").splitlines() if not line.startswith("protected_labels")]
    place.write_text("\n".join([*rest, f"protected_labels: [{', '.join(lines)}]", ""]), "utf-8")
    world.call.app.close()
    world.call.app = create_app(world.root.parent / "registry.db", fixtures=place)


def ab_release(world: World, name: str, other: int, routes: Callable[[int], bool] = lambda _: True) -> Fault:
    """An A/B release: of the reads of ``prod``, counted from 0, those that it routes return another version.

    The labels still point at the base version, as do lists of other labels.
    """
    reads = count()

    def answer(seen: Seen, forward: Callable[[Seen], Reply]) -> Reply | None:
        path, _, query = seen.target.partition("?")
        if (seen.method, path) != ("GET", "/prompt-templates") or "label=prod" not in query.split("&"):
            return None
        reply = forward(seen)
        if not routes(next(reads)):
            return reply
        body = json.loads(reply.body)
        for item in body["items"]:
            if item["prompt_name"] == name:
                version = world.read(name, other)
                item |= {
                    key: version[key] for key in ("version", "prompt_template", "metadata", "commit_message")
                }
        return Reply(json.dumps(body), reply.status, reply.headers)

    return answer
