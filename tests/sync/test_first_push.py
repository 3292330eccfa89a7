from __future__ import annotations

from pathlib import Path

from registry_server import chat
from release_world import world

from promptsync.core.compare import State
from promptsync.core.prompt import Prompt
from promptsync.files.config import load
from promptsync.sync.gather import gather
from promptsync.sync.planning import PushOptions, plan_push
from promptsync.sync.project import open_project
from promptsync.sync.push import push


def test_without_git_the_key_of_the_first_push_is_the_base_of_what_follows(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        made.write("prompts/a.yaml", "messages:\n- {role: user, content: Hello}\n")
        snapshot = gather(made.project)
        push(made.project, snapshot, plan_push(made.project, snapshot, PushOptions()))
        file = tmp_path / "prompts/a.yaml"
        file.write_text(file.read_text("utf-8").replace("Hello", "Hello you"), "utf-8")
        made.project.registry.publish(Prompt("a", chat("Hello there")), message="by hand")
    with open_project(load(tmp_path / "promptsync.yaml")) as project:
        (item,) = gather(project).items
        assert item.state is State.DIVERGED
        assert item.base is not None and item.base.version == 1
