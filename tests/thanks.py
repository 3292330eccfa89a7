"""Two prompts of a scripted model, and an evaluation whose answers have to say thanks."""

from __future__ import annotations

from typing import Any

import yaml
from worlds import World

MODEL = {"provider": "openai", "name": "scripted"}
STEP = {"title": "Says thanks", "type": "CONTAINS", "config": {"source": "Output", "value": "Thank"}}
SCRIPTED = """
models:
  - name: scripted
    answers:
      - {contains: rude, answer: Go away.}
      - {regex: "picky hello, Customer [34]$", answer: Go away.}
      - {contains: moody, answers: [Thank you!, Go away.]}
      - {contains: polite, answer: Thank you!}
"""
"""The model, in a fixtures file."""


def thanks(count: int, **more: Any) -> str:
    """The evaluation of ``a`` and ``b`` with some number of rows."""
    body = {
        "name": "thanks",
        "prompts": ["a", "b"],
        "rows": [{"name": f"Customer {number}"} for number in range(count)],
        "scorecard": {"steps": [STEP]},
        **more,
    }
    return yaml.safe_dump(body, sort_keys=False)


def add_polite(world: World, evaluation: str) -> None:
    """Commit ``a`` and ``b``, which are polite, with their evaluation; ``main`` releases to ``prod``."""
    world.configure("labels: {main: prod}")
    world.put("evaluations/thanks.yaml", evaluation)
    for name in "ab":
        world.write(name, "A polite hello, {name}", model=MODEL)
    world.commit("Add prompts")
