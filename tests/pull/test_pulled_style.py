"""What a pull, a merge and a bump leave of the layout of a file, as git shows it."""

from __future__ import annotations

from typing import Any

import pytest
from worlds import World

FILE = """\
# The refund prompt.
name: a
template_format:   jinja2
model:
  provider: openai
  name:     'gpt-4o'
  parameters: {max_tokens: 600, temperature: 0.20}   # tested
messages:
  # first the tone
  - role: system
    content: >-   # folded
      You answer questions of our customers about refunds and
      returns. Be brief and friendly, and say so when you do
      not know what the customer wants.

      @@@tone@version_number:1@@@ The second paragraph stays.
  - role: user
    content: 'It''s about {{ order }}: {{ question }}'   # quoted
  - content: You have answered questions like
      these so often that you
      need no example.   # plain
    role: assistant
  - {role: user, content: "caf\\u00e9"}
"""
REFUND = [
    ("Be brief", "Be short"),
    ("It's about", "It's still about"),
    ("need no example", "need no examples"),
]


@pytest.fixture
def styled(world: World) -> World:
    """``a`` and the snippet ``tone`` in sync and committed, ``synced:`` too."""
    world.write("tone", content="Be kind.")
    world.path("a").write_text(FILE, "utf-8")
    world.commit("Refund")
    world.ok("push")
    world.publish("a", **_changed(world, [("The second", "A second")]))
    world.ok("pull")
    world.commit("Pull")
    return world


def _changed(world: World, replaced: list[tuple[str, str]]) -> dict[str, Any]:
    """What a colleague publishes: the latest version with other words, and numbers as floats."""
    version = world.read("a")
    for message in version["prompt_template"]["messages"]:
        for old, new in replaced:
            message["content"][0]["text"] = message["content"][0]["text"].replace(old, new)
    model = version["metadata"]["model"]
    model["parameters"] = {"max_tokens": 600.0, "temperature": 0.2}
    return {"prompt_template": version["prompt_template"], "metadata": {"model": model}}


def _diff(world: World) -> list[str]:
    """The changed lines, without ``synced:``."""
    shown = world.git("diff", "-U0", "--", "prompts/a.yaml").splitlines()[4:]
    return [line for line in shown if not line.startswith(("@@", "+synced:", "-synced:"))]


def test_a_pull_changes_the_lines_of_the_words_that_changed(styled: World) -> None:
    styled.publish("a", **_changed(styled, REFUND))
    styled.ok("pull")
    assert _diff(styled) == [
        "-      returns. Be brief and friendly, and say so when you do",
        "+      returns. Be short and friendly, and say so when you do",
        "-    content: 'It''s about {{ order }}: {{ question }}'   # quoted",
        "+    content: 'It''s still about {{ order }}: {{ question }}'   # quoted",
        "-      need no example.   # plain",
        "+      need no examples.   # plain",
    ]
    assert set(styled.states().values()) == {"in-sync"}


def test_a_merge_changes_the_lines_of_the_words_that_changed(styled: World) -> None:
    styled.publish("a", **_changed(styled, REFUND[:1]))
    styled.edit("a", "'It''s about", "'It''s not about")
    styled.commit("Ours")
    styled.ok("pull", "--merge")
    assert _diff(styled) == [
        "-      returns. Be brief and friendly, and say so when you do",
        "+      returns. Be short and friendly, and say so when you do",
    ]
