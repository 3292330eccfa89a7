"""Stories about one prompt, in lines such as ``ci: push -> 2``: real git, the embedded registry, commands."""

from __future__ import annotations

import contextlib
import re
import shlex
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import MappingProxyType

import yaml
from worlds import SYNCED, World, once, publishing

NAME = "support/refund"
RULES = ("Say hello.", "Be calm.", "Be short.", "Ask for the order.", "Say goodbye.")
"""What the numbered lines of the long text say at first; edits of different ones merge."""
CLONES = {"shallow": ("--depth=1",), "single": ("--single-branch",)}


def play(world: World, story: str, parts: Mapping[str, str] = MappingProxyType({})) -> World:
    """Play a story and return the working copy of its last line.

    ``ci: push`` is a step in a clone named ``ci``, which is made when it is named; without a name, a step is
    in ``world``. ``shallow`` is a clone of the last commit alone, ``single`` of the branch alone, and
    ``worktree`` is no clone. ``parts`` are stories by name.
    """
    return _play(world, story, parts, {"": world})


def _play(world: World, story: str, parts: Mapping[str, str], copies: dict[str, World]) -> World:
    here = world
    for line in story.strip().splitlines():
        step = re.fullmatch(r""" *(?:(\w+): )?(.*?)(?: ->([^"']*))?""", line)
        assert step is not None
        where, command, expected = (part.strip() for part in step.groups(""))
        here = copies.setdefault(where, copies.get(where) or clone(world, where))
        verb, *words = shlex.split(command)
        if verb == "push":
            assert push(here, *words) == [*map(int, expected.split())], line
        elif verb == "push_during":
            rival = partial(_play, here, words[0], parts, {**copies, "": here})
            here.faults.append(once(publishing(), rival))
            done = here.run("push", "--json").document
            # The same text twice is no race.
            assert done["exit_code"] == (3 if done["raced"] else 0), done
            assert [one["version"] for one in done["published"]] == [int(expected)], line
        elif verb == "is":
            assert state(here) == words[0], line
        elif verb == "reads":
            assert content(here) == words[0], line
        elif verb == "refuses":
            assert expected in refused(here, *words), line
        elif verb == "git":
            here.git(*words, check=expected != "conflict")
        elif verb == "play":
            here = _play(here, parts[words[0]], parts, copies if here is world else {**copies, "": here})
        else:
            result = VERBS[verb](here, *words)
            assert expected in ("", str(result)), line
    return here


# -- what stories and tests do ------------------------------------------------------------------------------


def clone(world: World, name: str, *options: str) -> World:
    """A fresh clone beside a working copy, as CI makes one, or another worktree."""
    if name == "worktree":
        world.git("worktree", "add", "-q", "--detach", f"../{name}")
    else:
        options = options or CLONES.get(name, ("-bmain",))
        world.git("clone", "-q", *options, f"file://{world.root}", f"../{name}")
    return replace(world, root=world.root.parent / name)


def commit(world: World, text: str = "", name: str = NAME) -> None:
    """Commit everything, with ``text`` in the prompt if given."""
    if text:
        world.write(name, text)
    world.commit(f"Say {text}")


def push(world: World, *arguments: str) -> list[int]:
    """Push and return the versions that were published."""
    return [one["version"] for one in world.ok("push", "--json", *arguments).document["published"]]


def refused(world: World, *arguments: str) -> str:
    """Run a verb that must be refused, and return all that it says about that."""
    done = world.run(*arguments, "--json")
    assert done.code == 3, str(done)
    return " ".join(str(value) for value in done.document["error"].values())


def state(world: World, name: str = NAME) -> str:
    return world.states()[name]


def content(world: World) -> str:
    """The text in the file."""
    found: str = yaml.safe_load(world.path(NAME).read_text("utf-8"))["messages"][0]["content"]
    return found


def key_line(world: World, name: str = NAME) -> str:
    """The ``synced:`` line of a file, which must have one."""
    (line,) = SYNCED.findall(world.path(name).read_text("utf-8"))
    return str(line)


def keys(world: World, name: str = NAME) -> tuple[int, ...]:
    """The numbers in ``synced:``, in their order."""
    spelled = yaml.safe_load(world.path(name).read_text("utf-8")).get("synced", ())
    return tuple(int(key.partition("-")[0]) for key in ([spelled] if isinstance(spelled, str) else spelled))


def drop_private_files(world: World) -> None:
    shutil.rmtree(world.root / ".promptsync", ignore_errors=True)


# -- a text of many lines -----------------------------------------------------------------------------------


def write_rules(world: World) -> None:
    """Write a file whose text has one numbered line per rule, with lines between that nobody edits."""
    lines = "".join(f"      # Rule {number}\n\n      {line}\n\n" for number, line in _numbered(RULES))
    start = f"# the refund prompt\nname: {NAME}\nmessages:\n  - role: user\n    content: |-\n"
    world.put(f"prompts/{NAME}.yaml", f"{start}{lines.rstrip()}\n")


def edit_line(world: World, number: int | str, text: str) -> None:
    """Edit one numbered line in the file."""
    path = world.path(NAME)
    path.write_text(_with_line(path.read_text(), int(number), text))


def commit_line(world: World, number: int | str, text: str) -> None:
    edit_line(world, number, text)
    world.commit(f"Say {text}")


def save_line(world: World, number: int | str, text: str) -> int:
    """Edit one numbered line of the latest version in the dashboard."""
    return world.publish(NAME, _with_line(world.text(NAME), int(number), text))


def restore(world: World, number: int | str, message: str = "Restore") -> int:
    """Restore an older version in the dashboard."""
    return world.publish(NAME, world.text(NAME, int(number)), commit_message=message)


def restore_with_message(world: World, number: str) -> int:
    """Restore an older version in the dashboard, as registries do that copy its message."""
    return restore(world, number, world.messages(NAME)[int(number) - 1])


def alter(world: World, was: str, now: str, number: int | str = 1) -> None:
    """Let the registry have stored another text of a version than the one that was sent."""
    with contextlib.closing(sqlite3.connect(world.root.parent / "registry.db")) as database, database:
        change = "UPDATE versions SET body = replace(body, ?, ?) WHERE number = ?"
        database.execute(change, (was, now, int(number)))


def merged(ours: str, theirs: str) -> str:
    """Return the long text with the numbered lines that either side edited."""
    for number, line in _numbered(RULES):
        (mine,) = re.findall(rf"^{number}\. .*$", ours, re.MULTILINE)
        if mine != line:
            theirs = _with_line(theirs, number, mine.partition(" ")[2])
    return theirs


def _numbered(lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Yield the lines with their numbers in front."""
    for number, line in enumerate(lines, 1):
        yield number, f"{number}. {line}"


def _with_line(text: str, number: int, line: str) -> str:
    """Return ``text`` with another numbered line."""
    found, count = re.subn(rf"^( *){number}\. .*$", rf"\g<1>{number}. {line}", text, flags=re.MULTILINE)
    assert count == 1, text
    return found


# -- the rest of the words of stories -----------------------------------------------------------------------


def _take_key_of_other_prompt(world: World) -> None:
    """Take over the key of v2 of a prompt with the very same texts."""
    other = "support/return"
    for number in (1, 2):
        assert world.publish(other, world.text(NAME, number)) == number
    world.ok("pull", other)
    with world.path(NAME).open("a") as file:
        file.write(key_line(world, other))
    world.path(other).unlink()
    world.archive(other)


def _take_key_of_other_registry(world: World) -> None:
    """Take over the key of v2 of the same prompt with the very same texts, in a second registry."""
    other = replace(world, root=world.root.parent / "elsewhere")
    other.put("promptsync.yaml", "remotes: {other: {url: 'local:../other.db'}}\n")
    for number in (1, 2):
        other.write(NAME, world.text(NAME, number))
        assert push(other) == [number]
    with world.path(NAME).open("a") as file:
        file.write(key_line(other))


VERBS: dict[str, Callable[..., object]] = {
    "look": lambda world: None,
    "write": lambda world, text, name=NAME: world.write(name, text),
    "line": edit_line,
    "commit": commit,
    "commit_line": commit_line,
    "ok": World.ok,
    "publish": lambda world, text, name=NAME: world.publish(name, text),
    "save_line": save_line,
    "restore": restore,
    "restore_with_message": restore_with_message,
    "archive": lambda world: world.archive(NAME),
    "rename": lambda world, name: world.rename(NAME, name),
    "alter": alter,
    "forget": drop_private_files,
    "delete": lambda world: world.path(NAME).unlink(),
    "without_git": lambda world: shutil.rmtree(world.root / ".git"),
    "state_name": lambda world, name: world.edit(NAME, f"name: {NAME}", f"name: {name}"),
    "break_file": lambda world: world.path(NAME).write_text(f"name: {NAME}\nmessages: [\n"),
    "take_key_of_other_prompt": _take_key_of_other_prompt,
    "take_key_of_other_registry": _take_key_of_other_registry,
}
