"""A small reader of prompt files for the tests of core, which knows no files."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import yaml

from promptsync.lint.check import check
from promptsync.lint.rules import KnownPrompts
from promptsync.prompt.prompt import Local, Problem, Prompt

LOCAL = ("evaluations", "agents", "examples", "synced")
OWN = ("name", "tags", "model", "metadata", "extra", *LOCAL)


@dataclass(frozen=True)
class File:
    path: str
    text: str

    @cached_property
    def data(self) -> dict[str, Any]:
        loaded: dict[str, Any] = yaml.load(self.text, Loader=yaml.CSafeLoader)
        return loaded

    @cached_property
    def prompt(self) -> Prompt:
        data = self.data
        template = {key: value for key, value in data.items() if key not in OWN}
        template["type"] = "completion" if "content" in data else "chat"
        extra = data.get("extra", {})
        template.update(extra.get("template", {}))
        metadata = dict(data.get("metadata", {}))
        if "model" in data:
            metadata["model"] = data["model"]
        name = data.get("name", self.path.removesuffix(".yaml"))
        return Prompt(name, template, metadata, tuple(data.get("tags", ())), extra.get("version", {}))

    @property
    def local(self) -> Local:
        return Local(examples=tuple(self.data.get("examples", ())))

    def position(self, keypath: tuple[str | int, ...], /) -> tuple[int, int]:
        node: Any = yaml.compose(self.text, Loader=yaml.CSafeLoader)
        mark = node.start_mark
        for part in keypath:
            if isinstance(node, yaml.MappingNode):
                mark, node = next(
                    ((key.start_mark, value) for key, value in node.value if key.value == part), (mark, None)
                )
            elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
                node = node.value[part]
                mark = node.start_mark
            else:
                node = None
            if node is None:
                break
        return mark.line + 1, mark.column + 1


def lint(*texts: str, known: KnownPrompts | None = None, **named: str) -> list[Problem]:
    """Return the problems of texts, which become the files a.yaml, b.yaml and so on."""
    files = {chr(ord("a") + index): text for index, text in enumerate(texts)} | named
    return check([File(f"{name}.yaml", text) for name, text in files.items()], known)


def found(problems: list[Problem], *without: str) -> list[tuple[str, str, int, int, str]]:
    """Return the problems as short rows."""
    return [
        (problem.rule, problem.severity, problem.line, problem.column, problem.path)
        for problem in problems
        if problem.rule not in without
    ]
