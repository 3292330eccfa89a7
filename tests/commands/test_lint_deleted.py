"""``lint --deleted``: who uses a prompt that is deleted or renamed, in files that the commit leaves alone."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from worlds import World

from promptsync.commands.lint import lint

USER = "prompts/user.yaml"


@pytest.fixture
def team(world: World) -> World:
    """``user`` includes ``tone``, ``other`` nothing, and ``draft``, which is not in git, a later prompt."""
    world.write("tone", content="Be kind.")
    world.write("user", content="Answer. @@@tone@version_number:1@@@")
    world.write("other", content="Hello.")
    world.commit()
    world.write("draft", content="@@@later@version_number:1@@@")
    return world


def problems(world: World, *files: str) -> list[tuple[str, str]]:
    done = world.run("lint", "--deleted", *(str(world.root / file) for file in files), "--json")
    found: list[dict[str, Any]] = done.document["problems"]
    assert done.code == (1 if found else 0)
    return [(Path(one["path"]).name, one["rule"]) for one in found]


def _rename_file(world: World) -> None:
    world.edit("tone", "name: tone\n", "")
    world.git("commit", "-qam", "Name it by its file")
    world.git("mv", "prompts/tone.yaml", "prompts/voice.yaml")


CHANGES = {
    "deleted": lambda world: world.git("rm", "-q", "prompts/tone.yaml"),
    "deleted, not staged": lambda world: world.path("tone").unlink(),
    "file renamed": _rename_file,
    "name changed": lambda world: world.edit("tone", "name: tone", "name: voice"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("files", [(), ("prompts/other.yaml",), (USER,)], ids=["none", "other", "user"])
def test_a_reference_to_a_prompt_that_is_gone_is_found(
    team: World, change: Any, files: tuple[str, ...]
) -> None:
    assert problems(team, *files) == []
    change(team)
    assert problems(team, *files) == [("user.yaml", "snippet-missing")]
    assert problems(team, "prompts/draft.yaml")[0] == ("draft.yaml", "snippet-missing")
    team.edit("user", "@@@tone@version_number:1@@@", "Kindly.")
    assert problems(team, *files) == []


def test_a_moved_file_that_keeps_its_name_is_not_gone(team: World) -> None:
    team.git("mv", "prompts/tone.yaml", "prompts/voice.yaml")
    assert problems(team) == []


def test_all_configurations_of_a_repository_are_looked_at(team: World, tmp_path: Path) -> None:
    """A hook runs at the top of a monorepo, where there may be no promptsync.yaml."""
    for service in ("bot", "shop"):
        folder = team.root / "services" / service
        (folder / "prompts").mkdir(parents=True)
        (folder / "promptsync.yaml").write_text("prompts: prompts\n", "utf-8")
        (folder / "prompts/tone.yaml").write_text("content: Be kind.\n", "utf-8")
        (folder / "prompts/user.yaml").write_text("content: '@@@tone@version_number:1@@@'\n", "utf-8")
    team.git("rm", "-q", "promptsync.yaml")
    team.commit("Add two services")
    (team.root / "services/shop/prompts/tone.yaml").unlink()
    done = team.run("lint", "--deleted", "--json")
    (problem,) = done.document["problems"]
    assert (problem["path"], problem["rule"]) == ("services/shop/prompts/user.yaml", "snippet-missing")
    (team.root / "services/shop/promptsync.yaml").write_text("{{ template", "utf-8")
    (team.root / "services/bot/promptsync.yaml").unlink()
    assert problems(team) == []
    assert problems(team, "services/shop/promptsync.yaml") == [("promptsync.yaml", "config")]


@pytest.mark.parametrize("has_commit", [False, True])
def test_without_history_nothing_is_gone(tmp_path: Path, has_commit: bool) -> None:
    (tmp_path / "promptsync.yaml").write_text("prompts: prompts\n", "utf-8")
    if has_commit:
        subprocess.run(["git", "init", "-q", tmp_path], check=True)
    assert lint(tmp_path, deleted=True).problems == ()
