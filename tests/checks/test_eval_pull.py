"""``eval pull``: evaluation files from tables of a registry."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from msgspec.structs import replace
from sheets_there import check, declare, place, sheets, table, text
from worlds import World

from promptsync.checks.assignment import Check
from promptsync.checks.definition import of_file
from promptsync.checks.tested_text import Wanted
from promptsync.files.evaluation import load_evaluations

NAME = "Refund quality"
PATH = "evaluations/refunds.yaml"
OWN_PATH = "evaluations/refund-quality.yaml"
WHOLE: dict[str, Any] = {
    "prompts": "ask",
    "variables": {"asked": "question"},
    "output": "Answer",
    "columns": [{"title": "Copy", "type": "COMPOSITION", "config": {"source": "Answer"}}],
    "scorecard": {
        "pass_threshold": 0.9,
        "steps": [
            {"title": "Right", "type": "CONTAINS", "config": {"source": "Answer", "value_source": "expect"}},
            {
                "title": "Long",
                "type": "REGEX",
                "config": {"source": "Answer", "regex_pattern": r"\w"},
                "weight": 2,
                "required": True,
                "thresholds": {"pass": 1.0, "warn": 0.5},
            },
        ],
    },
}


def definitions(world: World) -> list[Any]:
    """What the evaluation files declare for a table, wherever they are."""
    return [replace(of_file(file), place="") for file in load_evaluations(world.root)]


def pulled(world: World) -> dict[str, Any]:
    found: dict[str, Any] = world.ok("eval", "pull", NAME, "--json").document
    return found


def test_from_file_to_table_and_back(world: World) -> None:
    declare(world, name=NAME, **WHOLE)
    before = definitions(world)
    check(world, Wanted(Check("table", NAME, ("ask",)), text("Say {asked}")))
    (sheet,) = sheets(world)  # which becomes one of the dashboard
    assert world.call("PATCH", place(sheet), {"title": "Cases"}).status == 200
    (world.root / PATH).unlink()
    assert pulled(world)["written"] == [OWN_PATH.replace("yaml", "csv"), OWN_PATH]
    assert definitions(world) == before


def test_a_table_of_the_dashboard(world: World) -> None:
    world.write("ask", "Say {asked}")
    world.ok("push")
    table(world)
    rows = OWN_PATH.replace("yaml", "csv")
    assert pulled(world)["written"] == [rows, OWN_PATH]
    assert (world.root / rows).read_text("utf-8") == '"question","expect"\n"a","b"\n'
    (step,) = yaml.safe_load((world.root / OWN_PATH).read_text("utf-8"))["scorecard"]["steps"]
    assert step["config"] == {"source": "Output", "value_source": "expect"}
    world.ok("lint")
    # The check runs on the table that is there.
    assert "the verdict of its scorecard is fail" in world.run("eval", "run", NAME).err


OTHER = "name: Other\nrows: [{a: 1}]\n"
SAME = f"name: {NAME}\nprompts: ask\nrows: [{{question: x}}]\n"


@pytest.mark.parametrize(
    ("path", "content"), [(OWN_PATH, OTHER), (OWN_PATH.replace("yaml", "csv"), "a\n1\n"), (PATH, SAME)]
)
def test_existing_files_are_not_overwritten(world: World, path: str, content: str) -> None:
    table(world)
    world.put(path, content)
    world.says(3, f"hint: git rm {path}\n", "eval", "pull", NAME)
    assert [file.read_text("utf-8") for file in (world.root / "evaluations").iterdir()] == [content]
    world.commit()
    world.git("rm", "-q", path)
    assert len(pulled(world)["written"]) == 2


def test_what_does_not_exist_or_was_made_by_a_file_cannot_be_pulled(world: World) -> None:
    table(world)
    world.says(2, "has no table 'Gone'", "eval", "pull", "Gone")
    world.says(2, "has no sheet 'Gone'", "eval", "pull", NAME, "--sheet", "Gone")
    assert not (world.root / "evaluations").exists()
    declare(world, name="Ours")
    check(world, Wanted(Check("table", "Ours", ("ask",)), text("Say {question}")))
    world.says(2, "'Ours' has only sheets that promptsync made", "eval", "pull", "Ours")


def test_a_table_that_no_file_can_declare_is_refused(world: World) -> None:
    sheet = table(world)
    sheet.column("Early", "COMPOSITION", source="question")
    config = {"template": {"name": "ask"}, "prompt_template_variable_mappings": {"asked": "Early"}}
    sheet("PATCH", f"/columns/{sheet.columns['Output']}", {"config": config})
    world.says(3, "The rows have no column 'Early'", "eval", "pull", NAME)
