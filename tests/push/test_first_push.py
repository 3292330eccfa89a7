from __future__ import annotations

from pathlib import Path

from registry_server import chat
from release_world import world

from promptsync.compare.gather import gather
from promptsync.compare.snapshot import State
from promptsync.files.config import load
from promptsync.project.project import open_project
from promptsync.prompt.prompt import Prompt
from promptsync.push.actions import PushOptions
from promptsync.push.apply import apply_push
from promptsync.push.plan import plan_push


def test_without_git_the_key_of_the_first_push_is_the_base_of_what_follows(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        made.write("prompts/a.yaml", "messages:\n- {role: user, content: Hello}\n")
        snapshot = gather(made.project)
        apply_push(made.project, plan_push(made.project, snapshot, PushOptions()))
        file = tmp_path / "prompts/a.yaml"
        file.write_text(file.read_text("utf-8").replace("Hello", "Hello you"), "utf-8")
        made.project.registry.prompts.publish(Prompt("a", chat("Hello there")), message="by hand")
    with open_project(load(tmp_path / "promptsync.yaml")) as project:
        (item,) = gather(project).items
        assert item.state is State.DIVERGED
        assert item.base is not None and item.base.version == 1
