"""What the registry of these tests knows besides prompts, and deploys that are killed."""

from __future__ import annotations

from collections.abc import Iterable

from evaluation_files import contains, declared, evaluation
from worlds import DROPPED, Reply, Seen, World, fault, is_write

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
    evaluation("tone is polite", "tone", PEOPLE, contains("polite")),
)


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
