"""A working copy with an embedded registry, for tests of versions and labels; and registries with faults."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from registry_server import chat, completion, running
from worlds import Run

from promptsync.cli import run
from promptsync.files.config import load
from promptsync.project.project import Project, open_project
from promptsync.prompt.prompt import Prompt
from promptsync.server.app import create_app

Answers = Callable[[str, str], tuple[int, Any] | None]
"""From method and path to the status and body of an answer of its own, ``None`` for the registry's."""


@dataclass
class World:
    """``project`` is a working copy in ``root``; ``run`` runs a command line there."""

    root: Path
    project: Project
    capsys: pytest.CaptureFixture[str] | None = None
    options: Sequence[str] = ()

    def publish(self, name: str, *messages: str, snippet: bool = False, tags: Sequence[str] = ()) -> None:
        """Publish a version for each message, which is its text as well."""
        for message in messages:
            template = completion(message) if snippet else chat(message)
            self.project.registry.prompts.publish(Prompt(name, template, tags=tuple(tags)), message=message)

    def label(self, name: str, **versions: int) -> None:
        """Point labels at versions; ``prod_released`` is ``prod.released``."""
        listed = next(item for item in self.project.registry.prompts.list(name=name) if item.name == name)
        for label, version in versions.items():
            there = {one.name: one for one in self.project.registry.labels.of(listed.template_id, name)}
            wanted = label.replace("_", ".")
            self.project.registry.labels.set(listed.template_id, name, wanted, version, there.get(wanted))

    def labels(self, name: str) -> dict[str, int]:
        """Where the labels of a prompt point."""
        listed = next(item for item in self.project.registry.prompts.list(name=name) if item.name == name)
        return {one.name: one.version for one in self.project.registry.labels.of(listed.template_id, name)}

    def write(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text, "utf-8")

    def run(self, *arguments: str, **environ: str) -> Run:
        assert self.capsys is not None
        self.capsys.readouterr()
        verb, *rest = arguments
        environment = {"PROMPTLAYER_API_KEY": "pl_test", "CI": "true", **environ}
        code = run(["-C", str(self.root), *self.options, verb, *rest], environment)
        out, err = self.capsys.readouterr()
        return Run(code, out, err)


@contextmanager
def world(root: Path, capsys: pytest.CaptureFixture[str] | None = None) -> Iterator[World]:
    """A working copy whose registry is embedded, in a file of its own."""
    (root / "promptsync.yaml").write_text("prompts: prompts\n", "utf-8")
    with open_project(load(root / "promptsync.yaml")) as project:
        yield World(root, project, capsys)


@dataclass
class Faulty:
    """The embedded registry, with some answers of its own. ``asked`` is what it was asked."""

    app: Any
    answers: Answers
    asked: list[str] = field(default_factory=list)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        self.asked.append(f"{method} {path}")
        answer = self.answers(method, path)
        if answer is None:
            found: Iterable[bytes] = self.app(environ, start_response)
            return found
        body = json.dumps(answer[1]).encode()
        start_response(f"{answer[0]} Told", [("Content-Length", str(len(body)))])
        return [body]


@contextmanager
def faulty(
    root: Path, answers: Answers, capsys: pytest.CaptureFixture[str] | None = None
) -> Iterator[tuple[World, World, Faulty]]:
    """A sound view and a faulty view of one registry over loopback, and what answers the faulty one."""
    (root / "promptsync.yaml").write_text("prompts: prompts\n", "utf-8")
    config = load(root / "promptsync.yaml")
    with create_app(root / "shared.db") as app:
        odd = Faulty(app, answers)
        with running(app) as good_url, running(odd) as odd_url:
            sound = open_project(config, remote=good_url, api_key="pl_test")
            broken = open_project(config, remote=odd_url, api_key="pl_test")
            with sound, broken:
                yield (
                    World(root, sound, capsys, ("--remote", good_url)),
                    World(root, broken, capsys, ("--remote", odd_url)),
                    odd,
                )
