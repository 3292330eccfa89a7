"""A working copy with an evaluation, and its sheets in the embedded registry."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import yaml
from msgspec.structs import replace
from tables import SheetUnderTest, sheet_of
from worlds import World

from promptsync.checks.assignment import Check
from promptsync.checks.results import CheckResults, Standard
from promptsync.checks.tables import TablePlan, check_tables, plan_tables
from promptsync.checks.tested_text import TestedText, Wanted

TABLES = "/api/public/v2/tables"
_ID = re.compile(r"[0-9a-f-]{36}")


def text(content: str = "Say {question}", name: str = "ask", version: int | None = None) -> TestedText:
    message = {"role": "user", "content": [{"type": "text", "text": content}]}
    metadata = {"model": {"provider": "openai", "name": "gpt-4o"}}
    return TestedText(name, {"type": "chat", "messages": [message]}, metadata, version=version)


def evaluation(rows: int = 12, **more: Any) -> dict[str, Any]:
    """Rows whose outputs must contain what is expected: a text without its question fails them all."""
    steps = [{"title": "Right", "type": "CONTAINS", "config": {"source": "Output", "value_source": "expect"}}]
    cases = [{"question": f"case {n} of many", "expect": f"case {n} of"} for n in range(rows)]
    return {"name": "Refunds", "rows": cases, "scorecard": {"steps": steps}, **more}


def declare(world: World, **more: Any) -> None:
    world.put("evaluations/refunds.yaml", yaml.safe_dump(evaluation(**more), sort_keys=False))


def wanted(candidate: TestedText, live: TestedText | None = None, **limits: Any) -> Wanted:
    return Wanted(Check("table", "Refunds", (candidate.name,), **limits), candidate, live)


def check(world: World, what: Wanted | Iterable[Wanted] | TablePlan, **options: Any) -> CheckResults:
    """Run checks with the library, which is opened again each time, as another process does."""
    with world.project() as project:
        project.timeouts = world.timeouts
        project.config = replace(project.config, limits_cells=2000)
        project.progress = options.pop("progress", project.progress)
        texts = (what,) if isinstance(what, Wanted) else what
        plan = texts if isinstance(texts, TablePlan) else plan_tables(project, tuple(texts))
        return check_tables(project, plan, Standard(**{"timeout": 60, **options}))


def tables(world: World) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = world.call("GET", TABLES).body["data"]
    return found


def sheets(world: World) -> list[Mapping[str, Any]]:
    """All sheets of the only table."""
    (table,) = tables(world)
    found: list[Mapping[str, Any]] = world.call("GET", f"{TABLES}/{table['id']}/sheets?limit=100").body[
        "data"
    ]
    return found


def place(sheet: Mapping[str, Any]) -> str:
    return f"{TABLES}/{sheet['table_id']}/sheets/{sheet['id']}"


def requests(world: World) -> Counter[str]:
    """How often each route was asked; ids are left out."""
    paths = (f"{seen.method} {_ID.sub('ID', seen.path).removeprefix(TABLES)}" for seen in world.seen)
    return Counter(re.sub(r"/rows/\d+$", "/rows/N", path) for path in paths)


NONSENSE = (None, "", "x", -1, 10**30, 0.5, True, [], {}, [None], ["x"], {"value": None})


def spoiled(source: random.Random, body: Any) -> Any:
    """Return an answer with nonsense in one place."""
    if not isinstance(body, dict | list) or not body or source.random() < 0.1:
        return source.choice(NONSENSE)
    key = source.choice([*body] if isinstance(body, dict) else range(len(body)))
    changed = dict(body) if isinstance(body, dict) else [*body]
    changed[key] = spoiled(source, body[key])
    return changed


def table(world: World) -> SheetUnderTest:
    """The only sheet of a table that was made in the dashboard."""
    sheet = sheet_of(world.call, ["question", "expect"], [["a", "b"]])
    mappings = {"prompt_template_variable_mappings": {"asked": "question"}}
    sheet.column("Output", "PROMPT_TEMPLATE", template={"name": "ask"}, **mappings)
    ids = sheet.columns
    step = {
        "title": "Right",
        "primitive_type": "CONTAINS",
        "source_column_ids": [ids["Output"]],
        "primitive_config": {"source": ids["Output"], "value_source": ids["expect"]},
    }
    sheet.scorecard(step, method="weighted_mean", pass_threshold=0.8, warn_threshold=0.6)
    return sheet
