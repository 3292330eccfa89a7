"""``eval show --history``: what the versions of a prompt scored, as text, as JSON and as a picture."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shutil
import struct
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from registry_server import running
from worlds import SYNCED

from promptsync.checks.scores import ScoredRun, ScoreHistory, Series
from promptsync.cli import run
from promptsync.files.schema import schema
from promptsync.inspect.log import LoggedVersion
from promptsync.server.app import create_app
from promptsync.show.plot import picture

FIXTURES = """
datasets:
  - name: cases
    rows: [{question: one}, {question: two}]
evaluations:
  - {name: tone, dataset: cases, prompt: ask, scores: [contains: please, contains: "{{ question }}"]}
  - {name: length, dataset: cases, prompt: ask, scores: [max_length: 12]}
  - {name: pinned, dataset: cases, prompt: {name: ask, version: 1}, scores: [contains: please]}
  - {name: other, dataset: cases, prompt: other, scores: [contains: one]}
"""
CONFIG = """
remotes: {{local: {{url: "{url}", fixtures: registry.yaml}}}}
checks:
  - {{match: ask, evaluation: tone, min_score: 80}}
  - {{match: ask, evaluation: length}}
"""


@dataclass
class Ran:
    code: int
    out: str
    err: str

    @property
    def history(self) -> list[dict[str, Any]]:
        document = json.loads(self.out)
        whole = schema("output")
        jsonschema.validate(document, {**whole, **whole["$defs"]["eval show"], "$id": "urn:eval-show"})
        found: list[dict[str, Any]] = document["history"]
        return found

    @property
    def scores(self) -> list[tuple[str, int | None, float | None, float | None]]:
        return [(one["evaluation"], one["version"], one["score"], one["change"]) for one in self.history]


@dataclass
class Copy:
    root: Path

    def run(self, *arguments: str, **environ: str) -> Ran:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = run(["-C", str(self.root), *arguments], {"PROMPTLAYER_API_KEY": "pl_test", **environ})
        assert "Traceback" not in err.getvalue()
        return Ran(code, out.getvalue(), err.getvalue())

    def done(self, *arguments: str) -> None:
        ran = self.run(*arguments)
        assert ran.code == 0, ran.err

    def publish(self, text: str, message: str, *evaluations: str) -> None:
        path = self.root / "prompts/ask.yaml"
        synced = SYNCED.search(path.read_text("utf-8")) if path.exists() else None
        messages = f"messages: [{{role: user, content: '{text}'}}]\n"
        path.write_text(f"{messages}{synced[0] if synced else ''}", "utf-8")
        self.done("push", "-y", "-m", message)
        assert self.run("eval", "run", *evaluations).code in (0, 1)  # under the minimum it is history, too


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three versions of one prompt, each with a run of two evaluations."""
    root = tmp_path_factory.mktemp("published")
    (root / "prompts").mkdir()
    (root / "prompts/other.yaml").write_text("messages: [{role: user, content: '{question}'}]\n", "utf-8")
    (root / "registry.yaml").write_text(FIXTURES, "utf-8")
    (root / "promptsync.yaml").write_text(CONFIG.format(url="local:"), "utf-8")
    copy = Copy(root)
    copy.publish("{question}, please", "Ask kindly", "tone", "length")
    copy.publish("{question}", "Drop courtesy", "tone", "length")
    copy.publish("{question} please, and at some length", "Say more", "tone", "length")
    return root


@pytest.fixture
def here(published: Path, tmp_path: Path) -> Copy:
    return Copy(Path(shutil.copytree(published, tmp_path / "copy")))


def show(here: Copy, *arguments: str, **environ: str) -> Ran:
    return here.run("eval", "show", "--history", "ask", *arguments, **environ)


def test_each_version_has_a_line_with_its_score_and_change(here: Copy) -> None:
    here.done("label", "set", "ask", "prod", "--version", "2", "--yes")
    ran = show(here)
    assert ran.code == 0
    lines = ran.out.splitlines()
    assert [line.split(",")[0] for line in lines if not line.startswith(("v", "VERSION"))] == [
        "tone",
        "length",
    ]
    assert "tone, minimum 80" in ran.out
    cells = [line.split() for line in lines if line.startswith("v")]
    assert [(line[0], line[1], line[2]) for line in cells] == [
        ("v1", "#" * 20, "100"),
        ("v2", "#" * 10 + "." * 5 + "|" + "." * 4, "50"),
        ("v3", "#" * 20, "100"),
        ("v1", "#" * 20, "100"),
        ("v2", "#" * 20, "100"),
        ("v3", "." * 20, "0"),
    ]
    assert "50 (under)  -50" in ran.out
    assert "(prod) Drop courtesy" in ran.out
    assert ran.out.isascii()


def test_the_document_holds_every_run_and_marks_those_that_count(here: Copy) -> None:
    here.done("eval", "run", "tone")
    ran = show(here, "--json")
    assert ran.scores == [
        ("tone", 1, 100, None),
        ("tone", 2, 50, -50),
        ("tone", 3, 100, None),
        ("tone", 3, 100, 50),
        ("length", 1, 100, None),
        ("length", 2, 100, 0),
        ("length", 3, 0, -100),
    ]
    assert [one["counts"] for one in ran.history] == [True, True, False, True, True, True, True]
    assert [one["message"] for one in ran.history[:2]] == ["Ask kindly", "Drop courtesy"]
    assert {one["min_score"] for one in ran.history if one["evaluation"] == "tone"} == {80}


def test_a_prompt_that_names_no_evaluation_has_those_that_ran_it(here: Copy) -> None:
    (here.root / "promptsync.yaml").write_text(CONFIG.format(url="local:").split("checks")[0], "utf-8")
    assert {evaluation for evaluation, *_ in show(here, "--json").scores} == {"tone", "length"}
    here.done("eval", "run", "other")
    assert {evaluation for evaluation, *_ in show(here, "--json").scores} == {"tone", "length"}
    found = here.run("eval", "show", "--history", "other", "--json")
    assert [(evaluation, version) for evaluation, version, *_ in found.scores] == [("other", 1)]


def test_a_pinned_evaluation_scores_the_version_that_it_is_pinned_to(here: Copy) -> None:
    name_in_file(here, "pinned")
    here.done("eval", "run", "pinned")
    found = [one for one in show(here, "--json").history if one["evaluation"] == "pinned"]
    assert [(one["version"], one["score"]) for one in found] == [(1, 100)]


def name_in_file(here: Copy, *names: str) -> None:
    with (here.root / "prompts/ask.yaml").open("a", encoding="utf-8") as file:
        file.write(f"evaluations: [{', '.join(names)}]\n")


def test_a_run_of_another_prompt_and_a_missing_evaluation_are_reported_separately(here: Copy) -> None:
    name_in_file(here, "other", "nobody")
    here.done("eval", "run", "other")
    ran = show(here)
    assert "runs without a score for a version of ask\n  report" in ran.out
    assert "it ran another prompt" in ran.out
    assert "the registry has no evaluation nobody" in ran.err
    (apart,) = [one for one in show(here, "--json").history if one["version"] is None]
    assert (apart["evaluation"], apart["counts"], apart["change"]) == ("other", False, None)


def test_older_runs_are_counted_and_not_read(here: Copy) -> None:
    ran = show(here, "--max-count", "1")
    assert [line.split()[0] for line in ran.out.splitlines() if line.startswith("v")] == ["v3", "v3"]
    assert "4 older runs not shown; --max-count N shows more" in ran.err


@pytest.mark.parametrize(
    ("encoding", "is_terminal", "arguments", "has_blocks"),
    [
        ("utf-8", True, [], True),
        ("ascii", True, [], False),
        ("utf-8", False, [], False),
        ("utf-8", True, ["--color", "never"], False),
        ("utf-8", False, ["--color", "always"], True),
    ],
)
def test_blocks_go_where_colour_goes_and_the_encoding_has_them(
    here: Copy, encoding: str, is_terminal: bool, arguments: list[str], has_blocks: bool
) -> None:
    class Output(io.TextIOWrapper):
        def isatty(self) -> bool:
            return is_terminal

    shown = Output(io.BytesIO(), encoding=encoding)
    with contextlib.redirect_stdout(shown):
        assert run(["-C", str(here.root), "eval", "show", "--history", "ask", *arguments], {}) == 0
    shown.seek(0)
    assert ("█" in shown.read()) is has_blocks


def test_no_color_means_plain_text(here: Copy) -> None:
    assert show(here, NO_COLOR="1").out.isascii()


def test_names_and_messages_of_the_registry_are_escaped(here: Copy) -> None:
    evil = FIXTURES.replace("name: tone", r'name: "t\e[31m\u202e"')
    (here.root / "registry.yaml").write_text(evil, "utf-8")
    name_in_file(here, r'"t\e[31m\u202e"')
    here.done("eval", "run", "t\x1b[31m\u202e")
    ran = show(here)
    assert "t\\x1b[31m\\u202e" in ran.out
    assert "\x1b" not in ran.out + ran.err


# -- registries that return less -----------------------------------------------------------------------------


@contextlib.contextmanager
def served(here: Copy, change: Callable[[dict[str, Any]], None]) -> Iterator[None]:
    """Serve the registry with its reports changed on the way."""
    database, fixtures = here.root / ".promptsync/registry.db", here.root / "registry.yaml"
    with create_app(database, fixtures=fixtures) as app:

        def changed(environ: Any, start_response: Any) -> list[bytes]:
            given: list[Any] = []
            body = b"".join(app(environ, lambda status, headers: given.extend((status, headers))))
            if "/evaluations" in environ["PATH_INFO"] and environ["REQUEST_METHOD"] == "GET":
                answer = json.loads(body)
                change(answer)
                body = json.dumps(answer).encode()
            headers = [pair for pair in given[1] if pair[0] != "Content-Length"]
            start_response(given[0], [*headers, ("Content-Length", str(len(body)))])
            return [body]

        with running(changed) as url:
            (here.root / "promptsync.yaml").write_text(CONFIG.format(url=url), "utf-8")
            yield


def without(*keys: str) -> Callable[[dict[str, Any]], None]:
    def change(answer: dict[str, Any]) -> None:
        for key in keys:
            answer.pop(key, None)
            answer.get("report", {}).pop(key, None)
            for one in answer.get("evaluations", ()):
                one.pop(key, None)

    return change


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (without("prompt_version_number", "report_columns"), "its report names no version"),
        (without("prompt_registry_id", "report_columns"), "its report names v1, but not of which prompt"),
    ],
    ids=["no version", "no prompt"],
)
def test_the_version_of_a_run_is_not_guessed(
    here: Copy, change: Callable[[dict[str, Any]], None], reason: str
) -> None:
    with served(here, change):
        found = show(here, "--json").history
        assert {one["version"] for one in found} == {None}
        assert reason in {one["reason"] for one in found}
        ran = show(here, "--plot", "scores.svg")
        assert (ran.code, "nothing to draw" in ran.err) == (1, True)
        assert not (here.root / "scores.svg").exists()


def test_a_registry_that_lists_no_runs_is_reported(here: Copy) -> None:
    with served(here, without("runs")):
        ran = show(here, "--json")
    assert (ran.code, json.loads(ran.out)["error"]["code"]) == (4, "unsupported")


# -- pictures ----------------------------------------------------------------------------------------------


def test_an_svg_names_what_it_shows(here: Copy) -> None:
    here.done("label", "set", "ask", "prod", "--version", "2", "--yes")
    ran = show(here, "--plot", "scores.svg")
    assert (ran.code, "chart written to scores.svg" in ran.err) == (0, True)
    root = ElementTree.fromstring((here.root / "scores.svg").read_bytes())
    shown = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    for wanted in ("ask: scores by version", "version", "score", "v1", "v2", "v3", "prod"):
        assert wanted in shown
    for wanted in ("tone", "tone: minimum 80", "length"):
        assert wanted in shown
    assert [path.name for path in here.root.iterdir() if path.suffix == ".tmp"] == []


def test_a_png_is_one_and_the_same_history_gives_the_same_picture(here: Copy) -> None:
    for name in ("a.PNG", "b.png", "a.svg", "b.svg"):
        assert show(here, "--plot", name).code == 0
    data = (here.root / "a.PNG").read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", data[16:24])
    assert width > height > 500
    assert data == (here.root / "b.png").read_bytes()
    assert (here.root / "a.svg").read_bytes() == (here.root / "b.svg").read_bytes()


NAMES = ["$x^{$", "_hidden", "漢字 😀", "a<b>&c", "\uffff\ud800", "e\x1b[31m\u202e", "x" * 300, "#c, d"]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_any_name_can_be_drawn(name: str) -> None:
    label = LoggedVersion(1, "m", None, "sha256:0", labels=(name,))
    history = ScoreHistory(name, (series(name, {1: 80.0}, minimum=50),), {1: label})
    ElementTree.fromstring(picture(history, "svg"))
    assert picture(history, "png").startswith(b"\x89PNG")


def series(name: str, scores: dict[int, float], minimum: float | None = None) -> Series:
    runs = [
        ScoredRun(name, 1, version, None, score, version=version, counts=True)
        for version, score in scores.items()
    ]
    return Series(name, minimum, tuple(runs))


def texts(history: ScoreHistory) -> list[str]:
    root = ElementTree.fromstring(picture(history, "svg"))
    return [element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}text")]


def test_many_versions_name_some_on_the_axis_and_every_labelled_one() -> None:
    labelled = {3: LoggedVersion(3, "m", None, "sha256:0", labels=("prod",))}
    history = ScoreHistory(
        "ask", (series("tone", {number: number % 100 for number in range(1, 101)}),), labelled
    )
    named = [text for text in texts(history) if text.startswith("v") and text != "version"]
    assert "v3" in named and "v100" in named
    assert len(named) <= 14


@pytest.mark.parametrize("score", [-20.0, 250.0])
def test_scores_of_other_scales_are_drawn_inside(score: float) -> None:
    assert f"{score:g}" in texts(ScoreHistory("ask", (series("tone", {1: score}),), {}))


def test_the_ink_reads_on_the_paper_which_is_opaque() -> None:
    drawn = picture(ScoreHistory("ask", (series("tone", {1: 80.0}),), {}), "svg").decode()
    assert "fill: #ffffff" in drawn
    assert {found for found in re.findall(r"fill: (#[0-9a-f]{6})\"", drawn.split("<text", 1)[1])} <= {
        "#24292f"
    }
    assert contrast("#24292f", "#ffffff") > 7


def contrast(one: str, other: str) -> float:
    """As WCAG 2 defines it."""

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        red, green, blue = [
            part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
        ]
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--history", "ask", "--plot", "scores.pdf"], 2, "use a .svg or .png file"),
        (["--history", "ask", "--plot", "scores"], 2, "use a .svg or .png file"),
        (["--history", "ask", "--plot", "nowhere/scores.svg"], 2, "could not write"),
        (["--history", "ask", "--plot", "folder.svg"], 2, "it is a directory"),
        (["--history", "ask", "--max-count", "0"], 2, "--max-count"),
        (["--history", "ask", "--wait"], 2, "cannot be combined with --wait"),
        (["ask", "--plot", "scores.svg"], 2, "need --history"),
        (["--history", "aks"], 2, "did you mean 'ask'?"),
        (["--history", "tone"], 2, "it is an evaluation"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_shown_is_a_clear_error(
    here: Copy, arguments: list[str], code: int, said: str
) -> None:
    (here.root / "folder.svg").mkdir()
    ran = here.run("eval", "show", *arguments)
    assert (ran.code, said in ran.err) == (code, True), ran.err


def test_a_place_that_cannot_be_written_is_an_error_before_the_registry_is_asked(here: Copy) -> None:
    (here.root / "promptsync.yaml").write_text(CONFIG.format(url="http://127.0.0.1:9"), "utf-8")
    ran = show(here, "--plot", "nowhere/scores.svg")
    assert (ran.code, "could not write" in ran.err) == (2, True)


def test_without_matplotlib_a_chart_names_what_to_install_and_the_table_works(
    here: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    ran = show(here, "--plot", "scores.svg")
    assert (ran.code, "pip install matplotlib" in ran.err) == (2, True)
    assert show(here).code == 0


def test_the_table_loads_no_matplotlib(here: Copy) -> None:
    code = (
        "import sys; from promptsync.cli import run; run(sys.argv[1:], {});"
        "sys.exit(any(name.startswith('matplotlib') for name in sys.modules))"
    )
    command = [sys.executable, "-c", code, "-C", str(here.root), "eval", "show", "--history", "ask"]
    subprocess.run(command, check=True, capture_output=True)
