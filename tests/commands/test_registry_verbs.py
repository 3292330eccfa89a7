"""``ls-remote``, ``log`` and ``show`` as a person and a pipeline run them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from registry_server import running
from release_world import World, faulty, world

from promptsync.cli import run
from promptsync.files.prompt_file import parse
from promptsync.project.target import find_prompt
from promptsync.prompt.canonical import canonical
from promptsync.prompt.prompt import Prompt
from promptsync.server.app import create_app

EVIL = "\x1b]0;owned\x07 \u202e"


@pytest.fixture
def here(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[World]:
    with world(tmp_path, capsys) as made:
        made.publish("support/refund", "one", "two (v2)", tags=["billing"])
        made.publish("tone", "Be kind.", snippet=True)
        made.label("support/refund", prod=1, prod_previous=1)
        yield made


# -- ls-remote -----------------------------------------------------------------------------------------


def test_the_list_shows_every_prompt_and_marks_those_with_a_file(here: World) -> None:
    here.write("prompts/tone.yaml", "content: Be kind.\n")
    ran = here.run("ls-remote")
    assert ran.code == 0
    assert ran.lines == [
        ["support/refund", "v2", "prod", "v1", "[billing]", "two"],
        ["*", "tone", "v1", "Be", "kind."],
    ]
    assert ran.err == "2 prompts, 1 with a file (*)\n"


def test_a_pattern_crosses_slashes_and_quiet_gives_only_the_answer(here: World) -> None:
    ran = here.run("ls-remote", "*refund", "-q")
    assert (len(ran.lines), ran.err) == (1, "")
    nothing = here.run("ls-remote", "zzz*")
    assert (nothing.code, nothing.out, nothing.err) == (0, "", "0 prompts\n")


def test_the_list_as_json_has_all_there_is_to_know(here: World) -> None:
    found = here.run("ls-remote", "support/*", "--json").document["prompts"]
    assert found == [
        {
            "name": "support/refund",
            "id": find_prompt(here.project, "support/refund").template_id,
            "version": 2,
            "labels": [{"label": "prod", "version": 1}, {"label": "prod.previous", "version": 1}],
            "tags": ["billing"],
            "message": "two (v2)",
            "is_snippet": False,
            "archived": False,
            "adopted": False,
        }
    ]


def test_archived_prompts_are_listed_when_asked_for(here: World) -> None:
    here.project.registry.prompts.archive(find_prompt(here.project, "tone").template_id, is_snippet=True)
    assert here.run("ls-remote", "--status", "deleted").lines == [["tone", "v1", "archived", "Be", "kind."]]
    assert len(here.run("ls-remote", "--status", "all").lines) == 2
    assert len(here.run("ls-remote", "--tag", "billing", "--label", "prod").lines) == 1


def test_where_labels_cost_a_request_each_the_list_says_how_to_get_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def answers(method: str, path: str) -> tuple[int, Any] | None:
        return (404, {"message": "no prompt labels"}) if path == "/prompt-templates/labels" else None

    with faulty(tmp_path, answers, capsys) as (sound, broken, _):
        sound.publish("greet", "one")
        sound.label("greet", prod=1)
        ran = broken.run("ls-remote")
        assert ran.lines == [["greet", "v1", "one"]]
        assert "-v fetches them" in ran.err
        assert broken.run("ls-remote", "--json").document["prompts"][0]["labels"] is None
        assert broken.run("ls-remote", "-v").lines == [["greet", "v1", "prod", "v1", "one"]]


def test_a_url_needs_no_working_copy_and_leaves_none_behind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = tmp_path / "nowhere"
    nowhere.mkdir()
    with create_app(tmp_path / "r.db") as app, running(app) as url:
        for environ in ({}, {"PROMPTSYNC_REMOTE": url}, {"PROMPTLAYER_BASE_URL": url}):
            options = [] if environ else ["--remote", url]
            code = run(["-C", str(nowhere), *options, "ls-remote"], {"PROMPTLAYER_API_KEY": "k", **environ})
            assert (code, capsys.readouterr().err) == (0, "0 prompts\n")
    assert [*nowhere.iterdir()] == []
    assert run(["-C", str(nowhere), "ls-remote"], {}) == 2
    assert "promptsync init" in capsys.readouterr().err


def test_a_closed_port_is_exit_4(here: World) -> None:
    ran = here.run("ls-remote", "--remote", "http://127.0.0.1:9", "--json")
    assert ran.code == 4
    assert ran.document["error"]["hint"]


# -- log -----------------------------------------------------------------------------------------------


def test_the_log_is_newest_first(here: World) -> None:
    ran = here.run("log", "support/refund", "--oneline")
    assert ran.lines == [["v2", "-", "two"], ["v1", "-", "(prod,", "prod.previous)", "one"]]
    paragraphs = here.run("log", "support/refund").out.split("\n\n")
    assert [one.split("\n")[0] for one in paragraphs] == ["version 2", "version 1 (prod, prod.previous)"]
    assert paragraphs[0].split("\n")[1].startswith("Date:   20")
    assert "    two" in paragraphs[0]


def test_the_log_as_json_has_whole_digests(here: World) -> None:
    body = here.run("log", "support/refund", "--json").document
    newest = body["versions"][0]
    assert {*newest} >= {"version", "labels", "message", "created_at", "commit", "digest"}
    assert (newest["version"], newest["message"], newest["labels"]) == (2, "two", [])
    assert len(newest["digest"]) >= 64


def test_the_log_is_cut_and_says_so(here: World) -> None:
    cut = here.run("log", "support/refund", "--max-count", "1")
    assert cut.out.startswith("version 2")
    assert "version 1" not in cut.out
    assert "--all" in cut.err
    assert here.run("log", "support/refund", "--max-count", "1", "--all").err == ""


def test_the_file_here_tells_the_base(here: World) -> None:
    here.write(
        "prompts/support/refund.yaml", "messages:\n- {role: user, content: two (v2)}\ntags: [billing]\n"
    )
    assert here.run("log", "support/refund", "--oneline").lines[0] == ["v2", "-", "(base)", "two"]


@pytest.mark.parametrize("verb", ["log", "show"])
def test_an_unknown_prompt_is_a_usage_error(here: World, verb: str) -> None:
    ran = here.run(verb, "support/refnd", "--json")
    assert ran.code == 2
    assert ran.document["error"]["code"] == "not-found"
    assert "did you mean 'support/refund'" in ran.document["error"]["hint"]


# -- show ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("wanted", "text"), [("", "two (v2)"), ("@1", "one"), (":prod", "one")])
def test_a_version_is_shown_as_a_prompt_file(here: World, wanted: str, text: str) -> None:
    ran = here.run("show", f"support/refund{wanted}")
    assert ran.code == 0
    file = parse(ran.out.encode(), "x.yaml", "x")
    assert file.prompt.name == "support/refund"
    assert file.prompt.tags == ("billing",)
    assert file.prompt.template["messages"][0]["content"][0]["text"] == text
    assert not file.local.synced


def test_what_is_shown_is_said_beside_the_answer(here: World) -> None:
    assert here.run("show", "support/refund@1").err == "support/refund v1 (prod, prod.previous) one\n"
    assert here.run("show", "support/refund@1", "-q").err == ""


def test_a_version_as_json_is_the_prompt(here: World) -> None:
    found = here.run("show", "support/refund:prod", "--json").document["prompt"]
    assert (found["name"], found["version"], found["labels"]) == (
        "support/refund",
        1,
        ["prod", "prod.previous"],
    )
    raw = here.run("show", "support/refund@1", "--raw").document
    assert raw == found["template"]


def test_texts_come_out_of_a_pipe_as_they_are(here: World) -> None:
    text = f"a\r\nb\x85c\u2028{EVIL}\t \U0001f600é\n\n"
    prompt = Prompt("odd", {"type": "completion", "content": [{"type": "text", "text": text}]})
    here.project.registry.prompts.publish(prompt, message=EVIL)
    arguments = [sys.executable, "-m", "promptsync", "-C", str(here.root), "show", "odd"]
    shown = subprocess.run(arguments, capture_output=True, check=True)
    assert canonical(parse(shown.stdout, "x.yaml", "x").prompt) == canonical(
        here.project.registry.prompts.get(None, "odd").prompt
    )
    assert b"\x1b" not in shown.stdout + shown.stderr


@pytest.mark.parametrize("arguments", [(), ("--raw",)])
def test_a_terminal_gets_no_control_characters(
    here: World, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    here.publish("odd", f"x{EVIL}\x9b", snippet=True)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    ran = here.run("show", "odd", "--color", "never", *arguments)
    assert ran.code == 0
    assert all(character not in ran.out + ran.err for character in "\x1b\x07\u202e\x9b")


@pytest.mark.parametrize("verb", ["log", "ls-remote", "label"])
def test_no_verb_lets_the_registrys_texts_act_on_a_terminal(here: World, verb: str) -> None:
    name = f"a{EVIL}b"
    here.publish(name, f"m{EVIL}", tags=[f"t{EVIL}"])
    here.label(name, **{f"l{EVIL}": 1})
    arguments = {"log": ["log", name], "ls-remote": ["ls-remote"], "label": ["label", "list"]}[verb]
    ran = here.run(*arguments, "--color", "never")
    assert ran.code == 0
    assert all(character not in ran.out + ran.err for character in "\x1b\x07\u202e")


@pytest.mark.parametrize("verb", ["ls-remote", "log", "show"])
def test_each_verb_has_an_example_in_its_help(here: World, verb: str) -> None:
    ran = here.run(verb, "--help")
    assert ran.code == 0
    assert f"promptsync {verb} " in ran.out.split("Options:")[0].split("\n", 1)[1]
