"""``ls-remote``, ``log``, ``show``, ``open`` and ``search`` as a person and a pipeline run them."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import click
import pytest
from registry_server import running
from worlds import World, asking, failing, fault, template

from promptsync.commands.search import find_in_text, pattern_of
from promptsync.errors import UsageError
from promptsync.files.prompt_file import parse
from promptsync.registry.promptlayer.connection import Connection
from promptsync.server.app import create_app
from promptsync.terminal import streams

EVIL = "\x1b]0;owned\x07 \u202e"


@template
def here(world: World) -> None:
    world.publish("support/refund", "one", commit_message="one", tags=["billing"])
    world.publish("support/refund", "two", commit_message="two (v2)", tags=["billing", "paid"])
    world.publish("tone", content="Be kind.", commit_message="Be kind.")
    world.publish("greet", "Hi", tags=["billing"])
    world.publish("old", "Old")
    world.archive("old")
    world.point("support/refund", prod=1)
    world.point("support/refund", prod_previous=1)
    world.put("prompts/elsewhere.yaml", "name: tone\ncontent: Be kind.\n")


# -- ls-remote -----------------------------------------------------------------------------------------


def test_the_list_shows_every_prompt_and_marks_those_with_a_file(here: World) -> None:
    ran = here.ok("ls-remote")
    assert ran.lines == [
        ["greet", "v1", "[billing]", "by", "hand"],
        ["support/refund", "v2", "prod", "v1", "[billing,", "paid]", "two"],
        ["*", "tone", "v1", "Be", "kind."],
    ]
    assert ran.err == "3 prompts, 1 with a file (*)\n"
    assert here.ok("ls-remote", "*refund", "-q").err == ""
    assert here.ok("ls-remote", "--status", "deleted").lines == [["old", "v1", "archived", "by", "hand"]]
    assert [line[0] for line in here.ok("ls-remote", "*r*e*").lines] == ["greet", "support/refund"]
    assert here.ok("ls-remote", "GREET*").lines == []
    prompts = here.ok("ls-remote", "--json", "--status", "all").document["prompts"]
    labels = [{"label": "prod", "version": 1}, {"label": "prod.previous", "version": 1}]
    assert [one["labels"] for one in prompts] == [[], None, labels, []]
    assert [one["name"] for one in prompts if one["archived"]] == ["old"]
    assert [one["name"] for one in prompts if one["adopted"]] == ["tone"]
    assert (prompts[2]["id"], prompts[2]["message"]) == (here.read("support/refund")["id"], "two (v2)")
    # Where labels cost a request each, the list says which verb has them.
    here.faults.append(fault(asking("GET", "/prompt-templates/labels"), failing(404, "no prompt labels")))
    here.says(0, "promptsync label list fetches them", "ls-remote", "support/*")
    (prompt,) = here.ok("ls-remote", "support/*", "--json").document["prompts"]
    assert prompt["labels"] is None


def test_a_url_needs_no_working_copy_and_leaves_none_behind(world: World, tmp_path: Path) -> None:
    world.root = tmp_path / "nowhere"
    world.root.mkdir()
    with create_app(tmp_path / "r.db") as app, running(app) as url:
        for line in ("eval list", "agent list", "dataset list", "track group --new"):
            world.ok(*line.split(), "--remote", url)
            world.says(2, "promptsync init", *line.split())
        for environ in ({"PROMPTSYNC_REMOTE": url}, {"PROMPTLAYER_BASE_URL": url}):
            assert world.ok("ls-remote", **environ).err == "0 prompts\n"
    assert [*world.root.iterdir()] == []


# -- log -----------------------------------------------------------------------------------------------


def test_the_log_is_newest_first(here: World) -> None:
    ran = here.ok("log", "support/refund", "--oneline")
    assert ran.lines == [["v2", "-", "two"], ["v1", "-", "(prod,", "prod.previous)", "one"]]
    paragraphs = here.ok("log", "support/refund").out.split("\n\n")
    assert [one.split("\n")[0] for one in paragraphs] == ["version 2", "version 1 (prod, prod.previous)"]
    assert paragraphs[0].split("\n")[1].startswith("Date:   20")
    assert "    two" in paragraphs[0]
    newest = here.ok("log", "support/refund", "--json").document["versions"][0]
    assert (newest["version"], newest["message"], newest["labels"]) == (2, "two", [])
    cut = here.ok("log", "support/refund", "--max-count", "1")
    assert cut.out.startswith("version 2") and "version 1" not in cut.out and "--all" in cut.err
    assert here.ok("log", "support/refund", "-n", "1", "--all").err == ""
    here.write("support/refund", "two", tags=["billing", "paid"])
    assert here.ok("log", "support/refund", "--oneline").lines[0] == ["v2", "-", "(base)", "two"]


# -- show ----------------------------------------------------------------------------------------------


def test_a_version_is_shown_as_a_prompt_file_and_said_beside_it(here: World) -> None:
    for wanted, text in (("", "two"), ("@1", "one"), (":prod", "one")):
        file = parse(here.ok("show", f"support/refund{wanted}").out.encode(), "x.yaml", "x")
        assert (file.prompt.name, "billing" in file.prompt.tags) == ("support/refund", True)
        assert file.prompt.template["messages"][0]["content"][0]["text"] == text
        assert not file.local.synced
    assert here.ok("show", "support/refund@1").err == "support/refund v1 (prod, prod.previous) one\n"
    assert here.ok("show", "support/refund@1", "-q").err == ""
    found = here.ok("show", "support/refund:prod", "--json").document["prompt"]
    assert (found["version"], found["labels"]) == (1, ["prod", "prod.previous"])
    assert found["template"]["messages"][0]["content"][0]["text"] == "one"


def test_no_verb_lets_the_registrys_texts_act_on_a_terminal(world: World) -> None:
    name = f"a{EVIL}b"
    world.publish(name, content=f"x{EVIL}\x9b", commit_message=f"m{EVIL}", tags=[f"t{EVIL}"])
    world.point(name, **{f"l{EVIL}": 1})
    for line in (["show", name], ["log", name], ["ls-remote"], ["label", "list"]):
        shown = world.screen(*line, "--color", "never")
        assert all(character not in shown for character in "\x1b\x07\u202e\x9b")


# -- Which prompts a verb is about: names, patterns of names, and the paths of their files ----------------


NAMES = ["hello", "support/refund", "support/return"]


@template
def changed(world: World) -> None:
    """Three prompts in sync, each changed since; ``support/return`` lives in a file of another name."""
    for name in NAMES:
        world.write(name)
    world.path("support/return").rename(world.path("support/parcel"))
    world.commit()
    world.ok("push")
    for name in ("hello", "support/refund", "support/parcel"):
        world.edit(name, "Hello", "Ciao")
    world.commit()


# what is given, what is meant
GIVEN: list[tuple[tuple[str, ...], list[str]]] = [
    (("hello",), NAMES[:1]),
    (("support/*",), NAMES[1:]),
    (("*re?u*",), NAMES[1:]),
    (("hel*", "hello", "hello"), NAMES[:1]),
    (("prompts/hello.yaml",), NAMES[:1]),
    (("prompts/support/parcel.yaml",), NAMES[2:]),
    (("prompts/support",), NAMES[1:]),
    (("prompts/support/",), NAMES[1:]),
    (("prompts",), NAMES),
    (("./prompts/hello.yaml", "support/refund"), NAMES[:2]),
]
KEYS = {**dict.fromkeys(("status", "show", "render"), "prompts"), "log": "versions", "diff": "changes"}
KEYS |= {"push -n": "plan", "pull --merge -n": "written"}


def test_what_is_given_is_what_is_meant(changed: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for other in ("show", "log", "open", "render"):
        changed.says(2, "hint: did you mean 'support/refund:prod'?", other, "support/refund@prod")
    for of_two in ("support/refund@1..2", "support/refund@1..support/refund@2"):
        changed.says(2, "hint: promptsync diff support/refund@1 support/refund@2\n", "diff", of_two)
    for verb, key in KEYS.items():
        first, *options = verb.split()
        for name in NAMES if first == "pull" else ():
            changed.publish(name, "Hello {name}", metadata={"owner": "shop"})
        several = first in ("show", "render", "log")
        for given, meant in GIVEN[1:8:2] if several else GIVEN if first == "status" else GIVEN[1:7:2]:
            document = changed.run(first, *given, *options, "--json").document
            assert sorted(one["name"] for one in document.get(key, [document])) == meant, given
    assert changed.ok("show", "support/*").out.count("\n---\n") == 1
    assert changed.ok("log", "support/*", "--oneline").out.splitlines()[0] == "support/refund"
    assert "=== support/return ===" in changed.ok("render", "support/*").out
    # A name that looks like a pattern is a name, and paths are relative to the current directory.
    for name in ("a*", "ab"):
        changed.write(name)
    assert [one["name"] for one in changed.run("push", "a*", "-n", "--json").document["plan"]] == ["a*"]
    monkeypatch.chdir(changed.root / "prompts" / "support")
    absolute = str(changed.path("support/refund"))
    changed.root = Path()
    for path in ("refund.yaml", "../support/refund.yaml", absolute):
        assert changed.ok("diff", "--name-only", path).out == "support/refund\n"


def test_a_path_that_is_gone_still_means_its_prompt_and_a_directory_becomes_a_pattern(changed: World) -> None:
    changed.path("hello").unlink()
    document = changed.run("status", "prompts/hello.yaml", "--json").document
    assert [(one["name"], one["state"]) for one in document["prompts"]] == [("hello", "deleted-locally")]
    shutil.rmtree(changed.root / "prompts" / "support")
    for path in ("prompts/support", "prompts/support/"):
        changed.says(2, "hint: did you mean 'support/*'?", "push", path, "--prune", "-n")
    prompts = changed.run("status", "support/*", "--json").document["prompts"]
    assert {one["state"] for one in prompts} == {"deleted-locally"}


def test_what_is_forced_is_named_and_never_matched(changed: World) -> None:
    changed.publish("support/refund")
    for option in ("--force", "--restore"):
        for names, why in {
            (): "needs the names of the prompts",
            ("support/*",): "needs exact names, and 'support/*' is a pattern",
            ("hello", "prompts/support"): "needs exact names, and 'prompts/support' is a directory",
        }.items():
            changed.says(2, f"{option} {why}", "push", *names, option, "-y")
    assert changed.writes == []
    changed.ok("push", "prompts/support/refund.yaml", "--force", "-y")
    assert changed.text("support/refund", 3) == "Ciao {name}"


UNKNOWN = [
    *("status helo", "diff helo", "push helo", "push helo --force", "push helo --restore", "pull helo"),
    *("pull --theirs helo", "pull helo --version 1", "log helo", "show helo", "label list helo"),
    *("render helo", "render helo --from-registry", "ls-remote helo", "diff helo@1", "show helo:prod"),
    *("label set helo prod", "rollback helo --label prod", "promote a b helo", "status he?o.yaml"),
]


def test_an_unknown_name_is_a_usage_error_with_the_closest_match(changed: World) -> None:
    for command in UNKNOWN:
        error = json.loads(changed.exits(2, *command.split(), "--json").out)["error"]
        is_pattern = "?" in command
        message = "no prompt matches 'he" if is_pattern else "there is no prompt 'he"
        assert (error["code"], error["message"].startswith(message)) == ("not-found", True)
        assert error["hint"] == "did you mean 'hello'?" or is_pattern
    for command in ("show", "label list", "pull", "push"):  # an id is no name
        changed.says(2, "there is no prompt", *command.split(), str(changed.read("hello")["id"]))
    assert changed.writes == []
    # An archived prompt without a file is looked for in git.
    changed.publish("gone")
    changed.archive("gone")
    for line in ("show gone", "push gone --prune", "push gone --restore", "pull gone"):
        assert "it is archived\nhint: git log -- " in changed.exits(2, *line.split()).err
    changed.write("gone")
    assert "hint: promptsync push gone --restore\n" in changed.run("show", "gone").err
    changed.configure("include: [hello, 'support/*']")
    assert "1 prompt file ignored (not in include); promptsync lint lists them" in changed.ok("status").out
    said = "'gone' is not published, because include in promptsync.yaml does not match it"
    changed.says(2, said, "push", "prompts/gone.yaml")


# -- ``open``: the page of a prompt, and which registries have one ---------------------------------------


DASHBOARD = "https://dashboard.promptlayer.com"


@template
def support(world: World) -> None:
    for name in ("support/refund", "support/triage"):
        world.publish(name)


def test_on_a_terminal_the_page_is_opened_and_everywhere_it_is_printed(
    support: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(click, "launch", lambda url: opened.append(url) or len(opened) // 3)
    monkeypatch.setattr(Connection, "dashboard", DASHBOARD)
    monkeypatch.setattr(streams, "columns", lambda variable: 200)
    with support.project() as project:
        listed = next(item for item in project.registry.prompts.list() if item.name == "support/refund")
        url = f"{DASHBOARD}/workspace/{project.registry.workspace_id}/prompt/{listed.template_id}"
    for argument, said in (
        ("support/refund@1", "choose v1 there"),
        ("support/r*", ""),
        ("support/refund", "no browser could be started"),  # the third time
    ):
        done = support.on_terminal("open", argument, answer=None)
        assert (done.code, done.out, said in done.err, not done.err) == (0, f"{url}\n", True, not said)
    for option in ("--print", "--json"):
        assert url in support.on_terminal("open", "support/refund", option, answer=None).out
    assert support.ok("open", "support/refund").out == f"{url}\n"  # without a terminal
    monkeypatch.setattr(streams, "columns", lambda variable: None)  # in a pipe
    assert support.on_terminal("open", "support/refund", answer=None).out == f"{url}\n"
    support.says(2, "matches 2", "open", "support/*")
    assert opened == [url] * 3


# -- ``search``: where does this sentence occur? ---------------------------------------------------------


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
    ("Be brief and friendly", {}, [7, 11, 14]),
    ("  Be  brief\nand friendly ", {}, [7, 11, 14]),
    ("tone of the house", {}, [1]),
    ("e", {}, [*range(1, 21)]),
    ("be BRIEF", {"ignore_case": True}, [7, 11, 14]),
    (r"friendly\b.+s\.", {"is_regexp": True}, [8, 12, 15]),
    (r"^\s+content", {"is_regexp": True}, [5, 10, 14, 17, 20]),
    ("x*", {"is_regexp": True}, []),
    (r"[[{] question", {"is_regexp": True}, [18]),  # a later Python may read it otherwise, and warns
]


def test_a_sentence_is_found_however_yaml_lays_it_out() -> None:
    for text, options, lines in FOUND:
        assert [line for line, _ in find_in_text(FILE, pattern_of(text, **options))] == lines, text
    for text in ("", " \n", "(", "a{99999999999}"):  # means nothing
        with pytest.raises(UsageError):
            pattern_of(text, is_regexp=bool(text.strip()))


@template
def searched(world: World) -> None:
    """Two prompts with cached versions, a broken file, an evaluation, and nothing sent afterwards."""
    for text in ("Send it to the old address", "Send it to the old address, please", "Send it back"):
        world.write("support/refund", text, commit="Change prompts")
        world.ok("push")
    world.write("tone", "Nothing here", commit="Change prompts")
    world.ok("push")
    world.ok("log", "-p", "support/refund")
    world.put("prompts/broken.yaml", "messages: [Send it, \n")
    world.put("evaluations/refund.yaml", "rows: [{question: Send it}]\n")


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
    searched.says(2, "did you mean 'support/refund'?", "search", "it", "support/refnd")
    for options, advice in (((), True), (("-i",), False)):
        done = searched.run("search", "NO SUCH TEXT", *options)
        assert (done.code, done.err.endswith("; -i matches upper and lower case alike\n")) == (1, advice)


def test_what_a_prompt_contains_cannot_reach_the_terminal(local: World) -> None:
    local.write("a", "before \x1b[31mneedle\x1b[0m \u202eafter " + "x" * 500, commit="Change prompts")
    local.ok("push")
    local.ok("show", "a@1")
    local.write("b", "c " * 500 + "needle")
    done = local.ok("search", "needle")
    assert "\x1b" not in done.out and "\u202e" not in done.out and "a@1" in done.out
    assert max(map(len, done.out.splitlines())) < 300
    shown = local.screen("search", "needle", "b", columns=60)
    assert "\x1b[1mneedle\x1b[0m" in shown
    assert max(len(re.sub(r"\x1b\[[0-9;]*m", "", line)) for line in shown.splitlines()) <= 60
    local.put("prompts/a.yaml", FILE)  # what YAML escapes or joins is found in its file
    for arguments in (("Café or tea? It's",), ("It's a question",), ("-E", "brief and friendly")):
        assert local.ok("search", *arguments).out.startswith("prompts/a.yaml  ")
        assert places(local, *arguments) == ["prompts/a.yaml:None"]


def test_a_file_that_cannot_be_read_is_an_error_and_no_link_out_is_followed(
    searched: World, tmp_path: Path
) -> None:
    (searched.root / "evaluations").rename(tmp_path / "elsewhere")
    (searched.root / "evaluations").symlink_to(tmp_path / "elsewhere")
    assert places(searched, "Send it") == [*IN_FILES[1:], *REFUND]
    (searched.root / "prompts/huge.yaml").write_bytes(b"Send it\n" * 700_000)
    done = searched.says(1, "error: prompts/huge.yaml:1:1: ", "search", "Send it")
    assert "prompts/support/refund.yaml:" in done.out
    document = searched.run("search", "Nothing at all", "--json").document
    assert (document["error"]["code"], document["matches"]) == ("invalid-file", [])
