"""A working copy in real git with the embedded registry, driven by the command line."""

from __future__ import annotations

import contextlib
import json
import re
import shlex
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any
from unittest.mock import patch

import pytest
import yaml
from gitcopy import git
from registry_server import chat

from promptsync.cli import run
from promptsync.files.config import load
from promptsync.project.project import Project, open_project
from promptsync.prompt.prompt import Prompt, Version
from promptsync.push.actions import PushPlan
from promptsync.push.apply import check_unmoved

Between = Callable[[], object]
"""What happens between the plan and the publish of a push."""

NAME = "support/refund"
CONFIG = "prompts: prompts\nremote: here\nremotes:\n  here: {{url: 'local:{registry}'}}\n"
FILE = """# the refund prompt
name: {name}
messages:
  - role: user
    content: {text}
"""
RULES = ("Say hello.", "Be calm.", "Be short.", "Ask for the order.", "Say goodbye.")
"""What the numbered lines of the long text say at first; edits of different ones merge."""


@dataclass
class Copy:
    """One working copy. ``base`` is where ``promptsync.yaml`` stands below ``root``."""

    root: Path
    registry: Path
    capsys: pytest.CaptureFixture[str]
    base: str = "."

    @property
    def project(self) -> Path:
        return self.root / self.base

    def path(self, name: str = NAME) -> Path:
        return self.project / "prompts" / f"{name}.yaml"

    def git(self, *arguments: str, check: bool = True) -> str:
        return git(self.root, *arguments, check=check).strip()

    def begin(self) -> Copy:
        """Make the repository with the configuration, nothing committed."""
        self.project.mkdir(parents=True, exist_ok=True)
        self.git("init", "-q", "-b", "main")
        self.configure()
        return self

    def configure(self) -> None:
        self.project.mkdir(parents=True, exist_ok=True)
        (self.project / "promptsync.yaml").write_text(CONFIG.format(registry=self.registry))
        (self.project / ".gitignore").write_text(".promptsync/\n")

    def write(self, text: str, name: str = NAME) -> None:
        """Write a file, or change the text of the one that is there."""
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.write_text(FILE.format(name=name, text=text))
            return
        lines = path.read_text().splitlines()
        (at,) = (number for number, line in enumerate(lines) if line.strip().startswith("content:"))
        lines[at] = f"    content: {text}"
        path.write_text("\n".join([*lines, ""]))

    def commit(self, text: str | None = None, name: str = NAME) -> str:
        """Commit everything, with ``text`` in the prompt if given, and return the commit."""
        if text is not None:
            self.write(text, name)
        self.git("add", "-A")
        self.git("commit", "-qm", f"Say {text}")
        return self.git("rev-parse", "HEAD")

    def run(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        """Run a verb and return its exit code and document."""
        self.capsys.readouterr()
        code = run(
            ["-C", str(self.project), "--json", *arguments], {"HOME": str(self.registry.parent), "CI": "1"}
        )
        out, _ = self.capsys.readouterr()
        found: dict[str, Any] = json.loads(out)
        return code, found

    def ok(self, *arguments: str) -> dict[str, Any]:
        code, found = self.run(*arguments)
        assert code == 0, found
        return found

    def refused(self, *arguments: str) -> str:
        """Run a verb that must be refused, and return all that it says about that."""
        code, found = self.run(*arguments)
        assert code == 3, found
        return " ".join(str(value) for value in found["error"].values())

    def states(self) -> dict[str, str]:
        return {one["name"]: one["state"] for one in self.ok("status")["prompts"]}

    def state(self, name: str = NAME) -> str:
        return self.states()[name]

    def push(self, *arguments: str) -> list[int]:
        """Push and return the versions that were published."""
        return [one["version"] for one in self.ok("push", *arguments)["published"]]

    def text(self, name: str = NAME) -> str:
        (line,) = (one for one in self.path(name).read_text().splitlines() if "content:" in one)
        return line.partition("content:")[2].strip()

    def publish(self, text: str, name: str = NAME, message: str = "By hand") -> int:
        """Publish as somebody does in the registry's own pages."""
        with open_project(load(self.project / "promptsync.yaml")) as project:
            return project.registry.prompts.publish(Prompt(name, chat(text)), message=message).version

    def play(self, story: str, parts: Mapping[str, str] = MappingProxyType({})) -> Copy:
        """Play lines such as ``ci: push -> 2`` and return the working copy of the last one.

        That is a step in a clone named ``ci``, which is made when it is named; without a name, a step is in
        this working copy. ``shallow`` is a clone of the last commit alone, ``single`` of the branch alone,
        and ``worktree`` is no clone. Other verbs are methods; ``parts`` are stories by name.
        """
        return self._play(story, parts, {"": self})

    def _play(self, story: str, parts: Mapping[str, str], copies: dict[str, Copy]) -> Copy:
        here = self
        for line in story.strip().splitlines():
            step = re.fullmatch(r""" *(?:(\w+): )?(.*?)(?: ->([^"']*))?""", line)
            assert step is not None
            where, command, expected = (part.strip() for part in step.groups(""))
            here = copies.setdefault(where, copies.get(where) or self._another(where))
            verb, *words = shlex.split(command)
            if verb == "push":
                assert here.push(*words) == [*map(int, expected.split())], line
            elif verb == "push_during":
                rival = partial(here._play, words[0], parts, {**copies, "": here})
                assert here.push_after(rival) == [int(expected)], line
            elif verb == "is":
                assert here.state() == words[0], line
            elif verb == "reads":
                assert here.text() == words[0], line
            elif verb == "refuses":
                assert expected in here.refused(*words), line
            elif verb == "git":
                here.git(*words, check=expected != "conflict")
            elif verb == "play":
                here = here._play(parts[words[0]], parts, copies if here is self else {**copies, "": here})
            elif verb != "look":
                numbers = [int(word) if word.isdecimal() and verb != "ok" else word for word in words]
                result = getattr(here, verb)(*numbers)
                assert expected in ("", str(result)), line
        return here

    def _another(self, name: str) -> Copy:
        if name == "worktree":
            self.git("worktree", "add", "-q", "--detach", f"../{name}")
            return Copy(self.root.parent / name, self.registry, self.capsys, self.base)
        options = {"shallow": ["--depth=1"], "single": ["--single-branch"]}
        return self.clone(name, *options.get(name, ["-b", "main"]))

    def clone(self, where: str, *options: str) -> Copy:
        """A fresh clone, as CI makes one."""
        root = self.root.parent / where
        self.git("clone", "-q", *options, f"file://{self.root}", str(root))
        return Copy(root, self.registry, self.capsys, self.base)

    def without_git(self) -> None:
        shutil.rmtree(self.root / ".git")

    def delete(self) -> None:
        self.path().unlink()

    def state_name(self, name: str) -> None:
        """Write another ``name:`` into the file."""
        self.path().write_text(self.path().read_text().replace(f"name: {NAME}", f"name: {name}"))

    def break_file(self) -> None:
        self.path().write_text(f"name: {NAME}\nmessages: [\n")

    def take_key_of_other_prompt(self) -> None:
        """Take over the key of v2 of a prompt with the very same texts."""
        other = "support/return"
        for number in (1, 2):
            assert self.publish(self.said(number), other) == number
        self.ok("pull", other)
        self.put_key(self.spelled_key(other))
        self.path(other).unlink()
        self.archive(other)

    def take_key_of_other_registry(self) -> None:
        """Take over the key of v2 of the same prompt with the very same texts, in a second registry."""
        other = Copy(self.root.parent / "elsewhere", self.registry.parent / "other.db", self.capsys).begin()
        for number in (1, 2):
            assert other.publish(self.said(number)) == number
        other.ok("pull")
        self.put_key(other.spelled_key())

    def forget(self) -> None:
        shutil.rmtree(self.project / ".promptsync", ignore_errors=True)

    # -- a text of many lines ------------------------------------------------------------------------------

    def write_rules(self) -> None:
        """Write a file whose text has one numbered line per rule, with lines between that nobody edits."""
        self.write("|-")
        text = "".join(f"      # Rule {number}\n\n      {line}\n\n" for number, line in _numbered(RULES))
        self.path().write_text(self.path().read_text() + text.rstrip("\n") + "\n")

    def line(self, number: int, text: str) -> None:
        """Edit one numbered line in the file."""
        self.path().write_text(_with_line(self.path().read_text(), number, text))

    def commit_line(self, number: int, text: str) -> None:
        self.line(number, text)
        self.commit()

    def content(self) -> str:
        """The text in the file."""
        found: str = yaml.safe_load(self.path().read_text())["messages"][0]["content"]
        return found

    def keys(self) -> tuple[int, ...]:
        """The numbers in ``synced:``, in their order."""
        spelled = yaml.safe_load(self.path().read_text()).get("synced", ())
        keys = [spelled] if isinstance(spelled, str) else spelled
        return tuple(int(key.partition("-")[0]) for key in keys)

    def spelled_key(self, name: str = NAME) -> str:
        """The ``synced:`` line of a file, which must have one."""
        (line,) = (one for one in self.path(name).read_text().splitlines() if one.startswith("synced:"))
        return line

    def put_key(self, line: str) -> None:
        """Write a ``synced:`` line into the file, which has none."""
        self.path().write_text(f"{self.path().read_text()}{line}\n")

    def push_after(self, rival: Callable[[], object]) -> list[int]:
        """Push, but let ``rival`` act after the last look at the list and before the publish."""
        with happening(rival):
            code, found = self.run("push")
        assert (code, len(found["raced"])) == (3, 1), found
        return [one["version"] for one in found["published"]]

    # -- the registry's own pages --------------------------------------------------------------------------

    def archive(self, name: str = NAME) -> None:
        with open_project(load(self.project / "promptsync.yaml")) as project:
            (found,) = (one for one in project.registry.prompts.list() if one.name == name)
            project.registry.prompts.archive(found.template_id, found.is_snippet)

    def version(self, number: int | None = None, name: str = NAME) -> Version:
        """Return a version, the latest one by default."""
        with open_project(load(self.project / "promptsync.yaml")) as project:
            (found,) = (one for one in project.registry.prompts.list() if one.name == name)
            return project.registry.prompts.get(found.template_id, name, version=number)

    def labels(self) -> dict[str, int]:
        """The version that each label of the prompt points at."""
        with open_project(load(self.project / "promptsync.yaml")) as project:
            found = project.registry.labels.all() or ()
            return {one.name: one.version for one in found if one.prompt_name == NAME}

    def said(self, number: int | None = None) -> str:
        """The text of a version, of the latest one by default."""
        found: str = self.version(number).prompt.template["messages"][0]["content"][0]["text"]
        return found

    def save_line(self, number: int, text: str) -> int:
        """Edit one numbered line of the latest version in the dashboard."""
        return self.publish(_with_line(self.said(), number, text))

    def restore(self, number: int, message: str | None = "Restore") -> int:
        """Restore an older version in the dashboard."""
        return self.publish(self.said(number), message=message or "")

    def restore_with_message(self, number: int) -> int:
        """Restore an older version in the dashboard, as registries do that copy its message."""
        return self.restore(number, self.version(number).message)

    def sql(self, statement: str, *values: str) -> None:
        """Do what no operation of the API can do."""
        with contextlib.closing(sqlite3.connect(self.registry)) as database, database:
            database.execute(statement, values)


@contextlib.contextmanager
def happening(between: Between | None) -> Iterator[None]:
    """Let something happen once, after the next push looked at the registry and before it publishes."""
    if between is None:
        yield
        return
    waiting = [between]

    def check_and_wait(project: Project, plan: PushPlan) -> None:
        check_unmoved(project, plan)
        if waiting:  # what happens may be a push as well
            waiting.pop()()

    with patch("promptsync.push.apply.check_unmoved", check_and_wait):
        yield


def _numbered(lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Yield the lines with their numbers in front."""
    for number, line in enumerate(lines, 1):
        yield number, f"{number}. {line}"


def _with_line(text: str, number: int, line: str) -> str:
    """Return ``text`` with another numbered line."""
    found, count = re.subn(rf"^( *){number}\. .*$", rf"\g<1>{number}. {line}", text, flags=re.MULTILINE)
    assert count == 1, text
    return found


def merged(ours: str, theirs: str) -> str:
    """Return the long text with the numbered lines that either side edited."""
    for number, line in _numbered(RULES):
        (mine,) = re.findall(rf"^{number}\. .*$", ours, re.MULTILINE)
        if mine != line:
            theirs = _with_line(theirs, number, mine.partition(" ")[2])
    return theirs
