"""``make demo`` runs in a terminal, a pipe and CI, and cleans up when it is interrupted."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from terminals import TIMEOUT, Terminal, terminal

pytestmark = pytest.mark.lane

DEMO = Path(__file__).parent / "demo.sh"
BIN = Path(sys.executable).parent
STEPS = 12
PAUSE = "(Enter continues, q stops) "


def environment(tmp_path: Path, **changes: str | None) -> dict[str, str]:
    values: dict[str, str | None] = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
    values |= {"TMPDIR": str(tmp_path), "COLUMNS": None, "NO_COLOR": None, "TERM": "xterm", **changes}
    return {name: value for name, value in values.items() if value is not None}


def on_terminal(tmp_path: Path, columns: int = 80, **changes: str | None) -> AbstractContextManager[Terminal]:
    return terminal(["sh", str(DEMO)], environment(tmp_path, **changes), columns=columns)


def narration(text: str) -> list[str]:
    return [line for line in text.splitlines() if re.match(r"=> |\d+\. ", line)]


def check_narration(text: str) -> None:
    titles = re.findall(r"^(?:\x1b\[1m)?(\d+)\. ", text, re.MULTILINE)
    assert titles == [str(number) for number in range(1, STEPS + 1)]
    assert len(re.findall(r"^=> .*\w", text, re.MULTILINE)) == STEPS
    assert "[y/N]" not in text
    for edit in (
        "+      You kindly answer refund questions",
        "+      You kindly and briefly answer",
        "+      You sort the mail of an outdoor shop's customers. Choose",
        "-      - Ropes, harnesses and helmets",
        "refunded. Unpacked harnesses: never",
    ):
        assert edit in text


def test_the_demo_waits_for_enter_after_each_step_in_a_terminal(tmp_path: Path) -> None:
    with on_terminal(tmp_path, CI=None) as demo:
        demo.wait_for("1. Start")
        demo.wait_for(PAUSE)
        assert "2. Publish" not in demo.text
        demo.type("\n" * STEPS)
        code = demo.finish()

    assert code == 0 and "\x1b[32m+" in demo.text, demo.text
    # A carriage return draws the progress bar again.
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", demo.text).replace("\r", "\n")
    check_narration(plain.replace(PAUSE, "\n"))
    assert plain.count(PAUSE) == STEPS
    steps, _, _ = plain.partition("Done. Try")
    assert max(len(line) for line in steps.splitlines() if not line.startswith("error: ")) <= 80
    # Each remark fits on one line.
    assert not re.search(r"^=> .*\n.+", plain, re.MULTILINE)


def test_the_demo_runs_in_a_pipe_and_its_suggestions_work_as_pasted(tmp_path: Path) -> None:
    # A python3 that is not the one with promptsync comes first, and there is no terminal at all. The settings
    # of the person who runs it do not count.
    shadow = tmp_path / "other python"
    shadow.mkdir()
    (shadow / "python3").write_text("#!/bin/sh\necho wrong python >&2; exit 1\n")
    (shadow / "python3").chmod(0o755)
    place = tmp_path / "it's here"
    place.mkdir()
    path = f"{shadow}:{BIN}:{os.environ['PATH']}"
    env = environment(place, TERM=None, PATH=path, CI="true")
    env |= {"GITLAB_CI": "true", "CI_MERGE_REQUEST_IID": "3", "PROMPTSYNC_READ_ONLY": "1"}

    done = subprocess.run(
        ["sh", DEMO], env=env, stdin=subprocess.PIPE, capture_output=True, text=True, timeout=TIMEOUT
    )

    assert (done.returncode, done.stdout.count("\x1b")) == (0, 0), done.stdout + done.stderr
    check_narration(done.stdout)
    assert re.search("refund quality 100, evaluated in commit [0-9a-f]+ by Ada", done.stdout)
    del env["PROMPTSYNC_READ_ONLY"]
    _, _, ending = done.stdout.partition("Try these next")
    commands = [line.strip() for line in ending.splitlines() if line.startswith("  ")]
    (left,) = place.iterdir()
    # What the narration says about the releases.
    labels = subprocess.run(
        ["promptsync", "-C", left, "label", "list", "--json"], env=env, capture_output=True, text=True
    )
    at = {(entry["name"], entry["label"]): entry["version"] for entry in json.loads(labels.stdout)["labels"]}
    assert (at["support/refund", "prod"], at["support/refund", "staging"]) == (4, 3)
    assert (at["support/triage", "prod"], at["support/subject-line", "prod"]) == (2, 1)
    pasted = subprocess.run(
        ["sh", "-e", "-c", "\n".join(commands)], env=env, capture_output=True, text=True, timeout=TIMEOUT
    )
    assert pasted.returncode == 0, pasted.stdout + pasted.stderr
    assert len(commands) >= 6 and not any(place.iterdir())


def test_q_at_a_pause_stops_the_demo(tmp_path: Path) -> None:
    with on_terminal(tmp_path, columns=60, CI=None) as demo:
        demo.wait_for(PAUSE)
        demo.type("q\n")
        code = demo.finish()

    assert code == 0, demo.text
    assert "Stopped. Nothing is left running." in demo.text and "2. Publish" not in demo.text
    assert not any(tmp_path.iterdir())


def test_ctrl_c_leaves_nothing_behind(tmp_path: Path) -> None:
    # Nobody types: in CI there are no pauses, not even in a terminal.
    with on_terminal(tmp_path, columns=60, NO_COLOR="1", TERM=None, CI="true") as demo:
        demo.wait_for("A colleague edits")
        os.killpg(demo.process.pid, signal.SIGINT)
        code = demo.finish()

    assert code == 130, demo.text
    assert "Stopped. Nothing is left running." in demo.text
    assert "\x1b" not in demo.text
    assert max(map(len, narration(demo.text))) <= 60
    assert not any(tmp_path.iterdir())
