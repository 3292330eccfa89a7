"""The report page: nothing in it runs, loads anything or breaks out, and what matters is there."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_reader import EVIL
from sheets import SHEET, result
from sheets import results as sheet_results

from promptsync.checks.results import CheckResults
from promptsync.checks.tested_text import TestedText
from promptsync.show.result_files import report

FACTS = {"Commit": "3fa9c1a by Ada Lovelace", "Time": "2026-11-29 09:12 UTC", "For": "pull request 12"}
TAGS = {
    *("html", "head", "meta", "title", "style", "body", "main", "section", "h1", "h2", "h3", "p", "a"),
    *("dl", "dt", "dd", "table", "thead", "tbody", "tr", "th", "td", "span", "strong", "div", "pre"),
    *("del", "ins", "svg", "rect", "line", "text"),
}
ATTRIBUTES = {
    *("lang", "charset", "http-equiv", "content", "name", "id", "class", "scope", "href", "rel", "role"),
    *("viewbox", "aria-label", "x", "y", "x1", "x2", "y1", "y2", "width", "height"),
}
PARTS = [
    *("<script>EVIL</script>", "<img src=x onerror=EVIL>", "</pre>", "</style>", "<!--", "-->", "]]>", '"'),
    *("'", "\"onload='EVIL", "&lt;", "&#64;", "javascript:EVIL", "https://EVIL.example", "$title", "$$"),
    *("${prompts}", "\x00", "\x1b[31m", "\u202e", "\ud800", "\n", "<a href=//EVIL>", "EVIL"),
]
hostile = st.lists(st.sampled_from(PARTS), max_size=6).map("".join)


class Reader(HTMLParser):
    """Reads a page strictly: what is open must be closed, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS, tag
        assert {name for name, _ in attributes} <= ATTRIBUTES, attributes
        self.links += [value or "" for name, value in attributes if name in ("href", "src")]
        if tag != "meta" and not (self.get_starttag_text() or "").endswith("/>"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attributes)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == []
    return reader


def text(name: str, body: str, temperature: float = 0.2) -> TestedText:
    template = {"type": "chat", "messages": [{"role": "user", "content": [{"type": "text", "text": body}]}]}
    model = {"name": "gpt-5", "parameters": {"temperature": temperature}}
    return TestedText(name, template, {"model": model})


def sample() -> str:
    """A page with everything that a page has."""
    results = (
        result("p" * 20, "f" * 12 + "p" * 8),
        result("p" * 20, "p" * 20, "support/triage", reused=True),
        result("p" * 18 + "ff", "ff" + "p" * 18, "support/tone"),
        result("p" * 20, "p" * 20, "support/echo", model="echo"),
    )
    long = "Be brief.\nBe polite.\nAnswer with the order number.\n"
    texts = [
        (text("support/refund", long + "{order}"), text("support/refund", long, 0.9)),
        (None, text("support/triage", long)),
        (text("support/tone", long), text("support/tone", long)),
    ]
    return report(CheckResults(results), texts, FACTS)


def test_what_a_reviewer_wants_to_see() -> None:
    page = sample()
    reader = read(page)
    words = " ".join(" ".join(reader.text).split())
    for wanted in (
        "promptsync: 2 checks passed, 2 failed",
        "3fa9c1a by Ada Lovelace",
        "12 of 20 rows got worse and 0 better",
        "Rows that got worse: 12",
        "Row 1 Right order question question 1",
        "and 2 more",
        "model.parameters.temperature",
        "The same as live.",
        "cannot tell",
        "Refund quality 100, evaluated in pull request 12",
        "Cost $0.74",
        "echo (no real LLM)",
    ):
        assert wanted in words, wanted
    assert '<pre class="old">{order}</pre>' in page
    assert "<del>2</del>" in page and "<ins>9</ins>" in page
    assert 'aria-label="live 100, new 40, minimum 20"' in page
    assert reader.links == [*(f"#check{number}" for number in range(4)), *[SHEET] * 4]


@settings(max_examples=15)
@given(st.lists(sheet_results(hostile), max_size=3), hostile, hostile)
def test_no_text_is_more_than_text(results: list[Any], old: str, new: str) -> None:
    texts = [(text("n", old), text("n", new))] * len(results)
    page = report(CheckResults(tuple(results)), texts, {"For": old})
    reader = read(page)
    assert all(link.startswith(("#check", "https://EVIL")) for link in reader.links)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202e\ud800]", page)


def test_long_texts_are_cut() -> None:
    long = "\n".join(f"{EVIL} {number} " + "x" * 50 for number in range(20_000))
    page = report(CheckResults((result("p" * 20, "p" * 20),)), [(text("n", "a"), text("n", long))], {})
    assert page.count(EVIL) < 1_000 and ">…<" in page and len(page) < 300_000


BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
CHECK = """
<script>AXE</script>
<script>
addEventListener("load", async () => {
  const found = await axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21aa", "best-practice"]});
  const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  const report = document.createElement("pre");
  report.id = "found";
  report.textContent = JSON.stringify({
    violations: found.violations.map(rule => [rule.id, ...rule.nodes.map(node => node.html.slice(0, 200))]),
    passes: found.passes.length, wide, background: getComputedStyle(document.body).backgroundColor,
  });
  document.body.replaceChildren(report);
});
</script>
"""


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The source of axe-core, from npm."""
    folder = tmp_path_factory.mktemp("axe")
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("no npm is installed")
    command = [npm, "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "axe-core@4"]
    if subprocess.run(command, cwd=folder, check=False, timeout=110).returncode:
        pytest.skip("axe-core cannot be installed")
    return (folder / "node_modules/axe-core/axe.min.js").read_text("utf-8")


@pytest.mark.lane
@pytest.mark.parametrize("size", ["1200,900", "500,900"])
@pytest.mark.parametrize("color", ["light", "dark"])
def test_a_browser_shows_it_to_everybody(size: str, color: str, axe: str, tmp_path: Path) -> None:
    """Rules of accessibility hold, nothing is wider than the window, and the page follows light and dark."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip("no Chromium is installed")
    # The page itself forbids scripts, and the test needs one.
    page = re.sub(r"<meta http-equiv=.*\n", "", sample())
    page = page.replace("</body>", CHECK.replace("AXE", axe.replace("</script>", "")) + "</body>")
    (tmp_path / "page.html").write_text(page, "utf-8")
    scheme = ["--blink-settings=preferredColorScheme=0"] if color == "dark" else []
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--no-proxy-server"]
    options += [*scheme, f"--user-data-dir={tmp_path / 'profile'}", f"--window-size={size}", "--dump-dom"]
    command = [browser, *options, "--virtual-time-budget=20000", (tmp_path / "page.html").as_uri()]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False, timeout=110)
    match = re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.DOTALL)
    assert match is not None, done.stderr[-2000:]
    found = json.loads(match.group(1).replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
    assert found["violations"] == []
    assert found["passes"] > 10 and found["wide"] <= 0
    assert found["background"] == ("rgb(16, 20, 26)" if color == "dark" else "rgb(255, 255, 255)")
