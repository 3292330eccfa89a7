"""What every verb has in common: documents, schemas, formats, result files, number of requests, and hints."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from pathlib import Path

import forked
import jsonschema
import jsonschema_rs
import pytest
import yaml
from checked_copy import suites
from worlds import KEY, Run, World, made, template

from promptsync.checks.results import CheckResults
from promptsync.commands.shared.checks import ResultFiles
from promptsync.commands.shared.session import Session
from promptsync.errors import AnswerIsNo, UsageError
from promptsync.files.schema import schema
from promptsync.parallel import MOST_REQUESTS
from promptsync.registry.promptlayer import http
from promptsync.registry.promptlayer.http import Throttle
from promptsync.server.serve import THREADS
from promptsync.show.github import disarmed, write_github_files

# -- ``promptsync schema``: the schemas that editors and other tools read ---------------------------------


KINDS = ("prompt", "config", "evaluation", "fixtures", "request", "bundle", "output")


def test_the_schemas_are_json_schema(world: World) -> None:
    for kind in KINDS:
        schema = json.loads(world.ok("schema", kind).out)
        jsonschema.Draft202012Validator.check_schema(schema)
        document = world.ok("schema", kind, "--json").document
        assert (document["kind"], document["json_schema"]) == (kind, schema)
    for arguments in (["schema"], ["schema", "prompts"]):
        assert [name for name in KINDS if name not in world.exits(2, *arguments).err] == []
    # A reference is a URI, so a blank in the name of a command must be escaped for strict validators.
    for name in schema["$defs"]:
        reference = f"#/$defs/{name.replace(' ', '%20')}"
        jsonschema_rs.validator_for({**schema, "$ref": reference, "$id": "urn:documents"})


# -- ``--format`` of the verbs, whatever they answer ------------------------------------------------------


FAILING = (
    "status, diff, push, pull, lint nowhere.yaml, ls-remote, log a, label list, label move a prod, "
    "promote a b, rollback a --label prod, eval list, eval run e, eval show e, eval pull t, agent list, "
    "agent run a, agent show a, agent show 7, dataset list"
)


def test_a_failure_prints_one_document_and_json_excludes_the_other_forms(world: World) -> None:
    for verb in ("status", "diff", "lint", "push"):
        assert world.run(verb, "--format", "json").document
        world.exits(2, verb, "--json", "--format", "github" if verb == "lint" else "markdown")
    (world.root / "promptsync.yaml").unlink()
    for line in FAILING.split(", "):
        assert world.exits(2, *line.split(), "--json").document["error"]["message"]


# -- The file of ``--junit``: writable before anything runs, and never left with old results -------------


def test_a_result_file_is_tried_first_and_never_left_with_old_results(tmp_path: Path) -> None:
    def files(junit: str | None = "report.xml") -> ResultFiles:
        return ResultFiles(Session({}, directory_option=str(tmp_path)), "eval run", junit)

    junit = files("new/deep/report.xml")
    assert list((tmp_path / "new/deep").iterdir()) == []
    assert junit.write(None, CheckResults()) is None
    assert suites(tmp_path / "new/deep/report.xml") == {}
    assert files(None).write(None, CheckResults()) is None
    (tmp_path / "file").write_text("")
    for file in ("", ".", "file/report.xml", "/proc/nowhere/report.xml"):
        with pytest.raises(UsageError, match="cannot write"):
            files(file)
    junit = files("out/file")
    (tmp_path / "out").rmdir()
    problem = junit.write(None, CheckResults())
    assert problem is not None and problem.exit_code == 2
    for error in (AnswerIsNo("no\x00 \ufffe\ud800 <&>"), KeyboardInterrupt()):  # which end a command
        (tmp_path / "report.xml").write_text("old")
        junit = files()
        assert (tmp_path / "report.xml").read_text() == "old"
        with pytest.raises(type(error)), junit.errors():
            raise error
        assert suites(tmp_path / "report.xml") == {"eval run": {"run": "error"}}


# -- What a verb leaves for the later steps of a GitHub workflow ------------------------------------------


def test_a_failure_becomes_the_summary_of_the_step(world: World, tmp_path: Path) -> None:
    (world.root / "promptsync.yaml").unlink()
    summary = tmp_path / "summary"
    environ = {"GITHUB_STEP_SUMMARY": str(summary), "GITHUB_ACTIONS": "true"}
    world.says(2, "no promptsync.yaml", "status", **environ)
    assert "no promptsync.yaml" in summary.read_text()
    world.says(2, "warning: ", "status", GITHUB_STEP_SUMMARY=str(tmp_path / "missing" / "summary"))
    assert "no command '\\x23#[group]x'" in world.run("##[group]x", GITHUB_ACTIONS="true").err


DISARMED = {
    "::error::x": "\\x3a:error::x",
    "    ::add-mask::x": "    \\x3a:add-mask::x",
    "a\n  ::stop-commands::x": "a\n  \\x3a:stop-commands::x",
    "\x1b[31m::error::x\x1b[0m": "\x1b[31m\\x3a:error::x\x1b[0m",
    "  a ##[set-output name=x;]y ##[z]": "  a \\x23#[set-output name=x;]y \\x23#[z]",
    "prompts::x": "prompts::x",
    "": "",
}


def test_texts_of_prompts_are_shown_and_not_obeyed(world: World) -> None:
    assert disarmed([*DISARMED]) == [*DISARMED.values()]
    world.write("a", "::: note\n::add-mask::secret\n##[group]x {name}", commit="Change prompts")
    world.ok("push")
    world.edit("a", "note", "new")
    assert "\\x3a:add-mask::secret" in world.run("diff", GITHUB_ACTIONS="true").out
    assert "\\x3a:" not in world.run("diff").out

    # what goes into a file stays as it is
    environ = {**os.environ, "PROMPTLAYER_API_KEY": KEY, "GITHUB_ACTIONS": "true"}
    command = [*forked.command(), "-C", str(world.root), "show", "a"]
    logged = subprocess.check_output(command, env=environ, text=True)
    assert "\\x3a:: note" in logged and "\\x23#[group]x" in logged
    with (world.root / "shown.yaml").open("w+") as file:
        subprocess.run(command, env=environ, stdout=file, check=True)
    shown = yaml.safe_load((world.root / "shown.yaml").read_text("utf-8"))
    assert shown["messages"][0]["content"] == "::: note\n::add-mask::secret\n##[group]x {name}"

    # An output cannot be ended by what is in it.
    place = world.root / "output"
    write_github_files({"GITHUB_OUTPUT": str(place)}, (), {"released": "a=1", "body": "one\nEOF\ntwo"})
    assert place.read_text() == "released=a=1\nbody=one EOF two\n"


# -- ``--jobs`` and ``jobs:`` limit the requests at once -------------------------------------------------


def test_jobs_is_a_number_and_the_option_counts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    widths: list[int] = []
    monkeypatch.setattr(http, "Throttle", lambda jobs: widths.append(jobs) or Throttle(jobs))
    world.ok("status")
    world.ok("status", "--jobs", "1")
    url = f"url: '{world.url}'"
    world.configure(f"{url}, jobs: 4.0", instead=url)
    world.ok("status")
    world.ok("status", "-j3")
    assert widths == [MOST_REQUESTS, 1, 4, 3]
    # It is a number from 1 to 32.
    before = (world.root / "promptsync.yaml").read_text()
    for value in ("0", "33", "2.5", "many"):
        world.says(2, "Invalid value for '-j' / '--jobs'", "push", "-j", value)
        world.put("promptsync.yaml", before.replace("jobs: 4.0", f"jobs: {value}"))
        world.says(2, "remotes.team.jobs", "status")
    # Option, configuration and server agree on the most requests at once.
    remote = schema("config")["$defs"]["remote"]
    assert remote["properties"]["jobs"]["maximum"] == MOST_REQUESTS <= THREADS


# -- Hints that are pasted as they are do what was meant; ``push`` as people and pipelines meet it -------


def hints(done: Run) -> list[str]:
    return [line.removeprefix("hint: ") for line in done.err.splitlines() if line.startswith("hint: ")]


@pytest.mark.parametrize("arguments", [("push", "a", "b", "--prune", "-y"), ("pull", "b", "c")])
def test_partial_keeps_the_other_options_and_the_names(world: World, arguments: tuple[str, ...]) -> None:
    for name in "abc":
        world.write(name)
    world.commit()
    world.ok("push")
    world.path("a").unlink()
    world.edit("b", "Hello", "Ours", commit="Change prompts")
    for name in "bc":
        world.publish(name)
    hint = hints(world.exits(3, *arguments))[-1]
    assert hint == shlex.join(["promptsync", "-C", str(world.root), *arguments, "--partial"])
    assert "--partial" not in "".join(hints(world.exits(3, *shlex.split(hint)[3:])))
    assert world.call("GET", "/prompt-templates/a").status == (404 if arguments[0] == "push" else 200)
    assert "Theirs" not in world.path("c").read_text("utf-8") or arguments[0] == "pull"


def test_mv_names_the_prompts_of_files(world: World) -> None:
    world.write("support/tone")
    path = world.write("other").rename(world.path("file"))
    for arguments, hint in {
        (str(world.path("support/tone")), "x"): "promptsync mv support/tone x",
        (str(path), str(world.path("a b"))): "promptsync mv other 'a b'",
        ("nowhere.yaml", "x"): "promptsync mv nowhere x",
    }.items():
        done = world.run("mv", *arguments)
        name, alone = shlex.split(hint)[2], "to move the file alone, write name: "
        keep = f"{alone}{name} into it, then git mv {shlex.join(arguments)}"
        assert (done.code, hints(done)) == (2, [hint, keep])


def test_without_git_nothing_advises_a_commit(tmp_path: Path) -> None:
    with made(tmp_path, git=False) as world:
        world.write("a")
        out = world.ok("push").out
        assert ("synced: was written to 1 file\n" in out, "commit" in out) == (True, False)


@template
def ahead(world: World) -> None:
    """``a`` in sync and changed here; ``b`` new."""
    world.write("a", commit="Say hello")
    world.ok("push")
    world.edit("a", "Hello", "Ciao")
    world.write("b", commit="Say ciao")


def test_push_asks_where_somebody_can_answer_unless_there_is_no_need(ahead: World) -> None:
    question = f"2 prompts to publish to team ({ahead.url}). Continue?"
    for answer, ci, code, said in (
        (None, "", 2, "--yes"),
        *(("n\n", value, 1, question) for value in ("false", "0", "")),
        ("", "", 130, question),
    ):
        done = ahead.on_terminal("push", "-q", answer=answer, CI=ci)
        assert (done.code, said in done.err, question in done.err) == (code, True, answer is not None)
    assert ahead.writes == []
    done = ahead.on_terminal("push", answer="y\n")
    assert (done.code, "v1 -> v2" in done.err, done.out) == (0, True, "2 prompts published\n")
    for more in (["--dry-run"], ["--json", "-m", "Say ciao"], ["-y"], ["CI"], []):
        if more:  # at last there is nothing to do
            ahead.write("a", f"Ciao {{name}} {more}", commit="Change prompts")
        ci = {"CI": "1"} if more == ["CI"] else {}
        done = ahead.on_terminal("push", *more if not ci else (), answer="n\n", **ci)
        assert (done.code, "Continue?" in done.err) == (0, False), str(done)
        if "--json" in more:
            (one,) = done.document["published"]
            assert (one["version"], one["message"][:10]) == (3, "Say ciao (")


FAILURES = [
    (("push", "nothing-like-it"), 2),
    (("push", "-m", "x" * 90), 2),
    *((("push", "--label", label), 2) for label in (" ", "", " prod", "prod.previous", "prod.released")),
    (("push", "--label", "prod\u200b", "--skip-checks"), 2),
    (("push", "--max-changes", "-1"), 2),
    (("push", "--no-such-option"), 2),
    (("push", "--expect", "0123456789abcdef"), 3),
    (("push", "--max-changes", "0"), 3),
    (("push", "--remote", "nowhere"), 2),
    (("push", "--remote", "http://example.org"), 2),
]


def test_a_failure_is_one_document_and_publishes_nothing(ahead: World) -> None:
    for arguments, code in FAILURES:
        done = ahead.exits(code, *arguments, "--json")
        assert done.err == "" and done.document["error"]["code"] and done.document["error"]["message"]
        assert done.document.get("published", []) == []
        shown = ahead.exits(code, *arguments)
        assert ("to publish" in shown.out) == (code == 3)  # a plan that is refused is shown
        assert shown.err.startswith("error: ") and "hint: " in shown.err
    assert ahead.writes == []


def test_a_hint_is_the_command_that_was_typed_with_what_it_lacks() -> None:
    for typed, more, without, shown in (
        (("push", "-m", "", "a b"), "--yes", None, "promptsync push -m '' 'a b' --yes"),
        (("push", "--expect", "x", "a"), "--dry-run", "--expect", "promptsync push a --dry-run"),
        (("push", "--expect=x", "-n"), "-n", "--expect", "promptsync push -n"),
    ):
        assert Session({}, typed).command(more, without=without) == shown
