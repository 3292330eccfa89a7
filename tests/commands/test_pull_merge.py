"""``promptsync pull --merge`` from the refusal to the push, as a person and a pipeline meet it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from release_world import World, world
from worlds import SYNCED

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
RULES = "You answer refund questions.\nBe kind and brief.\nNever promise money.\n"


@pytest.fixture
def shop(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[World]:
    """A working copy whose refund prompt is published as version 1."""
    with world(tmp_path, capsys) as made:
        made.write("prompts/refund.yaml", FILE)
        assert made.run("push").code == 0
        yield made


def edit(shop: World, *changes: tuple[str, str], name: str = "refund") -> str:
    path = shop.root / f"prompts/{name}.yaml"
    text = path.read_text("utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text, "utf-8")
    return text


def dashboard(shop: World, *changes: tuple[str, str], name: str = "refund", **more: Any) -> None:
    """Publish a version that somebody edited in the registry's own pages."""
    prompt = parse(FILE.encode(), "x", name).prompt
    template = {**prompt.template, **more.pop("template", {})}
    messages = [dict(message) for message in template["messages"]]
    for old, new in changes:
        assert any(old in message["content"][0]["text"] for message in messages)
        for message in messages:
            said = message["content"][0]["text"].replace(old, new)
            message["content"] = [{"type": "text", "text": said}]
    made = Prompt(
        name, {**template, "messages": messages}, more.get("metadata", prompt.metadata), prompt.tags
    )
    shop.project.registry.prompts.publish(made, message="edited by hand")


def read(shop: World, name: str = "refund") -> str:
    return (shop.root / f"prompts/{name}.yaml").read_bytes().decode()


def states(shop: World) -> dict[str, str]:
    return {one["name"]: one["state"] for one in shop.run("status", "--json").document["prompts"]}


def test_the_refusal_names_the_merge_first(shop: World) -> None:
    edit(shop, ("kind and brief", "kind"))
    dashboard(shop, ("{question}", "Question: {question}"))
    for verb in ("pull", "push"):
        ran = shop.run(verb)
        assert ran.code == 3
        hints = [line for line in ran.err.splitlines() if line.startswith("hint:")]
        assert hints[0].startswith("hint: promptsync pull --merge refund")


def test_edits_in_two_messages_merge_and_the_rest_of_the_file_stays(shop: World) -> None:
    edit(shop, ("kind and brief", "very kind"))
    dashboard(shop, ("{question}", "Question: {question}"))
    ran = shop.run("pull", "--merge")
    assert ran.code == 0
    assert ["merged", "refund", "v1", "->", "v2", "prompts/refund.yaml"] in ran.lines
    merged = FILE.replace("kind and brief", "very kind").replace('"{question}"', '"Question: {question}"')
    assert SYNCED.sub("", read(shop)) == merged
    assert "synced: 2-" in read(shop)
    assert states(shop) == {"refund": "ahead"}
    assert shop.run("push").code == 0
    assert states(shop) == {"refund": "in-sync"}


def test_text_here_and_a_parameter_there_merge(shop: World) -> None:
    edit(shop, ("kind and brief", "very kind"))
    model = {"provider": "openai", "name": "gpt-4o", "parameters": {"temperature": 0.7}}
    dashboard(shop, metadata={"model": model})
    assert shop.run("pull", "--merge", "refund").code == 0
    assert "{temperature: 0.7}   # calm" in read(shop)
    assert "Be very kind." in read(shop)


def test_lines_of_one_text_and_inserted_messages_merge(shop: World) -> None:
    edit(shop, ("You answer refund questions.", "You answer questions about refunds."))
    shot = [
        {"role": role, "content": [{"type": "text", "text": f"{role} says"}]}
        for role in ("user", "assistant")
    ]
    messages = parse(FILE.encode(), "x", "refund").prompt.template["messages"]
    dashboard(shop, ("Never", "Do not"), template={"messages": [messages[0], *shot, messages[1]]})
    assert shop.run("pull", "--merge").code == 0
    merged = parse(read(shop).encode(), "x", "refund").prompt.template["messages"]
    assert [message["content"][0]["text"] for message in merged] == [
        "You answer questions about refunds.\nBe kind and brief.\nDo not promise money.\n",
        "user says",
        "assistant says",
        "{question}",
    ]
    assert "# the rules" in read(shop)


def test_the_same_edit_on_both_sides_needs_no_merge(shop: World) -> None:
    edit(shop, ("kind and brief", "kind"))
    dashboard(shop, ("kind and brief", "kind"))
    assert states(shop) == {"refund": "in-sync"}


def test_what_does_not_merge_leaves_every_file_as_it_was(shop: World) -> None:
    other = FILE.replace("name: refund", "name: other")
    shop.write("prompts/other.yaml", other)
    assert shop.run("push").code == 0
    mine = edit(shop, ("kind and brief", "curt"), ("gpt-4o", "gpt-4.1"))
    edit(shop, ("kind and brief", "terse"), name="other")
    model = {"provider": "openai", "name": "o3", "parameters": {"temperature": 0.2}}
    dashboard(shop, ("kind and brief", "short\x1b[31m"), metadata={"model": model})
    dashboard(shop, ("{question}", "Q: {question}"), name="other")
    before = read(shop, "other")

    ran = shop.run("pull", "--merge")
    assert ran.code == 3
    assert (read(shop), read(shop, "other")) == (mine, before)
    assert "messages[0].content: changed on both sides" in ran.err
    assert "model.name: changed on both sides" in ran.err
    for line in (
        'base:         "Be kind and brief.\\n"',
        'yours:        "Be curt.\\n"',
        'registry v2:  "o3"',
    ):
        assert line in ran.err
    assert "\x1b[31m" not in ran.err
    assert "promptsync pull refund --theirs" in ran.err and "promptsync pull refund --ours" in ran.err
    assert "--markers" not in ran.err  # they could not show the model's name

    found = shop.run("pull", "--merge", "--json").document
    assert (found["exit_code"], found["error"]["code"]) == (3, "merge-conflict")
    assert (found["written"], found["merged"]) == ([], [])
    assert [
        (one["name"], one["field"], one["base"], one["ours"], one["theirs"]) for one in found["conflicts"]
    ] == [
        ("refund", "model.name", "gpt-4o", "gpt-4.1", "o3"),
        ("refund", "messages[0].content", "Be kind and brief.\n", "Be curt.\n", "Be short\x1b[31m.\n"),
    ]
    assert shop.run("pull", "--merge", "--markers").code == 3
    assert read(shop) == mine

    assert shop.run("pull", "--merge", "other").code == 0
    assert states(shop) == {"refund": "diverged", "other": "ahead"}


def test_markers_are_refused_by_lint_and_push_until_they_are_resolved(shop: World) -> None:
    edit(shop, ("kind and brief", "curt"), ("temperature: 0.2", "temperature: 0.1"))
    dashboard(shop, ("kind and brief", "short"), ("{question}", "Q: {question}"))
    ran = shop.run("pull", "--merge", "--markers", "refund")
    assert ran.code == 3
    assert ["conflict", "refund", "v1", "->", "v2", "prompts/refund.yaml"] in ran.lines
    assert "delete the marker lines" in ran.err
    marked = read(shop)
    assert (
        "      You answer refund questions.\n"
        "      <<<<<<< yours\n      Be curt.\n      =======\n      Be short.\n      >>>>>>> registry v2\n"
        "      Never promise money.\n"
    ) in marked
    assert '"Q: {question}"' in marked and "temperature: 0.1" in marked and "# the rules" in marked
    assert "\nsynced: 2-" in marked
    assert states(shop) == {"refund": "conflict"}

    lint = shop.run("lint", "--json")
    assert [(one["rule"], one["line"]) for one in lint.document["problems"]] == [("conflict-markers", 13)]
    for push in (["push"], ["push", "refund", "--force", "-y"], ["push", "refund"], ["push", "--partial"]):
        ran = shop.run(*push)
        assert ran.code == 3
        assert "has conflict markers at prompts/refund.yaml:13" in ran.err
        assert "promptsync pull" not in ran.err
        assert published(shop) == {"refund": 2}
    assert shop.run("pull", "--merge").code == 0  # nothing to pull
    assert shop.run("pull", "--ours", "refund").code == 3
    assert read(shop) == marked

    ours, theirs = marked.index("      <<<<<<<"), marked.index("      >>>>>>>")
    resolved = marked[:ours] + "      Be short and kind.\n" + marked[marked.index("\n", theirs) + 1 :]
    shop.write("prompts/refund.yaml", resolved)
    assert shop.run("push").code == 0
    assert states(shop) == {"refund": "in-sync"}


@pytest.fixture
def marked(shop: World) -> World:
    """A working copy in which a snippet has conflict markers; others use it directly, by a pin, or not."""
    shop.write("prompts/tone.yaml", "name: tone\ncontent: Be kind.\n")
    shop.write("prompts/outer.yaml", "name: outer\ncontent: Outer. @@@tone@@@\n")
    shop.write("prompts/user.yaml", "name: user\ncontent: User. @@@outer@@@\n")
    shop.write("prompts/pinned.yaml", "name: pinned\ncontent: Pinned. @@@tone@version_number:1@@@\n")
    assert shop.run("push").code == 0
    edit(shop, ("Be kind.", "Be curt."), name="tone")
    template = {"type": "completion", "content": [{"type": "text", "text": "Be short."}]}
    shop.project.registry.prompts.publish(Prompt("tone", template), message="In the dashboard")
    assert shop.run("pull", "--markers").code == 3
    for name in ("user", "pinned"):
        edit(shop, (name.title(), f"The {name}"), name=name)
    edit(shop, ("Be kind and brief", "Be brief"))
    return shop


CONFLICT = "has conflict markers at prompts/tone.yaml:3"


def published(shop: World) -> dict[str, int]:
    return {one.name: one.version for one in shop.project.registry.prompts.list()}


def test_a_conflict_is_shown_and_nothing_advises_a_push_of_it(marked: World) -> None:
    ran = marked.run("status")
    assert ["conflict", "tone", "v2", "prompts/tone.yaml"] in ran.lines
    assert "promptsync lint, then edit the file: choose a side and delete the marker lines" in ran.out
    assert marked.run("status", "tone", "--exit-code").code == 1
    assert marked.run("status", "--drift", "--exit-code").code == 1
    assert states(marked)["tone"] == "conflict"
    offline = {
        one["name"]: one["state"] for one in marked.run("status", "--offline", "--json").document["prompts"]
    }
    assert offline["tone"] == "conflict"
    assert "conflict  tone" in marked.run("status", "--format", "markdown").out
    (change,) = marked.run("diff", "tone", "--json").document["changes"]
    assert change["state"] == "conflict"
    assert change["fields"][0]["new"].startswith("<<<<<<< yours\nBe curt.\n=======\nBe short.\n")
    ran = marked.run("pull")
    assert ran.code == 0
    assert "has conflict markers; choose a side and delete the marker lines" in ran.out + ran.err
    assert "<<<<<<<" in read(marked, "tone")


@pytest.mark.parametrize("arguments", [[], ["tone", "--force", "-y"], ["tone"]])
def test_a_push_refuses_a_conflict_and_says_what_to_do(marked: World, arguments: list[str]) -> None:
    before = published(marked)
    ran = marked.run("push", *arguments, "--json")
    assert ran.code == 3
    assert ran.document["error"]["code"] == "conflict-markers"
    assert CONFLICT in ran.document["error"]["message"]
    hint = ran.document["error"]["hint"].splitlines()[0]
    assert hint == "edit prompts/tone.yaml:3: choose a side and delete the marker lines"
    assert published(marked) == before


def test_users_of_a_published_snippet_do_not_wait_for_its_conflict(marked: World) -> None:
    before = published(marked)
    ran = marked.run("push", "--partial", "--json")
    assert ran.code == 3
    assert {one["name"]: one["reason"] for one in ran.document["skipped"]} == {"tone": CONFLICT}
    assert ran.document["error"]["message"] == f"'tone' was skipped: it {CONFLICT}"
    assert ran.document["error"]["hint"] == "promptsync status"
    assert published(marked) == before | {"pinned": 2, "refund": 2, "user": 2}


def test_a_deploy_refuses_a_conflict(marked: World) -> None:
    before = published(marked)
    ran = marked.run("deploy", "--label", "prod", "--allow-dirty")
    assert ran.code == 3
    assert f"'tone' {CONFLICT}" in ran.err
    assert "hint: edit prompts/tone.yaml:3: choose a side and delete the marker lines" in ran.err
    assert published(marked) == before


@pytest.mark.parametrize("name", ["tone", "outer", "user"])
def test_nothing_is_rendered_with_a_conflict(marked: World, name: str) -> None:
    ran = marked.run("render", name)
    assert (ran.code, ran.out) == (3, "")
    assert f"'tone' {CONFLICT}; nothing was rendered" in ran.err
    assert marked.run("render", "pinned").code == 0


def test_one_side_of_a_conflict_can_be_taken(marked: World) -> None:
    assert marked.run("pull", "--theirs", "tone").code == 0
    assert states(marked)["tone"] == "in-sync"
    assert marked.run("push").code == 0


def test_text_with_markers_that_the_registry_has_is_no_conflict(shop: World) -> None:
    """A prompt about merges may show some."""
    text = "Resolve this:\n<<<<<<< a\nx\n=======\ny\n>>>>>>> b\n"
    template = {"type": "completion", "content": [{"type": "text", "text": text}]}
    shop.project.registry.prompts.publish(Prompt("git", template), message="m")
    assert shop.run("pull").code == 0
    assert states(shop)["git"] == "in-sync"


def test_markers_in_a_quoted_text_become_a_block(shop: World) -> None:
    edit(shop, ('"{question}"', '"My {question}"'))
    dashboard(shop, ("{question}", "Your {question}"))
    assert shop.run("pull", "--markers").code == 3
    text = parse(read(shop).encode(), "x", "refund").prompt.template["messages"][1]["content"][0]["text"]
    assert text == "<<<<<<< yours\nMy {question}\n=======\nYour {question}\n>>>>>>> registry v2"
    assert "\n      My {question}\n" in read(shop)
    assert shop.run("lint").code == 1


def test_a_text_that_no_commit_holds_is_backed_up(shop: World) -> None:
    mine = edit(shop, ("kind and brief", "very kind"))
    dashboard(shop, ("{question}", "Question: {question}"))
    ran = shop.run("pull", "--merge", "--json")
    (backup,) = ran.document["backups"].values()
    assert Path(backup).read_text("utf-8") == mine


def test_a_committed_text_needs_no_backup_and_a_commit_of_the_merge_is_ahead(shop: World) -> None:
    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        subprocess.run(["git", "-C", str(shop.root), *identity, *arguments], check=True, capture_output=True)

    git("init", "-b", "main")
    git("add", "prompts", "promptsync.yaml")
    git("commit", "-m", "start")
    edit(shop, ("kind and brief", "very kind"))
    git("commit", "-am", "kinder")
    dashboard(shop, ("{question}", "Question: {question}"))
    ran = shop.run("pull", "--merge", "--json")
    assert (ran.code, ran.document["backups"]) == (0, {})
    assert states(shop) == {"refund": "ahead"}
    git("commit", "-am", "merge")
    assert states(shop) == {"refund": "ahead"}
    assert shop.run("push").code == 0
    assert states(shop) == {"refund": "in-sync"}


def test_a_dry_run_shows_the_merge_and_writes_nothing(shop: World) -> None:
    mine = edit(shop, ("kind and brief", "very kind"))
    dashboard(shop, ("{question}", "Question: {question}"))
    ran = shop.run("pull", "--merge", "--dry-run", "--json")
    assert [one["name"] for one in ran.document["merged"]] == ["refund"]
    assert read(shop) == mine


def test_a_deleted_file_cannot_be_merged(shop: World) -> None:
    git = ("git", "-C", str(shop.root), "-c", "user.name=a", "-c", "user.email=a@example.com")
    for command in (("init", "-q"), ("add", "prompts"), ("commit", "-qm", "Keep it")):
        subprocess.run([*git, *command], check=True)
    (shop.root / "prompts/refund.yaml").unlink()
    dashboard(shop, ("{question}", "Question: {question}"))
    ran = shop.run("pull", "--merge")
    assert ran.code == 3
    assert "pull refund --theirs" in ran.err


@pytest.mark.parametrize("side", ["--theirs", "--ours"])
@pytest.mark.parametrize("way", ["--merge", "--markers", "--passed-over"])
def test_a_side_is_not_merged_as_well(shop: World, side: str, way: str) -> None:
    edit(shop, ("kind and brief", "curt"))
    dashboard(shop, ("kind and brief", "short"))
    done = shop.run("pull", "refund", way, side)
    assert (done.code, "Be curt." in read(shop)) == (2, True)
    assert f"error: {side} and {way} cannot be combined\n" in done.err


@pytest.mark.parametrize("other", [("--label", "prod"), ("--version", "1"), ("--output", "out")])
def test_merge_makes_no_sense_where_versions_are_put_as_they_are(shop: World, other: tuple[str, str]) -> None:
    assert shop.run("pull", "refund", "--merge", *other).code == 2
