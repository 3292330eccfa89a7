"""``promptsync search``: where does this sentence occur?"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from worlds import World, template

from promptsync.commands.search import find_in_text, pattern_of
from promptsync.errors import UsageError

FILE = """\
# The tone of the house.
name: support/refund
messages:
  - role: system
    content: |
      You answer refund questions.
      Be brief and
      friendly, always.
  - role: user
    content: >
      Be brief and
      friendly, always.
  - role: user
    content: Be brief and
      friendly, always.
  - role: user
    content: "Caf\\u00e9 \\
      or tea?\\nIt's {{ question }}"
  - role: user
    content: 'It''s a question'
"""


FOUND: list[tuple[str, dict[str, bool], list[int]]] = [
    ("refund questions", {}, [6]),
    ("be brief", {}, []),
    ("(?i)be brief", {}, []),
    ("Be brief and friendly", {}, [7, 11, 14]),
    ("  Be  brief\nand friendly ", {}, [7, 11, 14]),
    ("tone of the house", {}, [1]),
    ("{{ question }}", {}, [18]),
    ("e", {}, [*range(1, 21)]),
    ("be BRIEF", {"ignore_case": True}, [7, 11, 14]),
    (r"friendly\b.+s\.", {"is_regexp": True}, [8, 12, 15]),
    (r"^\s+content", {"is_regexp": True}, [5, 10, 14, 17, 20]),
    (r"and friendly", {"is_regexp": True}, []),
    ("x*", {"is_regexp": True}, []),
    (r"[[{] question", {"is_regexp": True}, [18]),  # a later Python may read it otherwise, and warns
]


@pytest.mark.parametrize(("text", "options", "lines"), FOUND)
def test_a_sentence_is_found_however_yaml_lays_it_out(
    text: str, options: dict[str, bool], lines: list[int]
) -> None:
    assert [line for line, _ in find_in_text(FILE, pattern_of(text, **options))] == lines


@pytest.mark.parametrize(
    ("text", "is_regexp"), [("", False), (" \n", False), ("", True), ("(", True), ("a{99999999999}", True)]
)
def test_a_pattern_that_means_nothing_is_a_usage_error(text: str, is_regexp: bool) -> None:
    with pytest.raises(UsageError):
        pattern_of(text, is_regexp=is_regexp)


@template
def searched(world: World) -> None:
    """Two prompts with cached versions, a broken file, an evaluation, and nothing sent afterwards."""
    for text in ("Send it to the old address", "Send it to the old address, please", "Send it back"):
        world.write("support/refund", text)
        world.commit()
        world.ok("push")
    world.write("tone", "Nothing here")
    world.commit()
    world.ok("push")
    world.ok("log", "-p", "support/refund")
    (world.root / "prompts/broken.yaml").write_text("messages: [Send it, \n")
    (world.root / "evaluations").mkdir()
    (world.root / "evaluations/refund.yaml").write_text("rows: [{question: Send it}]\n")


def places(world: World, *arguments: str) -> list[str]:
    found = world.run("search", *arguments, "--json").document
    assert world.seen == []
    assert found["exit_code"] == (0 if found["matches"] else 1)
    return [
        f"{match['name']}@{match['version']}" if match["version"] else f"{match['path']}:{match['line']}"
        for match in found["matches"]
    ]


IN_FILES = ["evaluations/refund.yaml:1", "prompts/broken.yaml:1", "prompts/support/refund.yaml:4"]
REFUND = [f"support/refund@{version}" for version in (3, 2, 1)]


SEARCHES: list[tuple[tuple[str, ...], list[str]]] = [
    (("Send it",), [*IN_FILES, *REFUND]),
    (("send it",), []),
    (("-i", "send IT"), [*IN_FILES, *REFUND]),
    (("old address",), REFUND[1:]),
    (("Send it", "support/*"), [IN_FILES[2], *REFUND]),
    (("Send it", "broken"), [IN_FILES[1]]),
    (("Send it", "tone"), []),
    (("-E", "to .* address$"), REFUND[2:]),
    (("old address", "--remote", "local:other.db"), []),
]


def test_files_and_cached_versions_are_searched_without_a_request(searched: World) -> None:
    for arguments, expected in SEARCHES:
        assert places(searched, *arguments) == expected
    done = searched.ok("search", "old address")  # the versions of a prompt share a line
    assert done.out == "support/refund@2, @1  Send it to the old address, please\n"
    assert re.fullmatch(r"2 matches in 4 files and \d cached versions\n", done.err)
    done = searched.run("search", "it", "support/refnd")
    assert (done.code, "did you mean 'support/refund'?" in done.err) == (2, True)
    for options, advice in (((), True), (("-i",), False)):
        done = searched.run("search", "NO SUCH TEXT", *options)
        assert (done.code, done.err.endswith("; -i matches upper and lower case alike\n")) == (1, advice)


def test_a_link_out_of_the_repository_is_not_followed(searched: World, tmp_path: Path) -> None:
    (searched.root / "evaluations").rename(tmp_path / "elsewhere")
    (searched.root / "evaluations").symlink_to(tmp_path / "elsewhere")
    assert places(searched, "Send it", "support/*") == [IN_FILES[2], *REFUND]
    assert IN_FILES[0] not in places(searched, "Send it")


def test_what_yaml_escapes_or_joins_is_found_in_its_file(local: World) -> None:
    (local.root / "prompts/a.yaml").write_text(FILE, "utf-8")
    for arguments in (("Café or tea? It's",), ("It's a question",), ("-E", "brief and friendly")):
        assert local.ok("search", *arguments).out.startswith("prompts/a.yaml  ")
        assert places(local, *arguments) == ["prompts/a.yaml:None"]


def test_what_a_prompt_contains_cannot_reach_the_terminal(local: World) -> None:
    local.write("a", "before \x1b[31mneedle\x1b[0m \u202eafter " + "x" * 500)
    local.commit()
    local.ok("push")
    local.ok("show", "a@1")
    local.write("b", "c " * 500 + "needle")
    done = local.ok("search", "needle")
    assert "\x1b" not in done.out
    assert "\u202e" not in done.out
    assert "a@1" in done.out
    assert max(map(len, done.out.splitlines())) < 300


def test_on_a_terminal_the_match_is_marked_and_lines_fit(local: World) -> None:
    local.write("a", "one two three " * 8 + "needle " + "four five six " * 8)
    shown = local.screen("search", "needle", columns=60)
    assert "\x1b[1mneedle\x1b[0m" in shown
    assert max(len(re.sub(r"\x1b\[[0-9;]*m", "", line)) for line in shown.splitlines()) <= 60


def test_a_file_that_cannot_be_read_is_an_error(searched: World) -> None:
    (searched.root / "prompts/huge.yaml").write_bytes(b"Send it\n" * 700_000)
    done = searched.run("search", "Send it")
    assert (done.code, "prompts/support/refund.yaml:" in done.out) == (1, True), str(done)
    assert "error: prompts/huge.yaml:1:1: " in done.err
    document = searched.run("search", "Nothing at all", "--json").document
    assert (document["error"]["code"], document["matches"]) == ("invalid-file", [])
