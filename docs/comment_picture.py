"""Draws Markdown as a comment on GitHub, as an SVG that loads nothing: text, lines and boxes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from html import escape

from markdown_it import MarkdownIt
from markdown_it.token import Token

WIDTH = 760
_MARGIN, _PADDING = 16, 12
_SANS = "-apple-system, BlinkMacSystemFont, 'Segoe UI', 'Noto Sans', Helvetica, Arial, sans-serif"
_MONO = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
_STYLE = f"""\
    text {{ font: 14px {_SANS}; fill: #1f2328; white-space: pre; }}
    .mono {{ font: 12.5px {_MONO}; }}
    .bold {{ font-weight: 600; }}
    .title {{ font-size: 17px; font-weight: 600; }}
    .faint {{ fill: #59636e; }}
    .link {{ fill: #0969da; }}
    .place {{ fill: #6639ba; font-weight: 600; }}
    .plus {{ fill: #116329; }}
    .minus {{ fill: #82071e; }}
    .box {{ fill: #f6f8fa; }}
    .box-plus {{ fill: #dafbe1; }}
    .box-minus {{ fill: #ffebe9; }}"""
_LINES = {"@": "place", "+": "plus", "-": "minus"}
_COMMIT = re.compile(r"\b([0-9a-f]{7})[0-9a-f]{33}\b")
_SUMMARY = re.compile(r"<details><summary><code>(.*?)</code>(.*)</summary>\s*")

Run = tuple[str, str]
"""Text, and its class."""


class _Drawing:
    """Grows downwards: ``y`` is where the next thing goes."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.y = 0.0

    def text(self, x: float, y: float, runs: Iterable[Run]) -> None:
        spans = "".join(f'<tspan class="{kind}">{_kept(text)}</tspan>' for text, kind in runs if text)
        self.parts.append(f'<text x="{x:g}" y="{y:g}" xml:space="preserve">{spans}</text>')

    def box(self, x: float, y: float, width: float, height: float, kind: str, radius: float = 0) -> None:
        place = f'x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}"'
        self.parts.append(f'<rect class="{kind}" {place} rx="{radius:g}" />')

    def line(self, runs: Sequence[Run], height: float = 21, indent: float = 0) -> None:
        self.text(_MARGIN + indent, self.y + 15, runs)
        self.y += height

    def code(self, lines: Sequence[str], *, is_diff: bool) -> None:
        """A block of code. What is wider than the block is cut off; GitHub has a scroll bar there."""
        step, width = 17, WIDTH - 2 * _MARGIN
        most = int((width - 2 * _PADDING) / 7.53)
        self.box(_MARGIN, self.y, width, len(lines) * step + 2 * _PADDING - 4, "box", 6)
        self.y += _PADDING - 2
        for line in lines:
            kind = _LINES.get(line[:1], "") if is_diff else ""
            if kind in ("plus", "minus"):
                self.box(_MARGIN + 6, self.y, width - 12, step, f"box-{kind}")
            self.text(_MARGIN + _PADDING, self.y + 13, [(line[:most], f"mono {kind}".rstrip())])
            self.y += step
        self.y += _PADDING + 6


def picture(markdown: str, *, title: str, is_open: Callable[[str], bool]) -> str:
    """Return the comment as an SVG. ``is_open`` tells which details are unfolded, by their summary."""
    drawing = _Drawing()
    _header(drawing)
    _body(drawing, MarkdownIt("commonmark").parse(markdown), is_open)
    height = drawing.y + 4
    size = f'width="{WIDTH}" height="{height:g}" viewBox="0 0 {WIDTH} {height:g}"'
    parts = "\n  ".join(drawing.parts)
    return f"""\
<svg {size} xmlns="http://www.w3.org/2000/svg" role="img">
  <title>{escape(title)}</title>
  <style>
{_STYLE}
  </style>
  <rect x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1:g}" rx="6" fill="#ffffff" stroke="#d1d9e0" />
  {parts}
</svg>
"""


def _header(drawing: _Drawing) -> None:
    drawing.parts.append(
        f'<path d="M1 7a6 6 0 0 1 6-6h{WIDTH - 14}a6 6 0 0 1 6 6v33h-{WIDTH - 2}z" fill="#f6f8fa" />'
        f'<path d="M1 40.5h{WIDTH - 2}" stroke="#d1d9e0" />'
    )
    drawing.y = 11
    drawing.line([("github-actions", "bold"), (" bot commented on pull request #7", "faint")], 44)


def _body(drawing: _Drawing, tokens: Sequence[Token], is_open: Callable[[str], bool]) -> None:
    folded = False
    for number, token in enumerate(tokens):
        if token.type == "html_block":
            if summary := _SUMMARY.match(token.content):
                folded = not is_open(summary[1])
                sign = "▸ " if folded else "▾ "
                drawing.line([(sign, ""), (summary[1], "mono"), (summary[2], "")], 26)
            elif token.content.startswith("</details>"):
                folded = False
        elif folded:
            continue
        elif token.type == "fence":
            drawing.code(token.content.rstrip().split("\n"), is_diff=token.info == "diff")
        elif token.type == "inline":
            before = tokens[number - 1]
            runs = list(_runs(token.children or ()))
            if before.type == "heading_open":
                # GitHub shows a commit id as a short link.
                drawing.line([(_COMMIT.sub(r"\1", text), "title") for text, _ in runs], 32)
            elif before.hidden:  # in a list
                drawing.line([("•  ", ""), *runs], 28, indent=8)
            else:
                drawing.line(runs, 29)


def _runs(tokens: Iterable[Token]) -> Iterator[Run]:
    kinds: list[str] = []
    for token in tokens:
        if token.type in ("strong_open", "link_open"):
            kinds.append("bold" if token.type == "strong_open" else "link")
        elif token.type in ("strong_close", "link_close"):
            kinds.pop()
        elif token.content:
            yield token.content, " ".join([*kinds, "mono"] if token.type == "code_inline" else kinds)


def _kept(text: str) -> str:
    """Keep the spaces that renderers would fold."""
    return escape(text, quote=False).replace(" ", "\u00a0")
