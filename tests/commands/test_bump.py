"""Pins of snippets: who is named when a text changes, and ``promptsync bump``, which moves the pins."""

from __future__ import annotations

import re
from pathlib import Path

from worlds import Run, World, template, template_on

TONE = "One.\nTwo.\nThree.\nFour.\nFive.\n"


def pin(version: int, text: str = "Hello {name}") -> str:
    return f"@@@tone@version_number:{version}@@@ {text}"


@template
def used(world: World) -> None:
    """``a`` and ``b`` pin the first version of ``tone``, ``c`` follows its latest, ``d`` does not use it."""
    world.write("tone", content=TONE)
    for name, text in {"a": pin(1), "b": pin(1), "c": "@@@tone@@@ Hi", "d": "Hi"}.items():
        world.write(name, text)
    world.commit()
    world.ok("push")


def change(world: World, old: str = "Two.", new: str = "2.") -> None:
    world.edit("tone", old, new, commit="Change the tone")


def pinned_lines(done: Run) -> list[str]:
    return [line.strip() for line in done.out.splitlines() if line.strip().startswith("pinned ")]


def pins_of(world: World, name: str) -> list[int]:
    found = re.findall(r"@@@tone@version_number:(\d+)@@@", world.path(name).read_text("utf-8"))
    return [int(number) for number in found]


# -- who still uses the old text ----------------------------------------------------------------------------


def test_a_changed_snippet_is_followed_from_the_edit_to_the_bump(used: World) -> None:
    assert pinned_lines(used.ok("status")) == []
    change(used)
    will = "pinned  tone: once v2 is published, a, b will still pin v1"
    for command in ("status", "push -n"):  # a bump would be refused
        assert pinned_lines(used.ok(*command.split())) == [will]
    entry = {"name": "a", "snippet": "tone", "pinned": 1, "version": 2, "problem": "outdated"}
    pins = [entry, {**entry, "name": "b"}]
    assert used.ok("push", "-n", "--json").document["pins"] == pins
    used.says(3, "hint: promptsync push tone\n", "bump", "tone")
    before = used.files()
    now = "pinned  tone: a, b still pin v1, not v2; promptsync bump tone"
    assert pinned_lines(used.ok("push", "tone")) == [now]
    assert used.files() == before
    assert pinned_lines(used.ok("status")) == [now]
    assert pinned_lines(used.ok("status", "--remote", "team")) == [f"{now} --remote team"]
    assert used.ok("status", "--json").document["pins"] == pins
    used.edit("d", "Hi", "Ho", commit="Change prompts")
    assert pinned_lines(used.ok("push")) == []
    used.ok(*now.rpartition("promptsync ")[2].split())
    assert (pins_of(used, "a"), pins_of(used, "b")) == ([2], [2])
    assert pinned_lines(used.ok("status")) == []
    used.commit()
    assert pinned_lines(used.ok("push")) == []
    assert used.ok("status", "--exit-code").out.count("in sync") == 1
    assert "nothing to bump: every pin of tone is v2\n" in used.ok("bump", "tone").out
    used.write("tone", content=TONE.replace("Two.", "2."), tags=["new"], commit="Change prompts")
    assert pinned_lines(used.ok("status")) == []  # no text is left behind


def test_users_are_counted_and_named_with_different_versions(used: World) -> None:
    change(used)
    used.ok("push")
    used.write("e", pin(2))
    change(used, "Three.", "3.")
    used.ok("push")
    (line,) = pinned_lines(used.ok("status"))
    assert "tone: a (v1), b (v1), e (v2) still pin older versions, not v3; promptsync bump tone" in line
    used.ok("bump", "tone", "--to", "2")
    for name in "fg":
        used.write(name, pin(2))
    (line,) = pinned_lines(used.ok("status"))
    assert "tone: a, b, e and 2 more still pin v2, not v3; promptsync bump tone" in line
    (own,) = pinned_lines(used.ok("status", "a"))
    assert "tone: a still pins v2, not v3" in own
    for options in (["d"], ["--label", "prod"], ["--offline"]):
        assert pinned_lines(used.ok("status", *options)) == []


# -- bump ---------------------------------------------------------------------------------------------------


@template_on("used")
def published(world: World) -> None:
    """The second version of ``tone`` is published, and the third one."""
    for old, new in (("Two.", "2."), ("Three.", "3.")):
        change(world, old, new)
        world.ok("push")


MOVES: list[tuple[tuple[str, ...], dict[str, int]]] = [
    (("-n",), {"a": 1, "b": 1}),
    (("b", "--to", "2"), {"a": 1, "b": 2}),
    (("[bd]",), {"a": 1, "b": 3}),
    (("--to", "2"), {"a": 2, "b": 2}),
    (("prompts/a.yaml", "a"), {"a": 3, "b": 2}),
    ((), {"a": 3, "b": 3}),
    (("--to", "1"), {"a": 1, "b": 1}),
]


def test_the_pins_of_the_prompts_that_are_meant_move(published: World) -> None:
    before = published.files()
    for arguments, expected in MOVES:
        published.ok("bump", "tone", *arguments)
        after = published.files()
        for path, text in before.items():
            number = expected.get(Path(path).stem, 1)
            assert after[path] == text.replace(b"number:1@", f"number:{number}@".encode()), arguments
    assert published.writes == []
    published.write("a", f"{pin(1)} {pin(2)} {pin(3)} @@@tone@@@ @@@tone@label:prod@@@")
    published.commit()
    assert published.ok("bump", "prompts/tone.yaml", "a").out.splitlines() == [
        "  bumped  a  v1, v2 -> v3  prompts/a.yaml",
        "1 file written",
        "next: commit, then promptsync push or promptsync deploy",
    ]
    assert pins_of(published, "a") == [3, 3, 3]
    assert "@@@tone@@@ @@@tone@label:prod@@@" in published.path("a").read_text()
    (bumped,) = published.ok("bump", "tone", "--json").document["bumped"]
    assert bumped == {"name": "b", "path": "prompts/b.yaml", "from": [1], "to": 3}
    assert "nothing to bump: no prompt pins a version of d" in published.ok("bump", "d").out


def test_only_to_moves_a_pin_down(published: World) -> None:
    published.ok("bump", "tone", "a")
    published.git("checkout", "-q", "HEAD~1")
    done = published.ok("bump", "tone", "--json")
    assert done.document["version"] == 2, str(done)
    assert done.document["above"] == [{"name": "a", "version": 3}]
    out = published.ok("bump", "tone").out
    assert "stays  a: pins v3, later than v2; --to 2 moves it down" in out
    assert "nothing to bump: every pin of tone is v2 or later" in out
    published.ok("bump", "tone", "--to", "2")
    assert pins_of(published, "a") == [2]


CANNOT_BE_DONE: list[tuple[tuple[str, ...], int, str, str]] = [
    (("tome",), 2, "there is no prompt 'tome'", "did you mean 'tone'?"),
    (("tone", "nobody"), 2, "there is no prompt 'nobody'", ""),
    (("*",), 2, "* matches 5 prompts; bump moves the pins of one snippet", "promptsync bump tone"),
    (("tone", "a", "d"), 2, "'d' means no prompt that pins a version of 'tone'", "promptsync bump tone"),
    (("tone", "[cd]"), 2, "'[cd]' means no prompt that pins", "promptsync bump tone"),
    (("tone", "x*"), 2, "no prompt matches 'x*'", ""),
    (("tone", "--to", "4"), 2, "'tone' has no version 4", "promptsync log tone"),
    (("tone", "--to", "0"), 2, "0", ""),
    (("tone", "--expect", "0123456789abcdef"), 3, "not the plan that was reviewed", "--dry-run"),
]


def test_only_a_plan_that_was_confirmed_or_reviewed_is_carried_out(published: World) -> None:
    before = published.files()
    for arguments, code, message, hint in CANNOT_BE_DONE:
        done = published.run("bump", *arguments)
        assert (done.code, message in done.err, hint in done.err) == (code, True, True), str(done)
    for answer, code in (("n\n", 1), ("", 130)):
        done = published.on_terminal("bump", "tone", answer=answer)
        assert (done.code, "2 prompts to pin tone v3. Continue?" in done.err) == (code, True), str(done)
    fingerprint = published.ok("bump", "tone", "-n", "--json").document["fingerprint"]
    assert published.files() == before
    published.put("prompts/broken.yaml", "messages: [")
    published.exits(1, "bump", "tone")
    published.path("broken").unlink()
    assert published.files() == before
    published.ok("bump", "tone", "--expect", fingerprint)
    assert (pins_of(published, "a"), pins_of(published, "b")) == ([3], [3])


def test_the_hint_of_a_refusal_leads_to_a_version_that_can_be_pinned(used: World) -> None:
    def diverge() -> None:
        used.publish("tone", content=TONE.replace("Two.", "2.").replace("Five.", "5."))
        change(used, "Three.", "3.")

    for prepare, hint, *then in (
        (lambda: used.write("fresh", content="New"), "push fresh"),
        (lambda: change(used), "push tone"),
        (diverge, "status tone", "pull --merge tone", "push tone"),
    ):
        prepare()
        snippet = hint.split()[1]
        done = used.exits(3, "bump", snippet)
        assert re.findall(r"(?m)^hint: promptsync (.*)$", done.err) == [hint]
        for command in (hint, *then):
            used.ok(*command.split())
        used.ok("bump", snippet)
        assert snippet == "fresh" or pins_of(used, "a") == [used.version("tone")]


def test_a_snippet_of_another_repository_is_bumped_to_its_latest_version(world: World) -> None:
    for text in ("One", "Two"):
        world.publish("shared/tone", content=text)
    world.configure("include: ['own/*']")
    world.write("own/a", "@@@shared/tone@version_number:1@@@ Hi", commit="Change prompts")
    assert pinned_lines(world.ok("status")) == []
    world.ok("bump", "shared/tone")
    assert "@@@shared/tone@version_number:2@@@" in world.path("own/a").read_text()


# -- what was rolled back -----------------------------------------------------------------------------------


def test_a_text_that_was_rolled_back_is_pinned_only_by_its_number(used: World) -> None:
    used.configure("labels: {main: prod}")
    used.write("c", "Hi", commit="Change prompts")
    used.ok("deploy")
    change(used)
    assert len(pinned_lines(used.ok("deploy"))) == 1
    used.ok("rollback", "tone", "--label", "prod")
    assert pinned_lines(used.ok("status")) == []
    before = used.files()
    for options in ((), ("-n",), ("a",)):
        done = used.exits(3, "bump", "tone", *options, "--json")
        assert done.document["error"]["code"] == "rolled-back", str(done)
    assert used.files() == before
    used.ok("bump", "tone", "a", "--to", "2")
    assert (pins_of(used, "a"), pins_of(used, "b")) == ([2], [1])
    change(used, "Three.", "3.")
    used.ok("deploy")
    used.ok("bump", "tone")
    assert (pins_of(used, "a"), pins_of(used, "b")) == ([3], [3])
