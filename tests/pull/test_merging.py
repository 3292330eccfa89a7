"""``pull --merge`` from the refusal to the push: layout, odd texts, tags, conflict markers."""

from __future__ import annotations

import json
from typing import Any

from worlds import SYNCED, World, template

from promptsync.files.prompt_file import parse
from promptsync.prompt.prompt import Prompt

FILE = """\
# Who answers refunds.
name: refund
tags: [billing]  # for the dashboard
model:
  provider: openai
  name: gpt-4o
  parameters: {temperature: 0.2}   # calm
messages:
  # the rules
  - role: system
    content: |
      You answer refund questions.
      Be kind and brief.
      Never promise money.
  - {role: user, content: "{question}"}
examples:
  - question: Where is my money?
"""
ASKED = ("{question}", "Question: {question}")


@template
def shop(world: World) -> None:
    """A working copy whose refund prompt is published as version 1; no commit has it."""
    world.put("prompts/refund.yaml", FILE)
    world.ok("push")


def edit(world: World, *changes: tuple[str, str], name: str = "refund") -> str:
    for old, new in changes:
        world.put(f"prompts/{name}.yaml", file(world, name).replace(old, new))
        assert new in file(world, name)
    return file(world, name)


def dashboard(world: World, *changes: tuple[str, str], name: str = "refund", **more: Any) -> None:
    """Publish a version that somebody edited in the dashboard."""
    body = world.read(name)
    text = json.dumps(body["prompt_template"])
    for old, new in changes:
        assert json.dumps(old)[1:-1] in text
        text = text.replace(json.dumps(old)[1:-1], json.dumps(new)[1:-1])
    world.publish(name, **{"prompt_template": json.loads(text), "metadata": body["metadata"], **more})


def file(world: World, name: str = "refund") -> str:
    return world.path(name).read_bytes().decode()


def prompt(world: World, name: str = "refund") -> Prompt:
    return parse(file(world, name).encode(), "x", name).prompt


def texts(world: World, name: str = "refund") -> list[str]:
    return [message["content"][0]["text"] for message in prompt(world, name).template["messages"]]


def model(name: str = "gpt-4o", temperature: float = 0.2) -> dict[str, Any]:
    return {"model": {"provider": "openai", "name": name, "parameters": {"temperature": temperature}}}


def test_edits_in_two_messages_merge_and_the_rest_of_the_file_stays(shop: World) -> None:
    mine = edit(shop, ("kind and brief", "very kind"))
    dashboard(shop, ASKED)
    for verb in ("pull", "push"):
        error = shop.exits(3, verb, "--json").document["error"]
        assert error["code"] == "diverged" and error["hint"].startswith("promptsync pull --merge refund")
    planned = shop.ok("pull", "--merge", "--dry-run", "--json").document
    assert [one["name"] for one in planned["merged"]] == ["refund"] and file(shop) == mine
    assert ["merged", "refund", "v1", "->", "v2", "prompts/refund.yaml"] in shop.ok("pull", "--merge").lines
    (kept,) = (path for path in (shop.root / ".promptsync/backup").rglob("*") if path.is_file())
    assert kept.read_text("utf-8") == mine
    merged = FILE.replace("kind and brief", "very kind").replace('"{question}"', '"Question: {question}"')
    assert SYNCED.sub("", file(shop)) == merged
    assert "synced: 2-" in file(shop) and shop.states() == {"refund": "ahead"}
    shop.ok("push")
    assert shop.states() == {"refund": "in-sync"}


def test_a_text_merges_and_its_line_ends_are_not_harmed(world: World) -> None:
    content = "one\\r\\ntwo\\u2028x\\nthree\\x85y\\n four \\n"
    world.put("prompts/a.yaml", f'messages:\r\n- role: user\r\n  content: "{content}"\r\n')
    world.ok("push")
    edit(world, ("one", "ONE"), name="a")
    dashboard(world, (" four ", " FOUR "), name="a")
    world.ok("pull", "--merge")
    assert texts(world, "a") == ["ONE\r\ntwo\u2028x\nthree\x85y\n FOUR \n"]
    assert file(world, "a").count("\r\n") == file(world, "a").count("\n")


def test_where_nobody_knows_the_tags_of_the_base_none_is_removed(world: World) -> None:
    world.put("prompts/a.yaml", "tags: [kept, mine, theirs]\nmessages:\n- {role: user, content: Hello}\n")
    world.ok("push")
    edit(world, ("[kept, mine, theirs]", "[kept, theirs, new]"), name="a")
    dashboard(world, ("Hello", "Hello you"), name="a")
    world.tag("a", "kept", "mine")
    world.ok("pull", "--merge")
    assert prompt(world, "a").tags == ("kept", "theirs", "new", "mine")
    assert texts(world, "a") == ["Hello you"]


def test_what_does_not_merge_leaves_every_file_as_it_was(shop: World) -> None:
    shop.put("prompts/other.yaml", FILE.replace("name: refund", "name: other"))
    shop.ok("push")
    mine = edit(shop, ("kind and brief", "curt"), ("gpt-4o", "gpt-4.1"))
    edit(shop, ("kind and brief", "terse"), name="other")
    dashboard(shop, ("kind and brief", "short\x1b[31m"), metadata=model("o3"))
    dashboard(shop, ASKED, name="other")
    before = shop.files()

    done = shop.exits(3, "pull", "--merge")
    for line in (
        "messages[0].content: changed on both sides",
        'base:         "Be kind and brief."',
        'yours:        "Be curt."',
        'registry v2:  "o3"',
        "promptsync pull refund --theirs",
        "promptsync pull refund --ours",
    ):
        assert line in done.err
    assert "\x1b[31m" not in done.err
    assert "--markers" not in done.err  # they could not show the model's name

    found = shop.exits(3, "pull", "--merge", "--json").document
    assert (found["error"]["code"], shop.files() == before) == ("merge-conflict", True)
    keys = ("name", "field", "base", "ours", "theirs")
    assert [tuple(one[key] for key in keys) for one in found["conflicts"]] == [
        ("refund", "model.name", "gpt-4o", "gpt-4.1", "o3"),
        ("refund", "messages[0].content", "Be kind and brief.", "Be curt.", "Be short\x1b[31m."),
    ]
    assert shop.run("pull", "--merge", "--markers").code == 3
    assert file(shop) == mine
    shop.ok("pull", "--merge", "other")
    assert shop.states() == {"refund": "diverged", "other": "ahead"}


# -- conflict markers ---------------------------------------------------------------------------------------


def test_markers_are_refused_by_lint_and_push_until_they_are_resolved(shop: World) -> None:
    edit(shop, ("kind and brief", "curt"), ("temperature: 0.2", "temperature: 0.1"))
    dashboard(shop, ("kind and brief", "short"), ("{question}", "Q: {question}"))
    done = shop.says(3, "delete the marker lines", "pull", "--merge", "--markers", "refund")
    assert ["conflict", "refund", "v1", "->", "v2", "prompts/refund.yaml"] in done.lines
    marked = file(shop)
    assert (
        "      You answer refund questions.\n"
        "      <<<<<<< yours\n      Be curt.\n      =======\n      Be short.\n      >>>>>>> registry v2\n"
        "      Never promise money.\n"
    ) in marked
    for part in ('"Q: {question}"', "temperature: 0.1", "# the rules", "\nsynced: 2-"):
        assert part in marked
    assert shop.states() == {"refund": "conflict"}

    lint = shop.run("lint", "--json").document["problems"]
    assert [(one["rule"], one["line"]) for one in lint] == [("conflict-markers", 13)]
    for push in ("push", "push refund --force -y", "push refund", "push --partial"):
        done = shop.says(3, "has conflict markers at prompts/refund.yaml:13", *push.split())
        assert shop.version("refund") == 2 and "promptsync pull" not in done.err
    shop.ok("pull", "--merge")  # nothing to pull
    for options in (["refund"], ["--ours", "refund"], ["--merge", "refund"]):
        done = shop.says(3, "has conflict markers at prompts/refund.yaml:13", "pull", *options)
        assert "hint: edit prompts/refund.yaml:13: choose a side" in done.err
    assert file(shop) == marked

    ours, theirs = marked.index("      <<<<<<<"), marked.index("      >>>>>>>")
    rest = marked[marked.index("\n", theirs) + 1 :]
    # one side was chosen, and a marker is left
    for left in (f"{marked[: marked.index('      =======')]}{rest}", f"{marked[:ours]}{marked[theirs:]}"):
        shop.put("prompts/refund.yaml", left)
        shop.says(3, "has conflict markers at prompts/refund.yaml:13", "push")
        assert (shop.states(), shop.version("refund")) == ({"refund": "conflict"}, 2)
    shop.put("prompts/refund.yaml", f"{marked[:ours]}      Be short and kind.\n{rest}")
    shop.ok("push")
    assert shop.states() == {"refund": "in-sync"}


def test_text_with_markers_that_the_registry_has_is_no_conflict(shop: World) -> None:
    """A prompt about merges may show some."""
    shop.publish("git", content="Resolve this:\n<<<<<<< a\nx\n=======\ny\n>>>>>>> b\n")
    shop.ok("pull")
    assert shop.states()["git"] == "in-sync"
    # an edit of it says that they are meant
    shop.edit("git", "Resolve", "Please resolve")
    assert shop.states()["git"] == "conflict"
    text = shop.path("git").read_text("utf-8")
    shop.put("prompts/git.yaml", f"# promptsync: ignore conflict-markers\n{text}")
    shop.ok("lint")
    shop.ok("push", "git")
    assert shop.read("git")["version"] == 2


@template
def marked(world: World) -> None:
    """A snippet with conflict markers; others use it directly, by a pin, or not at all."""
    world.put("prompts/refund.yaml", FILE)
    for name, text in {
        "tone": "Be kind.",
        "outer": "Outer. @@@tone@@@",
        "user": "User. @@@outer@@@",
        "pinned": "Pinned. @@@tone@version_number:1@@@",
    }.items():
        world.write(name, content=text)
    world.ok("push")
    edit(world, ("Be kind.", "Be curt."), name="tone")
    world.publish("tone", content="Be short.")
    assert world.run("pull", "--markers").code == 3
    for name in ("user", "pinned"):
        edit(world, (name.title(), f"The {name}"), name=name)
    edit(world, ("Be kind and brief", "Be brief"))


CONFLICT = "has conflict markers at prompts/tone.yaml:3"


def test_a_conflict_is_shown_and_nothing_advises_a_push_of_it(marked: World) -> None:
    done = marked.ok("status")
    assert ["conflict", "tone", "v2", "prompts/tone.yaml"] in done.lines
    assert "edit the file: choose a side and delete the marker lines; promptsync lint names them" in done.out
    marked.exits(1, "status", "tone", "--exit-code")
    offline = marked.run("status", "--offline", "--json").document["prompts"]
    assert marked.states()["tone"] == {one["name"]: one["state"] for one in offline}["tone"] == "conflict"
    (change,) = marked.run("diff", "tone", "--json").document["changes"]
    assert change["state"] == "conflict"
    assert change["fields"][0]["new"].startswith("<<<<<<< yours\nBe curt.\n=======\nBe short.\n")
    assert "has conflict markers; choose a side and delete the marker lines" in marked.ok("pull").out
    assert "<<<<<<<" in file(marked, "tone")


def test_a_conflict_is_neither_published_nor_rendered(marked: World) -> None:
    for command in (
        "push", "push tone --force -y", "push tone", "deploy --label prod --allow-dirty",
        "render tone", "render outer", "render user",
    ):  # fmt: skip
        done = marked.run(*command.split())
        assert (done.code, done.out) == (3, "") and CONFLICT in done.err and marked.writes == [], command
        assert "hint: edit prompts/tone.yaml:3: choose a side and delete the marker lines" in done.err
    marked.ok("render", "pinned")


def test_users_of_a_published_snippet_do_not_wait_for_its_conflict(marked: World) -> None:
    done = marked.exits(3, "push", "--partial", "--json").document
    assert {one["name"]: one["reason"] for one in done["skipped"]} == {"tone": CONFLICT}
    assert done["error"]["message"] == f"'tone' was skipped: it {CONFLICT}"
    assert sorted(marked.published) == ["pinned", "refund", "user"]
    marked.ok("pull", "--theirs", "tone")
    assert marked.states()["tone"] == "in-sync"
