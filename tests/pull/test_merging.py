"""Merging in real files and a real registry: layout, odd texts, tags, several prompts at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from registry_server import chat
from release_world import World, world
from worlds import SYNCED

from promptsync.compare.gather import gather
from promptsync.compare.snapshot import State
from promptsync.files.prompt_file import parse
from promptsync.prompt.canonical import canonical
from promptsync.prompt.prompt import Prompt
from promptsync.pull.apply import apply_pull
from promptsync.pull.merge import MergeConflict
from promptsync.pull.plan import plan_pull
from promptsync.pull.write import PullOptions
from promptsync.push.actions import PushOptions
from promptsync.push.apply import apply_push
from promptsync.push.plan import plan_push

MERGE = PullOptions(merge=True)
LONG = (
    "You answer questions. " + "Be brief and kind to everybody who asks. " * 3 + "End politely. Never shout."
)


@pytest.fixture
def made(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as found:
        yield found


def publish_files(made: World, **texts: str) -> None:
    for name, text in texts.items():
        (made.root / "prompts").mkdir(exist_ok=True)
        (made.root / f"prompts/{name}.yaml").write_bytes(text.encode())
    snapshot = gather(made.project)
    apply_push(made.project, plan_push(made.project, snapshot, PushOptions()))


def edit(made: World, name: str, old: str, new: str) -> None:
    path = made.root / f"prompts/{name}.yaml"
    text = path.read_bytes().decode()
    assert old in text
    path.write_bytes(text.replace(old, new).encode())


def remote(made: World, name: str) -> Prompt:
    (listed,) = (one for one in made.project.registry.prompts.list(name=name) if one.name == name)
    found = made.project.registry.prompts.get(listed.template_id, name, version=listed.version)
    return structs.replace(found.prompt, tags=listed.prompt.tags)


def edit_remote(made: World, name: str, old: str, new: str, **more: Any) -> None:
    prompt = remote(made, name)
    template = replaced(prompt.template, old, new)
    assert template != prompt.template or more
    made.project.registry.prompts.publish(
        structs.replace(prompt, template=template, **more), message="by hand"
    )


def replaced(value: Any, old: str, new: str) -> Any:
    if isinstance(value, str):
        return value.replace(old, new)
    if isinstance(value, dict):
        return {key: replaced(item, old, new) for key, item in value.items()}
    return [replaced(item, old, new) for item in value] if isinstance(value, list) else value


def merge(made: World, options: PullOptions = MERGE) -> dict[str, bool]:
    """Pull, and return for each file that was written whether it is merged."""
    plan = plan_pull(made.project, gather(made.project), options)
    return {write.name: write.word == "merged" for write in apply_pull(made.project, plan).of(plan.writes)}


def file(made: World, name: str) -> str:
    return (made.root / f"prompts/{name}.yaml").read_bytes().decode()


def text(made: World, name: str, message: int = 0) -> str:
    template = parse(file(made, name).encode(), "x", name).prompt.template
    found: str = template["messages"][message]["content"][0]["text"]
    return found


def state(made: World, name: str) -> State:
    return next(item.state for item in gather(made.project).items if item.name == name)


def test_one_long_line_merges_by_sentences_and_stays_one_line(made: World) -> None:
    publish_files(made, a=f"messages:\n- role: user\n  content: {LONG}\n")
    edit(made, "a", "You answer questions.", "You answer all questions.")
    edit_remote(made, "a", "Never shout.", "Never shout. Thank them.")
    assert [*merge(made).values()] == [True]
    wanted = LONG.replace("answer", "answer all") + " Thank them."
    assert text(made, "a") == wanted
    assert any(wanted in line for line in file(made, "a").splitlines())
    assert state(made, "a") is State.AHEAD


@pytest.mark.parametrize(
    ("header", "end"), [("|", "\n"), ("|-", ""), ("|+", "\n\n")], ids=["clip", "strip", "keep"]
)
def test_the_end_of_a_text_is_not_harmed(made: World, header: str, end: str) -> None:
    body = "".join(f"    line {number}\n" for number in range(5)) + "\n" * (end.count("\n") - 1)
    publish_files(made, a=f"messages:\n- role: user\n  content: {header}\n{body}")
    assert text(made, "a").endswith(f"line 4{end}")
    edit(made, "a", "line 0", "first")
    edit_remote(made, "a", "line 3", "line three")
    merge(made)
    assert text(made, "a") == f"first\nline 1\nline 2\nline three\nline 4{end}"


def test_a_file_with_crlf_keeps_its_line_ends(made: World) -> None:
    publish_files(
        made, a="# top\r\nmessages:\r\n- role: user\r\n  content: |\r\n    one\r\n    two\r\n    three\r\n"
    )
    edit(made, "a", "one", "ONE")
    edit_remote(made, "a", "three", "THREE")
    merge(made)
    assert text(made, "a") == "ONE\ntwo\nTHREE\n"
    assert file(made, "a").count("\r\n") == file(made, "a").count("\n")


def test_carriage_returns_and_separators_inside_a_text_survive(made: World) -> None:
    publish_files(
        made, a='messages:\n- role: user\n  content: "one\\r\\ntwo\\u2028x\\nthree\\x85y\\n four \\n"\n'
    )
    edit(made, "a", "one", "ONE")
    edit_remote(made, "a", " four ", " FOUR ")
    merge(made)
    assert text(made, "a") == "ONE\r\ntwo\u2028x\nthree\x85y\n FOUR \n"


def test_where_nobody_knows_the_tags_of_the_base_none_is_removed(made: World) -> None:
    publish_files(made, a="tags: [kept, mine, theirs]\nmessages:\n- {role: user, content: Hello}\n")
    edit(made, "a", "[kept, mine, theirs]", "[kept, theirs, new]")
    edit_remote(made, "a", "Hello", "Hello you", tags=("kept", "mine"))
    merge(made)
    assert parse(file(made, "a").encode(), "x", "a").prompt.tags == ("kept", "theirs", "new", "mine")
    assert text(made, "a") == "Hello you"


def test_a_result_that_equals_the_registry_is_in_sync(made: World) -> None:
    publish_files(made, a="messages:\n- role: user\n  content: |\n    one\n    two\n    three\n")
    edit(made, "a", "one", "ONE")
    edit_remote(made, "a", "one", "ONE")
    edit_remote(made, "a", "three", "THREE")
    merge(made)
    assert state(made, "a") is State.IN_SYNC
    assert canonical(parse(file(made, "a").encode(), "x", "a").prompt) == canonical(remote(made, "a"))


def test_several_versions_there_and_a_second_merge_on_top_of_the_first(made: World) -> None:
    publish_files(made, a="messages:\n- role: user\n  content: |\n    1\n    2\n    3\n    4\n    5\n")
    edit(made, "a", "    1\n", "    one\n")
    edit_remote(made, "a", "3", "three")
    edit_remote(made, "a", "three", "drei")
    merge(made)
    assert text(made, "a") == "one\n2\ndrei\n4\n5\n"
    edit_remote(made, "a", "5", "five")
    merge(made)
    assert text(made, "a") == "one\n2\ndrei\n4\nfive\n"
    assert state(made, "a") is State.AHEAD


def test_one_that_does_not_merge_keeps_all_from_being_written(made: World) -> None:
    content = "messages:\n- {role: user, content: Hello}\n"
    publish_files(made, a=content, b=content, c=content)
    for name, ours in (("a", "Hello you"), ("b", "Hi")):
        edit(made, name, "Hello", ours)
    model = {"model": {"provider": "openai", "name": "gpt-4o"}}
    edit_remote(made, "a", "", "", metadata=model)
    edit_remote(made, "b", "Hello", "Good day")
    edit_remote(made, "c", "Hello", "Welcome")
    before = {name: file(made, name) for name in "abc"}
    with pytest.raises(MergeConflict) as caught:
        merge(made)
    assert {name: file(made, name) for name in "abc"} == before
    (unmerged,) = caught.value.unmerged
    assert (unmerged.name, [one.path for one in unmerged.conflicts]) == ("b", ["messages[0].content"])

    merged = merge(made, structs.replace(MERGE, markers=True))
    assert merged == {"a": True, "b": False, "c": False}
    assert text(made, "b") == "<<<<<<< yours\nHi\n=======\nGood day\n>>>>>>> registry v2"


def test_two_that_have_nothing_in_common_merge_only_where_they_agree(made: World) -> None:
    made.project.registry.prompts.publish(Prompt("a", chat("Theirs")), message="by hand")
    made.write(
        "prompts/a.yaml", "model: {provider: openai, name: x}\nmessages:\n- {role: user, content: Mine}\n"
    )
    assert state(made, "a") is State.DIVERGED
    with pytest.raises(MergeConflict) as caught:
        merge(made)
    assert [one.path for one in caught.value.unmerged[0].conflicts] == ["messages[0]"]
    made.write(
        "prompts/a.yaml", "model: {provider: openai, name: x}\nmessages:\n- {role: user, content: Theirs}\n"
    )
    merge(made)
    assert "model: {provider: openai, name: x}" in file(made, "a")
    assert state(made, "a") is State.AHEAD


def test_local_keys_and_comments_stay(made: World) -> None:
    head = "# top\nname: a\nmessages:\n# why\n- role: system\n  content: Be kind.\n"
    local = "evaluations: [quality]  # proof\nexamples:\n- {x: 1}\n"
    publish_files(made, a=f'{head}- {{role: user, content: "{{x}}"}}\n{local}')
    edit(made, "a", "Be kind.", "Be very kind.")
    edit_remote(made, "a", "{x}", "Say {x}")
    merge(made)
    merged = head.replace("Be kind.", "Be very kind.")
    assert SYNCED.sub("", file(made, "a")) == f'{merged}- {{role: user, content: "Say {{x}}"}}\n{local}'
