"""What a person sees: narrow terminals, wide signs, color, quiet runs, suggestions, completions."""

from __future__ import annotations

import json
import os
import shlex
import shutil
from pathlib import Path

import click
import forked
import pytest
from click.shell_completion import split_arg_string
from hypothesis import given
from hypothesis import strategies as st
from terminals import terminal
from worlds import World, template

from promptsync.cli import HELP, VERBS, group, run
from promptsync.commands.completion import VARIABLE
from promptsync.show.outcome import Row, row_lines
from promptsync.terminal import output, streams
from promptsync.terminal.output import fitted, shortened

ROWS = [
    ("  diverged", "support/refund", "v1 -> v2", "prod v1; staging v2", "prompts/support/refund.yaml"),
    ("  ahead", "日本語のプロンプト", "v12", "", "prompts/日本語.yaml"),
    ("  new", "👩‍💻 e\u0301t\u00e9", "-", "", "x"),
]


# -- widths -------------------------------------------------------------------------------------------------


WIDTHS = [("abc", 3), ("", 0), ("日本", 4), ("e\u0301", 1), ("👍", 2), ("👩\u200d💻", 4), ("ｆｕｌｌ", 8)]
WIDTHS += [("한국어", 6), ("a\u200bb", 2), ("\x1b[31mred\x1b[0m", 3)]


def test_a_sign_counts_for_the_columns_that_a_terminal_gives_it():
    assert [(text, output.width(text)) for text, _ in WIDTHS] == WIDTHS


@given(st.text(), st.integers(1, 30))
def test_what_is_shortened_takes_no_more_than_the_room(text, room):
    text = output.name(text)
    short = shortened(text, room)
    assert output.width(short) <= room
    assert short == text or short.endswith("…")


@given(st.text(alphabet="ab 日👍é\u0301", max_size=80), st.integers(24, 60))
def test_text_that_goes_on_below_itself_loses_no_word(text, room):
    line = output.Line(f"      {output.style('- ', 'removed')}{output.style(text, 'removed')}", 8)
    lines = fitted([line], room)
    assert "".join(click.unstyle("".join(lines)).split()) == "".join(click.unstyle(line).split())
    assert all(output.width(part) <= room or len(click.unstyle(part).split()) < 3 for part in lines)


# -- narrow terminals ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("room", [100, 80, 60, 40])
def test_a_table_keeps_every_cell_and_free_text_is_cut_where_enough_of_it_is_left(room):
    lines = fitted(output.table(ROWS), room)
    assert all(output.width(line) <= room for line in lines)
    assert " ".join(" ".join(lines).split()) == " ".join(" ".join(" ".join(row).split()) for row in ROWS)
    message = "Answer refund questions kindly, and never promise a date to anybody"
    (line,) = fitted(output.table([("  update", "a", "v1 -> v2", message)], free=True), room)
    assert output.width(line) <= room
    assert ("…" in line) == (room < 88)
    assert line.startswith("  update  a  v1 -> v2  Answer refund")


def test_a_row_that_is_too_wide_is_wrapped_like_a_text():
    rows = [("refund quality", "7", "100 percent", "90")]
    assert fitted(output.table(rows), 30) == ["refund quality  7  100 percent", "    90"]
    assert fitted(output.table(rows), 80) == output.table(rows)
    long = [("x" * 30, "Answer refund questions kindly")]
    assert fitted(output.table(long, free=True), 40) == ["x" * 30 + "  Answer", "    refund questions kindly"]
    assert fitted([output.Line("a bc " * 5 + "x" * 21, 4)], 20) == [
        "a bc a bc a bc a bc",
        "    a bc",
        "    " + "x" * 21,  # a word that is too wide is left to the terminal
    ]
    assert fitted(rows[0], 3) == [*rows[0]]  # plain texts are left to the terminal
    # A command at the end gets a line of its own.
    command = "promptsync bump tone --remote far"
    (line,) = row_lines([Row("pinned", "warn", "tone", note="refund pins v1, not v2", command=command)])
    first, second = map(click.unstyle, fitted([line], 60))
    assert (first, second) == ("  pinned  tone: refund pins v1, not v2", f"      {command}")
    assert [click.unstyle(one) for one in fitted([line], 90)] == [click.unstyle(line)]


# -- verbs on a narrow terminal -----------------------------------------------------------------------------


@template
def busy(world: World) -> None:
    for name in ("support/refund", "support/日本語のプロンプト", "support/order-status-of-a-customer"):
        world.write(name, "You answer questions about refunds. " * 3 + "Hello {name}")
    world.commit("Answer refund questions kindly, and never promise a date to anybody")
    world.ok("push", "--label", "prod", "--label", "staging")
    world.edit("support/refund", "Hello", "Good day")
    world.publish("support/日本語のプロンプト")


def test_every_list_has_room_on_a_terminal_of_forty_columns(busy: World) -> None:
    lists = "status -v, diff support/refund, push -n, ls-remote, log support/refund --oneline, label list"
    for arguments in lists.split(", "):
        text = busy.screen(*arguments.split(), columns=40)
        tables = [line for line in click.unstyle(text).splitlines() if line.startswith("  ")]
        wide = [line for line in tables if output.width(line) > 40]
        # what is longer than the terminal itself is left to the terminal
        assert [line for line in wide if len(line.split()) > 1] == []


def test_errors_and_questions_break_between_words_and_commands_nowhere(
    busy: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "columns", lambda variable: 40)
    asked = busy.on_terminal("push", answer="n\n", NO_COLOR="1").err
    assert asked.endswith("error: not confirmed; nothing was\n  published\n")
    assert "1 prompt to publish to team\n  (http://" in asked
    refused = busy.on_terminal("push", "--expect", "0123456789abcdef", answer="", NO_COLOR="1").err
    *lines, hint = refused.splitlines()
    assert len(lines) > 1 and max(map(len, lines)) <= 40 < len(hint)


# -- colour, quiet, suggestions -----------------------------------------------------------------------------


def test_colour_says_nothing_that_words_do_not_say(busy: World) -> None:
    for arguments in (["status"], ["diff"], ["push", "-n"], ["ls-remote"], ["label", "list"]):
        coloured, plain = busy.run(*arguments, "--color", "always").out, busy.run(*arguments).out
        assert (click.unstyle(coloured), "\x1b" in coloured, "\x1b" in plain) == (plain, True, False)
    for options, environ, has_colours in (
        ([], {}, True),
        (["--color", "never"], {}, False),
        ([], {"NO_COLOR": "1"}, False),
        (["--color", "always"], {"NO_COLOR": "1"}, True),
    ):
        assert ("\x1b" in busy.screen("status", *options, **environ)) == has_colours
    assert click.unstyle(busy.screen("status", columns=0)) == busy.run("status").out


QUIET = [
    *(("status", "  ahead"), ("push -n", "  update"), ("diff --name-only", "support/refund")),
    *(("pull", "  updated"), ("push", "1 prompt published\n")),
    *((verb, "") for verb in ("status", "push", "pull", "diff", "lint", "doctor")),
]


def test_quiet_leaves_the_answer_alone(busy: World) -> None:
    for arguments, begins in QUIET:
        done = busy.ok(*arguments.split(), "-q")
        assert (done.out.startswith(begins), done.out == "", done.err) == (True, begins == "", "")
        for aside in ("remote team", "nothing to", "in sync", "file written", " failed, ", "DRY RUN"):
            assert aside not in done.out


MEANT = {
    "did you mean 'promptsync status'?": "statsu; STATUS; help statsu",
    "did you mean 'promptsync push'?": "publish; apply",
    "did you mean 'promptsync push --prune NAME'?": "rm",
    "did you mean 'promptsync eval'?": "evals",
    "did you mean 'promptsync eval run'?": "eval rn; help eval rn",
    "did you mean 'promptsync label move'?": "label mvoe",
    "promptsync diff has no command 'more'": "help diff more",
    "hint: promptsync help\n": "qqqqqq",
    "hint: promptsync label --help": "label qqqqqq",
    "'activ' is not one of 'active', 'deleted', 'all'": "ls-remote --status activ",
    "'--dry-run'": "push --dryrun",
    "hint: promptsync push --help": "push -m",
    "Did you mean one of: '--jobs', '--json'?": "--josn",
}


def test_a_mistyped_word_gets_a_suggestion(capsys):
    for hint, lines in MEANT.items():
        for line in lines.split("; "):
            assert run(line.split(), {}) == 2
            out, err = capsys.readouterr()
            assert (hint in err, out) == (True, ""), line


def test_promptsync_alone_prints_the_verbs_by_what_they_are_for(capsys):
    assert run([], {}) == 2
    out, err = capsys.readouterr()
    assert HELP in out
    assert "hint: promptsync status\n" in err
    for words in ([], ["label"], ["eval", "run"]):
        assert run(["help", *words], {}) == 0
        shown = capsys.readouterr().out
        assert run([*words, "--help"], {}) == 0
        assert capsys.readouterr().out == shown
        assert "Usage: promptsync" in shown
        assert "\n  [" not in shown  # arguments are described in the text


def test_every_verb_and_option_says_what_it_does():
    dry_runs = []
    for path, command in commands(group, ""):
        if not isinstance(command, click.Group):
            assert (VERBS.get(path) or command.short_help or "").endswith("."), path
            assert f"promptsync {path}" in (command.help or ""), path
        for option in command.params:
            assert not isinstance(option, click.Option) or option.help, (path, option.opts)
            dry_runs += [option.name] if "-n" in option.opts and path != "log" else []  # as in git
    assert len(dry_runs) >= 3 and {*dry_runs} == {"dry_run"}


def commands(command: click.Command, path: str) -> list[tuple[str, click.Command]]:
    """A command and all below it, by their paths."""
    found = [(path, command)] if path else []
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            found += commands(below, f"{path} {name}".strip())
    return found


# -- ``promptsync completion``: what shells offer, in real shells where they are installed ---------------


NAMES = ["a:b:c", "back\\slash", "it's mine", "user@home", "x$HOME `id` & (1); #!", "日本語"]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A working copy with odd names, labels and remotes."""
    (tmp_path / "promptsync.yaml").write_text(
        "remote: local\nlabels: {main: prod, dev: pre-prod}\nremotes:\n"
        "  local: {url: 'local:', fixtures: registry.yaml}\n  team: {url: https://registry.example}\n"
    )
    (tmp_path / "registry.yaml").write_text("", "utf-8")
    (tmp_path / "prompts/support").mkdir(parents=True)
    for number, name in enumerate(NAMES):
        body = f"name: {json.dumps(name)}\ncontent: hi\n"
        (tmp_path / f"prompts/{number}.yaml").write_text(body, "utf-8")
    (tmp_path / "prompts/support/refund.yaml").write_text("content: Hi\n", "utf-8")
    (tmp_path / "prompts/broken.yaml").write_text("name: support/broken\nmessages: [", "utf-8")
    return tmp_path


@pytest.fixture
def offered(copy: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    """Returns what is offered for a line, as to a shell that replaces whole words."""

    def complete(line: str) -> list[str]:
        capsys.readouterr()
        line = line.replace("promptsync", f"promptsync -C {shlex.quote(str(copy))}", 1)
        monkeypatch.setenv("COMP_WORDS", line)
        monkeypatch.setenv("COMP_CWORD", str(len(split_arg_string(f"{line}.")) - 1))
        assert run([], {VARIABLE: "zsh_complete"}) == 0
        out, err = capsys.readouterr()
        assert err == ""
        rows = out.splitlines()
        triples = zip(rows[::3], rows[1::3], strict=False)
        return [value if kind == "plain" else kind for kind, value in triples]

    return complete


OFFERED = {
    "promptsync st": ["status"],
    "promptsync label mo": ["move"],
    "promptsync push --dry": ["--dry-run"],
    "promptsync push support/": ["support/broken", "support/refund"],
    "promptsync pull --theirs support/r": ["support/refund"],
    "promptsync label move support/refund ": ["pre-prod", "prod"],
    "promptsync log 日": ["日本語"],
    "promptsync push --label p": ["pre-prod", "prod"],
    "promptsync promote pre": ["pre-prod"],
    "promptsync rollback support/refund --label ": ["pre-prod", "prod"],
    "promptsync --remote ": ["local", "team"],
    "promptsync lint ": ["file"],
    "promptsync -C ": ["dir"],
    "promptsync pull --output ": ["dir"],
    "promptsync serve --api-key ": [],
    "promptsync completion ": ["bash", "zsh", "fish"],
}


def test_what_is_offered(offered, copy, capsys):
    before = sorted(copy.rglob("*"))
    assert [one for one in offered("promptsync ") if not one.startswith("-")] == list(VERBS)
    for line, words in OFFERED.items():
        assert offered(line) == words, line
    assert sorted(copy.rglob("*")) == before

    # Names and labels of the registry are offered once it was read.
    (copy / "prompts/broken.yaml").unlink()
    (copy / "registry.yaml").unlink()
    assert run(["-C", str(copy), "push", "--label", "live", "--yes"], {}) == 0
    assert run(["-C", str(copy), "status"], {}) == 0
    for path in (copy / "prompts").rglob("*.yaml"):
        path.unlink()
    assert offered("promptsync log support/") == ["support/refund"]
    assert offered("promptsync label delete support/refund ") == ["live", "pre-prod", "prod"]
    assert offered("promptsync --remote team log support/") == []
    (copy / "promptsync.yaml").write_text("remotes: [", "utf-8")  # which is no moment for a message
    with pytest.raises(AssertionError):
        offered("promptsync push support/")
    assert capsys.readouterr() == ("", "")


# -- real shells --------------------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_a_tab_in_bash_completes_the_line(copy, tmp_path_factory):
    programs = tmp_path_factory.mktemp("bin")
    script = programs / "promptsync"
    script.write_text(f'#!/bin/sh\nexec {shlex.join(forked.command())} "$@"\n', "utf-8")
    script.chmod(0o755)
    path = f"{programs}:{os.environ['PATH']}"
    environ = {**os.environ, "PATH": path, "HOME": str(programs), "TERM": "dumb", "PS1": "$ "}
    with terminal(["bash", "--norc", "-i"], environ, place=copy) as shell:
        shell.type('eval "$(promptsync completion bash)"\recho ready-$((1+1))\r')
        shell.wait_for("ready-2")
        shell.type("promptsync push support/r\t")
        shell.wait_for("support/refund ")
