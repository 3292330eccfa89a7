"""What the registry of these tests knows besides prompts, and deploys that are killed."""

from __future__ import annotations

from collections.abc import Iterable

from worlds import DROPPED, Reply, Seen, World, fault, is_write

FIXTURES = """
datasets:
  - name: people
    rows: [{name: Ada}, {name: Linus}]
evaluations:
  - {name: a is polite, dataset: people, prompt: a, scores: [contains: polite]}
  - {name: b is polite, dataset: people, prompt: b, scores: [contains: polite]}
  - {name: c is polite, dataset: people, prompt: c, scores: [contains: polite]}
  - {name: a under prod, dataset: people, prompt: {name: a, label: prod}, scores: [contains: polite]}
  - {name: tone is polite, dataset: people, prompt: tone, scores: [contains: polite]}
agents:
  - {name: bot, nodes: [{name: answer, prompt: d, output: true}]}
"""


def change(world: World, old: str, new: str, names: Iterable[str] = "a") -> None:
    """Commit another text of some prompts."""
    for name in names:
        world.edit(name, old, new)
    world.commit(f"Say {new}")


def prod(world: World, names: Iterable[str] = "abcd") -> list[int | None]:
    """Where the label is."""
    return [world.label(name, "prod") for name in names]


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
