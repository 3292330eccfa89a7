"""The screens of the manual are what promptsync prints today, and load nothing from anywhere."""

from __future__ import annotations

import re
import runpy
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "docs/screens.py"
TEXT = "{http://www.w3.org/2000/svg}text"
DRAWN = {"concepts"}
"""Drawn by hand."""

pytestmark = [
    pytest.mark.lane,
    pytest.mark.skipif(sys.platform == "win32", reason="screens are taken on a POSIX terminal"),
]


def lines_of(svg: str) -> list[str]:
    """What a screen says, without what differs from run to run."""
    lines: dict[float, list[tuple[float, str]]] = {}
    for text in ET.fromstring(svg).iter(TEXT):
        if "clip-path" in text.attrib or len(text):  # no title
            place = float(text.attrib["y"]), float(text.attrib["x"])
            lines.setdefault(place[0], []).append((place[1], "".join(text.itertext()).replace("\u00a0", " ")))
    told = ["".join(part for _, part in sorted(parts)).rstrip() for _, parts in sorted(lines.items())]
    # Runs are started at the same time, so any of them can have the first id.
    ids = re.compile(r"^(refund quality|triage accuracy|refund-agent)( +\S+ +)\d+")
    told = [ids.sub(r"\1\2…", line) for line in told]
    return [re.sub(r"\b([0-9a-f]{40}|[0-9a-f]{16}|[0-9a-f]{7})\b", "…", line) for line in told]


def test_the_screens_are_not_stale() -> None:
    screens = runpy.run_path(str(SCRIPT), run_name="screens")["screens"]
    taken = {screen.name: lines_of(screen.svg) for screen in screens()}
    kept = {path.stem: lines_of(path.read_text("utf-8")) for path in (ROOT / "docs").glob("*.svg")}
    now = {name: lines for name, lines in kept.items() if name not in DRAWN}
    assert taken == now, "make screens takes them anew"
    assert set(taken) == {"status", "diff", "push", "deploy", "stopped", "comment"}
    assert "released" in " ".join(taken["deploy"])
    *_, code = taken["stopped"]
    assert "nothing was published or released; prod did not move" in taken["stopped"] and code == "1"
    # Scripted answers have a score, and both versions answer: the comment shows what got worse.
    answers = ["- Sorry, we cannot take back", "+ Yes! Send it back"]
    assert [line.startswith(answer) for line in taken["comment"] for answer in answers].count(True) == 2
    assert "echo model" not in " ".join(taken["comment"] + taken["stopped"])


def test_the_manual_shows_every_screen_and_none_loads_anything() -> None:
    screens = sorted((ROOT / "docs").glob("*.svg"))
    shown = [
        (page.parent / path).resolve()
        for page in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md"))
        for path in re.findall(r"!\[[^]]+\]\(([\w./-]+\.svg)\)", page.read_text("utf-8"))
    ]
    assert sorted(shown) == screens
    for path in screens:
        text = path.read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?:|@import|@font-face|url\((?!#)|<script|<image|href", text), path
