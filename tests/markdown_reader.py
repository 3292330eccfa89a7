"""Reads Markdown as GitHub does, and tells what of it is more than code."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from promptsync.show.markdown import MOST, Page

EVIL = "EVIL"
"""Stands in every hostile text, so that each place where one is seen can be found."""

_PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
_OPENING = re.compile(r"<details><summary><code>[^<>@`]*</code>(?:: [a-z0-9 ,>-]+)?</summary>\n?")
_CLOSING = re.compile(r"</details>\n?")

_PIECES = (
    *("`", "``", "```", "````", "~~~", "\n```\n", "\n~~~~\n", "`````` "),
    *("</details>", "</summary>", "<script>", "<!--", "-->", "<!-- promptsync:check -->", "<img src=x>"),
    *("@EVIL", "@org/EVIL", "#123", "owner/EVIL#1", "GH-1", "fixes #EVIL", "EVIL@example.com", "0123abc"),
    *("[EVIL](https://EVIL)", "![EVIL](https://EVIL)", "https://EVIL.example", "www.EVIL.example"),
    *("<https://EVIL>", "\n# EVIL\n", "\n\n", "\n", "\r", "\r\n", "\u2028", "\x0b"),
    *("\n> EVIL", "\n- EVIL", "\n---\n", "\n    EVIL"),
    *("|", "\\|", "\\", "\\`", "&lt;", "&#64;EVIL", "*EVIL*", "_", "~~", "$`", "$$", ":smile:", "EVIL"),
    *("\x1b[31m", "\x00", "\u202e", "\u2066", "\ufeff", "\ud800", "\x7f"),
    *("é", "中", "👩‍👩‍👧", " ", "\t", "::error::"),
)

hostile = st.lists(st.sampled_from(_PIECES), max_size=12).map("".join) | st.text(max_size=20)
names = hostile.map(lambda text: f"EVIL{text}")


def page_of(add: Callable[..., object], *values: object, most: int = MOST) -> list[str]:
    """Return the page to which a function adds values."""
    page = Page(most)
    add(page, *values)
    return page.lines


def active(lines: Sequence[str]) -> list[str]:
    """Return whatever is not plain text of ours, code or a known folded part; nothing when all is well."""
    return list(_active(_PARSER.parse("\n".join(lines))))


def check_only_code(lines: Sequence[str], most: int) -> None:
    """Nothing in a page breaks out of code, is hidden, or goes on without end."""
    assert active(lines) == []
    assert not hidden(lines)
    assert sum(len(line) + 1 for line in lines) <= most


_ALLOWED = {"paragraph", "bullet_list", "list_item", "strong", "inline", "text", "softbreak"}


def _active(tokens: Sequence[Token]) -> Iterator[str]:
    for token in tokens:
        kind = token.type.removesuffix("_open").removesuffix("_close")
        if kind in ("fence", "code_inline"):
            continue
        if kind == "html_block":
            rest = _CLOSING.sub("", _OPENING.sub("", token.content))
            if rest.strip():
                yield f"html: {rest!r}"
        elif kind not in _ALLOWED:
            yield f"{token.type}: {token.content!r}"
        elif kind == "text" and (EVIL in token.content or "@" in token.content or "#" in token.content):
            yield f"text: {token.content!r}"
        yield from _active(token.children or ())


def hidden(lines: Sequence[str]) -> set[str]:
    """Return the characters that nobody sees, or that turn text round."""
    return {*"\x00\x0b\x1b\x7f\r\u2028\u202e\u2066\ufeff\ud800"} & {*"".join(lines)}
