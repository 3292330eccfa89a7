"""Small worlds: a working copy in git, a registry on a loopback socket, faults between, a colleague."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import forked
import jsonschema_rs
import pytest
import yaml
from evaluation_files import declared, put
from gitcopy import git
from registry_server import Caller, chat, completion
from scripted_registry import DROPPED as DROPPED
from scripted_registry import KEY, Reply, Seen, reusing

from promptsync.cli import run
from promptsync.files.config import load
from promptsync.files.schema import schema
from promptsync.project.project import Project, open_project
from promptsync.registry.promptlayer.responses import label_of
from promptsync.registry.protocol import Timeouts
from promptsync.server.app import create_app
from promptsync.server.checks.models import Model

Fault = Callable[[Seen, Callable[[Seen], Reply]], Reply | None]
"""Gets a request and the registry behind; answers itself, or ``None`` to let others answer."""

PUBLISH = "/rest/prompt-templates"
SYNCED = re.compile(r"^synced:.*\n?", re.MULTILINE)


@dataclass(frozen=True)
class Run:
    """What one command line did."""

    code: int
    out: str
    err: str
    verb: str = ""

    @property
    def document(self) -> dict[str, Any]:
        """The one JSON document on stdout, as the published schema has it; anything else is a failure."""
        found: dict[str, Any] = json.loads(self.out)
        assert found["schema"] == 1
        assert found["exit_code"] == self.code
        assert ("error" in found) == (self.code not in (0, 1)) or self.code == 1
        if self.verb:
            documents(self.verb).validate(found)
        return found

    @property
    def lines(self) -> list[list[str]]:
        """The words of each line on stdout."""
        return [line.split() for line in self.out.splitlines()]

    def __str__(self) -> str:
        return f"exit {self.code}\n{self.out}\n{self.err}"


@cache
def documents(verb: str) -> Any:
    """The validator of the documents of a verb, which may be followed by an argument."""
    whole = schema("output")
    name = verb if verb in whole["$defs"] else verb.partition(" ")[0]
    return jsonschema_rs.validator_for(
        {**whole, **whole["$defs"].get(name, {}), "$id": f"urn:{name.replace(' ', '-')}"}
    )


@cache
def _templates() -> tempfile.TemporaryDirectory[str]:
    """Where worlds that tests copy are kept until the end of this process."""
    return tempfile.TemporaryDirectory(prefix="templates-")


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


SHORT_WAITS = Timeouts(request=600.0, answer=600.0, first_retry=0.001, read_back=0.02)
"""Next to nothing between attempts. A response may take long: whole runs happen within a request."""


@dataclass
class World:
    """``faults`` are asked in order about each request; ``seen`` are all requests of the working copy."""

    root: Path
    call: Caller
    url: str = ""
    faults: list[Fault] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    timeouts: Timeouts = SHORT_WAITS
    front: Caller | None = None
    """What the working copy reaches in place of the registry behind it."""

    # -- the working copy -------------------------------------------------------------------------------

    def run(self, *arguments: str, **environ: str) -> Run:
        """Run a command line in the working copy, as a workflow does."""
        return self._run(io.StringIO(), io.StringIO(), arguments, {"CI": "true", **environ})

    def on_terminal(self, *arguments: str, answer: str | None, **environ: str) -> Run:
        """Run a command line on a terminal where somebody answers the question; ``None``: stdin is none."""
        before, sys.stdin = sys.stdin, io.StringIO() if answer is None else _Terminal(answer)
        try:
            return self._run(io.StringIO(), _Terminal(), arguments, environ)
        finally:
            sys.stdin = before

    def screen(self, *arguments: str, columns: int = 80, **environ: str) -> str:
        """What a command line that succeeds shows on a terminal of some width."""
        done = self._run(_Terminal(), io.StringIO(), arguments, {"COLUMNS": str(columns), **environ})
        assert done.code == 0, str(done)
        return done.out

    def _run(
        self, out: io.StringIO, err: io.StringIO, arguments: Sequence[str], environ: Mapping[str, str]
    ) -> Run:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            environ = {"PROMPTLAYER_API_KEY": KEY, **environ}
            code = run(["-C", str(self.root), *arguments], environ, timeouts=self.timeouts)
        assert "Traceback" not in err.getvalue()
        verb = "" if arguments[0].startswith("-") else " ".join(arguments[:2])
        return Run(code, out.getvalue(), err.getvalue(), verb)

    def outside(self, *arguments: str) -> Run:
        """Run Python in a process of its own, with promptsync on its path."""
        path = str(Path(__file__).parents[1])
        environ = {**os.environ, "PROMPTLAYER_API_KEY": KEY, "PYTHONPATH": path, "CI": "true"}
        done = subprocess.run(
            [sys.executable, *arguments], env=environ, capture_output=True, text=True, timeout=60, check=False
        )
        return Run(done.returncode, done.stdout, done.stderr)

    @contextmanager
    def started(self, *arguments: str, **environ: str) -> Iterator[subprocess.Popen[str]]:
        """Run a command line in a process of its own, which is killed at the end."""
        with subprocess.Popen(
            [*forked.command(), "-C", str(self.root), *arguments],
            env={**os.environ, "CI": "true", "PROMPTLAYER_API_KEY": KEY, **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()
                for stream in filter(None, (process.stdout, process.stderr)):
                    if not stream.closed:
                        stream.read()  # until the fork has ended, too

    def apart(self, *arguments: str) -> Run:
        """Run a command line to its end in a process of its own."""
        with self.started(*arguments) as process:
            out, err = process.communicate(timeout=600)
        return Run(process.returncode, out, err, arguments[0])

    def ok(self, *arguments: str, **environ: str) -> Run:
        return self.exits(0, *arguments, **environ)

    def exits(self, code: int, *arguments: str, **environ: str) -> Run:
        """Run a command line as ``run`` does, which has to end with an exit code."""
        done = self.run(*arguments, **environ)
        assert done.code == code, str(done)
        return done

    def says(self, code: int, said: str, *arguments: str, **environ: str) -> Run:
        """Run a command line, which has to end with an exit code and these words on stderr."""
        done = self.exits(code, *arguments, **environ)
        assert said in done.err, str(done)
        return done

    def states(self) -> dict[str, str]:
        found = self.run("status", "--json").document
        return {one["name"]: one["state"] for one in found["prompts"]}

    def project(self) -> Project:
        """The working copy for the library; close it."""
        return open_project(load(self.root / "promptsync.yaml"), api_key=KEY, timeouts=self.timeouts)

    @cached_property
    def library(self) -> Project:
        """The working copy for the library, which is closed with the world."""
        return self.project()

    def path(self, name: str) -> Path:
        return self.root / "prompts" / f"{name}.yaml"

    def write(self, name: str, text: str = "Hello {name}", *, commit: str = "", **more: Any) -> Path:
        """Write a chat prompt, or with ``content`` a completion prompt; ``synced:`` stays as in an editor.

        ``commit`` is the message of a commit of all that changed.
        """
        body: dict[str, Any] = {"name": name, **more}
        if "content" not in more:
            body["messages"] = [{"role": "user", "content": text}]
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and (found := SYNCED.search(path.read_text("utf-8"))):
            body |= yaml.safe_load(found[0])
        path.write_text(yaml.safe_dump(body, sort_keys=False, allow_unicode=True), "utf-8")
        if commit:
            self.commit(commit)
        return path

    def put(self, path: str, text: str | bytes) -> Path:
        """Write any file of the working copy."""
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(text.encode() if isinstance(text, str) else text)
        return place

    def edit(self, name: str, old: str, new: str, *, commit: str = "") -> None:
        path = self.path(name)
        text = path.read_text("utf-8")
        assert old in text
        path.write_text(text.replace(old, new), "utf-8")
        if commit:
            self.commit(commit)

    def configure(self, text: str, *, instead: str = "") -> None:
        """Add a line to promptsync.yaml, or put a text in the place of another one."""
        path = self.root / "promptsync.yaml"
        before = path.read_text("utf-8")
        assert instead in before
        path.write_text(before.replace(instead, text) if instead else f"{before}{text}\n", "utf-8")

    def git(self, *arguments: str, check: bool = True) -> str:
        return git(self.root, *arguments, check=check)

    def commit(self, message: str = "Change prompts") -> None:
        self.git("add", "-A")
        self.git("commit", "-qm", message)

    def files(self) -> dict[str, bytes]:
        """Everything below prompts/."""
        found = (path for path in sorted((self.root / "prompts").rglob("*")) if path.is_file())
        return {path.relative_to(self.root).as_posix(): path.read_bytes() for path in found}

    # -- the registry, as somebody else sees it ---------------------------------------------------------

    def publish(self, name: str, text: str = "Theirs {name}", **more: Any) -> int:
        """Publish as somebody else, and return the version."""
        template = completion(more.pop("content")) if "content" in more else chat(text)
        body = {"prompt_name": name, "prompt_template": template, "commit_message": "by hand", **more}
        answer = self.call("POST", PUBLISH, body)
        assert answer.status == 201, answer.body
        return int(answer.body["version_number"])

    def publish_all(self, name: str, *texts: str) -> None:
        """Publish a version for each text, which is its message as well."""
        for text in texts:
            self.publish(name, text, commit_message=text)

    def read(self, name: str, version: int | None = None) -> dict[str, Any]:
        query = f"&version={version}" if version is not None else ""
        answer = self.call("GET", f"/prompt-templates/{quote(name, safe='')}?resolve_snippets=false{query}")
        assert answer.status == 200, answer.body
        found: dict[str, Any] = answer.body
        return found

    def text(self, name: str, version: int | None = None) -> str:
        template = self.read(name, version)["prompt_template"]
        blocks = template["content"] if "content" in template else template["messages"][0]["content"]
        return str(blocks[0]["text"])

    def version(self, name: str) -> int:
        """The latest version, 0 when there is none."""
        answer = self.call("GET", f"/prompt-templates/{quote(name, safe='')}?resolve_snippets=false")
        return int(answer.body["version"]) if answer.status == 200 else 0

    def messages(self, name: str) -> list[str]:
        return [self.read(name, one)["commit_message"] for one in range(1, self.version(name) + 1)]

    def labels(self, name: str) -> dict[str, int]:
        """The versions under the labels of a prompt."""
        return {label: version for label, version, _ in self._labels(name)}

    def label(self, name: str, label: str) -> int | None:
        """The version under a label."""
        return self.labels(name).get(label)

    def _labels(self, name: str) -> Iterator[tuple[str, int, str]]:
        for body in self.call("GET", "/prompt-templates/labels").body["release_labels"]:
            label = label_of(body)
            if label.prompt_name == name:
                yield label.name, label.version, f"/prompt-labels/{label.label_id}"

    def label_path(self, name: str, label: str) -> str:
        """The path of the requests that move or delete a label."""
        return next(path for other, _, path in self._labels(name) if other == label)

    def point(self, name: str, **versions: int) -> None:
        """Create or move labels as in the dashboard; ``prod_released`` is ``prod.released``."""
        for word, version in versions.items():
            label = word.replace("_", ".")
            body = {"name": label, "prompt_version_number": version}
            if label in self.labels(name):
                answer = self.call("PATCH", self.label_path(name, label), body)
            else:
                answer = self.call("POST", f"/prompts/{self.read(name)['id']}/label", body)
            assert answer.status < 300, answer.body

    def remove_label(self, name: str, label: str) -> None:
        """Delete a label as in the dashboard."""
        assert self.call("DELETE", self.label_path(name, label)).status == 204

    def archive(self, name: str) -> None:
        body = {"entities": [{"id": self.read(name)["id"], "type": "PROMPT"}], "cascade": False}
        assert self.call("DELETE", "/api/public/v2/folders/entities", body).status < 300

    def rename(self, old: str, new: str) -> None:
        """Rename a prompt, for which the API has no operation but the registry's own pages do."""
        with contextlib.closing(sqlite3.connect(self.root.parent / "registry.db")) as database, database:
            database.execute("UPDATE items SET name = ? WHERE name = ?", (new, old))

    def tag(self, name: str, *tags: str) -> None:
        """Set the tags of a prompt as in the dashboard: that makes no version."""
        with contextlib.closing(sqlite3.connect(self.root.parent / "registry.db")) as database, database:
            database.execute("UPDATE items SET tags = ? WHERE name = ?", (json.dumps(tags), name))

    # -- the line between them --------------------------------------------------------------------------

    def react(self, seen: Seen) -> Reply:
        with self.lock:
            self.seen.append(seen)
            faults = list(self.faults)
        for fault in faults:
            reply = fault(seen, self.forward)
            if reply is not None:
                return reply
        return self.forward(seen)

    def forward(self, seen: Seen) -> Reply:
        headers = {"cache_control": seen.headers["Cache-Control"]} if "Cache-Control" in seen.headers else {}
        answer = (self.front or self.call)(seen.method, seen.target, seen.body, **headers)
        return Reply(answer.raw.decode(), answer.status, {"Content-Type": "application/json"})

    @property
    def writes(self) -> list[Seen]:
        """The requests that write."""
        return [one for one in self.seen if is_write(one)]

    @property
    def published(self) -> list[str]:
        """The names that the working copy sent to be published, as often as it did."""
        return [published_name(one) for one in self.seen if published_name(one)]

    def forget(self) -> None:
        self.seen.clear()

    def built(self, build: Callable[[World], object]) -> World:
        """Let a function of the test module build on this world, or copy what it built on such a world.

        The world must be as it was when the function was called first: a fixture calls this.
        """
        state = f"{build.__code__}{self.files()}{self.url}".encode()
        for path in (self.root / "promptsync.yaml", self.root.parent / "registry.yaml"):
            state += path.read_bytes()
        kept = Path(_templates().name) / hashlib.sha256(state).hexdigest()
        if kept.exists():
            self.take_back(kept)
        else:
            build(self)
            self.keep(kept)
        self.forget()
        return self

    def keep(self, place: Path) -> None:
        """Copy the working copy, all that is beside it, and the registry."""
        shutil.copytree(self.root.parent, place, symlinks=True, ignore=shutil.ignore_patterns("registry.db*"))
        with (
            contextlib.closing(sqlite3.connect(self.root.parent / "registry.db")) as database,
            contextlib.closing(sqlite3.connect(place / "registry.db")) as copy,
        ):
            database.backup(copy)

    def take_back(self, place: Path) -> None:
        """Be again as it was when it was copied to ``place``."""
        self.call.app.close()
        shutil.rmtree(self.root.parent)
        shutil.copytree(place, self.root.parent, symlinks=True)
        self.call.app = create_app(self.root.parent / "registry.db")


@cache
def _empty() -> Path:
    """What each world begins with: a repository without commits, and a registry without prompts."""
    place = Path(_templates().name) / "empty"
    subprocess.run(["git", "init", "-q", "-b", "main", "--template=", place / "copy"], check=True)
    create_app(place / "registry.db").close()
    return place


def template(build: Callable[[World], object], on: str = "world") -> Any:
    """A fixture: the world ``on`` after ``build``, which runs once and is copied for the other tests."""

    @pytest.fixture(name=build.__name__)
    def fixture(request: pytest.FixtureRequest) -> World:
        world: World = request.getfixturevalue(on)
        return world.built(build)

    return fixture


def template_on(world: str) -> Callable[[Callable[[World], object]], Any]:
    """A fixture: another world of this module after what is built on it."""
    return partial(template, on=world)


def own_world(**options: Any) -> Any:
    """A fixture ``world`` in place of the empty one: made with options, and built as ``template`` says."""

    def fixture_of(build: Callable[[World], object]) -> Any:
        @pytest.fixture(name="world")
        def fixture(tmp_path: Path) -> Iterator[World]:
            with made(tmp_path, **options) as world:
                yield world.built(build)

        return fixture

    return fixture_of


@contextmanager
def made(
    directory: Path,
    *,
    git: bool = True,
    fixtures: str | Mapping[str, str] = "",
    model: Model | None = None,
    front: Callable[[Any], Any] | None = None,
) -> Iterator[World]:
    """An empty working copy of an empty registry, which may have evaluations, agents and a model.

    ``front`` makes of the registry the application that the working copy reaches.
    """
    root = directory / "copy"
    there = [".git"] * (not git) + [file.name for file in directory.glob("registry.db*")]
    shutil.copytree(_empty(), directory, dirs_exist_ok=True, ignore=shutil.ignore_patterns(*there))
    (root / "prompts").mkdir()
    place = put(directory, declared(fixtures) if isinstance(fixtures, str) else fixtures)
    app = create_app(directory / "registry.db", fixtures=place if fixtures else None, model=model)
    world = World(root, Caller(app), front=Caller(front(app)) if front else None)
    try:
        with reusing(world.react) as url:
            world.url = url
            (root / "promptsync.yaml").write_text(f"remote: team\nremotes: {{team: {{url: '{url}'}}}}\n")
            (root / ".gitignore").write_text(".promptsync/\n")
            yield world
    finally:
        if "library" in vars(world):
            world.library.close()
        world.call.app.close()


def is_write(seen: Seen) -> bool:
    # a POST to one prompt renders it
    return seen.method != "GET" and not (seen.method == "POST" and seen.path.startswith("/prompt-templates/"))


def is_move(seen: Seen) -> bool:
    return seen.method == "PATCH" and seen.path.startswith("/prompt-labels/")


def published_name(seen: Seen) -> str:
    # a process that is killed may have sent half a body
    if (seen.method, seen.path) != ("POST", PUBLISH) or not isinstance(seen.body, dict):
        return ""
    return str(seen.body.get("prompt_name") or seen.body["prompt_template"].get("prompt_name"))


# -- faults ---------------------------------------------------------------------------------------------


def publishing(name: str = "") -> Callable[[Seen], bool]:
    """Matches publishes, of one prompt or of any."""
    return lambda seen: bool(published_name(seen)) and (not name or published_name(seen) == name)


def asking(method: str, part: str) -> Callable[[Seen], bool]:
    return lambda seen: seen.method == method and part in seen.target


def fault(
    matches: Callable[[Seen], bool], reply: Reply | Fault, *, times: int = 1_000, after: bool = False
) -> Fault:
    """Give ``reply`` to the first ``times`` requests that match; ``after`` the registry did it."""
    left = [times]
    lock = threading.Lock()

    def answer(seen: Seen, forward: Callable[[Seen], Reply]) -> Reply | None:
        if not matches(seen):
            return None
        with lock:
            if left[0] <= 0:
                return None
            left[0] -= 1
        if after:
            forward(seen)
        return reply(seen, forward) if callable(reply) else reply

    return answer


def once(
    when: Callable[[Seen], bool], act: Callable[[], object], *, after: bool = False, at: int = 1
) -> Fault:
    """A fault: once, when a request matches, something else happens before it, or ``after`` it.

    ``at`` is the number of that request among those that match.
    """
    waiting = [at]

    def is_that_one(seen: Seen) -> bool:
        if is_match := when(seen):
            waiting[0] -= 1
        return is_match and waiting[0] <= 0

    def react(seen: Seen, forward: Callable[[Seen], Reply]) -> Reply | None:
        answer = forward(seen) if after else None
        act()
        return answer

    return fault(is_that_one, react, times=1)


def late(seconds: float) -> Callable[[Seen, Callable[[Seen], Reply]], Reply]:
    """Do what was asked at once, and answer late."""
    return lambda seen, forward: replace(forward(seen), delay=seconds)


def changed(change: Callable[[Any], None]) -> Callable[[Seen, Callable[[Seen], Reply]], Reply]:
    """Let the registry get another body than the one that was sent."""

    def forward_changed(seen: Seen, forward: Callable[[Seen], Reply]) -> Reply:
        body = json.loads(json.dumps(seen.body))
        change(body)
        return forward(replace(seen, body=body))

    return forward_changed


def failing(status: int, message: str = "out of order", **headers: str) -> Reply:
    return Reply({"success": False, "message": message}, status, headers)
