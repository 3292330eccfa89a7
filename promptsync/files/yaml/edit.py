"""Editing a YAML text in place: what did not change keeps every byte, comments and quoting included."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from promptsync.files.errors import InvalidFile
from promptsync.files.prompt_file import PromptFile, parse
from promptsync.files.yaml import layout, load
from promptsync.files.yaml.layout import RoundTripError, render_new, says, writable_document
from promptsync.files.yaml.parts import Edit, NeedsBlock, Part, flow_edits, parts
from promptsync.files.yaml.reconcile import placed, reconciled, same
from promptsync.files.yaml.scalars import INDENT
from promptsync.prompt.canonical import canonical, tag_set
from promptsync.prompt.document import to_document, to_prompt
from promptsync.prompt.prompt import Local, Prompt

_BLANK_LINES: Final = re.compile(r"(?:[ \t]*\n)*")
_BLOCK_HEADER: Final = re.compile(r"(?:[&!]\S*\s+)*[|>][-+0-9]*")


class Unspliceable(Exception):
    """The text is built in a way that this edit cannot follow."""


def edited(text: str, target: dict[str, Any], levels: int) -> str:
    """Return ``text`` changed so that it holds ``target``.

    ``levels`` is how deep the edit goes before it replaces a value as a whole. The result is a proposal: the
    caller reads it back. Raises Unspliceable.
    """
    is_crlf = "\r\n" in text and "\n" not in text.replace("\r\n", "")
    source = text.replace("\r\n", "\n") if is_crlf else text
    has_end = source.endswith("\n")
    source = source if has_end else source + "\n"
    root = parts(source)
    raw = load.load(source.encode(), "").value
    if root is None or not isinstance(raw, dict):
        raise Unspliceable
    editor = _Editor(source, levels)
    editor.change(root, raw, target)
    result = editor.result()
    if not has_end and result.endswith("\n") and same(_value(result[:-1]), target):
        result = result[:-1]
    return result.replace("\n", "\r\n") if is_crlf else result


def _value(text: str) -> Any:
    try:
        return load.load(text.encode(), "").value
    except InvalidFile:
        return None


class _Editor:
    """Collects replacements of stretches of one text."""

    def __init__(self, text: str, levels: int) -> None:
        self.text = text
        self.levels = levels
        self.edits: list[Edit] = []

    def result(self) -> str:
        """Return the text with all replacements made."""
        pieces: list[str] = []
        at = 0
        for start, end, new in sorted(self.edits, key=lambda edit: edit[:2]):
            if start < at:
                raise Unspliceable
            pieces += (self.text[at:start], new)
            at = end
        return "".join([*pieces, self.text[at:]])

    def change(self, root: Part, old: dict[str, Any], new: dict[str, Any]) -> None:
        """Make a whole document say ``new``."""
        if root.is_flow:
            self.edits += flow_edits(root, old, new, may_escape=True)
        elif root.kind == "mapping":
            self._mapping(root, old, new, 1)
        else:
            raise Unspliceable

    def _value(
        self, part: Part, old: Any, new: Any, lead: int, column: int, level: int, is_open: bool
    ) -> None:
        """Change a value; ``lead`` is the index after the colon or dash, which stands at ``column``."""
        if same(old, new):
            return
        done = len(self.edits)
        try:
            self._inside(part, old, new, level, is_open)
        except (Unspliceable, NeedsBlock):
            # The smallest thing around the change is replaced as a whole.
            del self.edits[done:]
            self._replace(part, new, lead, column, is_open)

    def _inside(self, part: Part, old: Any, new: Any, level: int, is_open: bool) -> None:
        """Change a collection by its entries. Raises Unspliceable where that does not work."""
        mappings = part.kind == "mapping" and isinstance(old, dict) and isinstance(new, dict)
        lists = part.kind == "list" and isinstance(old, list) and isinstance(new, list)
        if level >= self.levels or not old or not new or not (mappings or lists):
            raise Unspliceable
        if part.is_flow:
            self.edits += flow_edits(part, old, new)
        elif mappings:
            self._mapping(part, old, new, level + 1)
        else:
            self._list(part, old, new, level + 1, is_open)

    def _mapping(self, part: Part, old: dict[str, Any], new: dict[str, Any], level: int) -> None:
        pairs = part.pairs
        column = pairs[0][0].column
        if len(pairs) != len(old) or old.keys().isdisjoint(new):
            raise Unspliceable
        at = {key: index for index, key in enumerate(old)}
        for key, value in new.items():
            if key in old and not same(old[key], value):
                key_part, value_part = pairs[at[key]]
                lead = self._after_colon(key_part)
                self._value(value_part, old[key], value, lead, column, level, key in layout.OPEN)
        self._remove_entries(pairs, [key in new for key in old])
        self._add_entries(pairs, column, [(key, at.get(key)) for key in new], new)

    def _add_entries(
        self,
        pairs: list[tuple[Part, Part]],
        column: int,
        order: list[tuple[str, int | None]],
        new: dict[str, Any],
    ) -> None:
        """Insert what is new after the entry that comes before it in the house style."""
        first = pairs[min(index for _, index in order if index is not None)][0]
        before: int | None = None
        for key, index in order:
            if index is not None:
                before = index
                continue
            lines = layout.entry(key, new[key], column)
            if before is not None:
                self._insert_lines(self._tail(pairs[before][1]), lines)
            else:
                self.edits.append((first.start, first.start, _joined(lines)[column:] + " " * column))

    def _remove_entries(self, pairs: list[tuple[Part, Part]], stays: list[bool]) -> None:
        """Remove entries with their lines; comments between them stay."""
        begin = 0
        start = pairs[0][0].start
        if not stays[0] and self.text[self._line_start(start) : start].strip():
            # The entry shares its line with a dash: the first one that stays takes its place there.
            begin = stays.index(True)
            for index in range(begin):
                if self.text[self._tail(pairs[index][1]) : pairs[index + 1][0].start].strip():
                    raise Unspliceable
            self.edits.append((start, pairs[begin][0].start, ""))
        for (key, value), kept in zip(pairs[begin:], stays[begin:], strict=True):
            if not kept:
                self.edits.append((self._line_start(key.start), self._tail(value), ""))

    def _list(self, part: Part, old: list[Any], new: list[Any], level: int, is_open: bool) -> None:
        if len(part.children) != len(old):
            raise Unspliceable
        column = part.column
        dashes = self._dashes(part)
        before: int | None = None
        for ours, theirs in placed(old, new):
            if ours is not None and theirs is not None:
                child = part.children[ours]
                self._value(child, old[ours], new[theirs], dashes[ours] + 1, column, level, is_open)
            elif ours is not None:
                self._own_line(dashes[ours])
                self.edits.append((self._line_start(dashes[ours]), self._tail(part.children[ours]), ""))
            elif theirs is not None:
                lines = layout.item(new[theirs], column, is_open)
                at = self._line_start(dashes[0]) if before is None else self._tail(part.children[before])
                self._own_line(dashes[0] if before is None else dashes[before])
                self._insert_lines(at, lines)
            before = ours if ours is not None else before

    def _replace(self, part: Part, new: Any, lead: int, column: int, is_open: bool) -> None:
        used = lead - self._line_start(lead)
        head, body = layout.after(new, column, used, is_open, self._step(part, column))
        if not head and body and self.text[lead - 1] == "-":
            head, body = " " + body[0].lstrip(" "), body[1:]
        end = part.end
        if part.is_block_scalar:
            header = self.text[part.start : self._line_end(part.start)]
            comment = _BLOCK_HEADER.sub("", header, count=1)
        elif part.kind in ("mapping", "list") and not part.is_flow:
            comment = "" if self._line_start(part.start) < lead else self.text[lead : self._line_end(lead)]
            end = self._tail(part)
        else:
            comment = self.text[end : self._line_end(end)]
            end = self._line_end(end) + 1
        if head.endswith("+") and body:
            # Blank lines after such a block would become part of the text.
            blank = _BLANK_LINES.match(self.text, end)
            end = blank.end() if blank else end
        self.edits.append((lead, end, head + comment.rstrip() * bool(comment.strip()) + "\n" + _joined(body)))

    def _step(self, part: Part, column: int) -> int:
        """Return how much deeper than its key the content of a block scalar is indented."""
        if part.is_block_scalar:
            lines = self.text[self._line_end(part.start) : part.end].splitlines()
            indents = [len(line) - len(line.lstrip(" ")) for line in lines if line.strip()]
            step = min(indents, default=0) - column
            if 1 <= step <= 9:
                return step
        return INDENT

    def _after_colon(self, key: Part) -> int:
        match = re.compile(r"\s*:").match(self.text, key.end)
        if match is None or self.text[self._line_start(key.start) : key.start].rstrip().endswith("?"):
            raise Unspliceable
        return match.end()

    def _dashes(self, part: Part) -> list[int]:
        """Return where the dashes of a block list stand."""
        pattern = re.compile(rf"^ {{{part.column}}}-(?=\s)", re.MULTILINE)
        dashes = [part.start]
        for previous in part.children[:-1]:
            match = pattern.search(self.text, self._tail(previous))
            if match is None:
                raise Unspliceable
            dashes.append(match.end() - 1)
        return dashes

    def _own_line(self, dash: int) -> None:
        if self.text[self._line_start(dash) : dash].strip():
            raise Unspliceable

    def _insert_lines(self, at: int, lines: list[str]) -> None:
        self.edits.append((at, at, _joined(lines)))

    def _tail(self, part: Part) -> int:
        """Return the start of the line after a part."""
        return part.end if part.ends_line else self._line_end(part.end) + 1

    def _line_start(self, index: int) -> int:
        return self.text.rfind("\n", 0, index) + 1

    def _line_end(self, index: int) -> int:
        return self.text.index("\n", index)


def _joined(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


_LEADING_COMMENTS: Final = re.compile(r"(?:[ \t]*(?:#[^\n]*)?\n)*")
_LEVELS: Final = (load.MAX_DEPTH, 3, 1)
"""How deep an edit may reach, from the smallest change to whole top-level values."""


def render_edit(existing: str, prompt: Prompt, local: Local, path: str, *, named: bool = False) -> str:
    """Return the text of an existing file after it was made to say ``prompt`` and ``local``.

    Only what changed is replaced, inserted or removed; comments, order, blank lines and quoting of the rest
    stay byte for byte, and a file that says the same already is returned as it is. ``path`` is for messages.
    ``named`` gives a file that changes its ``name:`` if it has none, so that moving it later does not rename
    the prompt.
    A file that cannot be read is replaced. Raises Refused when the prompt holds something that no file can.
    """
    try:
        file = parse(existing.encode(), path, prompt.name)
    except InvalidFile:
        return render_new(prompt, local)
    document = writable_document(_in_words_of(file, prompt), local)
    if same(to_document(file.prompt, file.local), document):
        return existing
    for target in _targets(existing, file, document, named):
        for level in _LEVELS:
            try:
                text = edited(existing, target, level)
            except Unspliceable:
                continue
            if says(text, document):
                return text
    text = _rewritten(existing, document)
    if not says(text, document):
        raise RoundTripError(f"{path} does not read back as it was edited.")
    return text


def _in_words_of(file: PromptFile, prompt: Prompt) -> Prompt:
    """Return ``prompt`` with what means the same in the file taken from there."""
    if tag_set(file.prompt) == tag_set(prompt):
        prompt = replace(prompt, tags=file.prompt.tags)
    if same(canonical(file.prompt), canonical(prompt)):
        prompt = replace(file.prompt, name=prompt.name, tags=prompt.tags)
    return prompt


def _targets(
    existing: str, file: PromptFile, document: dict[str, Any], named: bool
) -> Iterator[dict[str, Any]]:
    """Yield what the file should hold: in its own words, then in those of the house style."""
    raw = load.load(existing.encode(), file.path).value
    own_words = reconciled(raw, to_document(file.prompt, file.local), document)
    if named:
        own_words = {"name": document["name"], **own_words}
    if same(to_document(*to_prompt(own_words, document["name"])), document):
        yield own_words
    yield document


def _rewritten(existing: str, document: dict[str, Any]) -> str:
    """Return the document in the house style, below the comments that the file starts with."""
    comments = _LEADING_COMMENTS.match(existing.replace("\r\n", "\n"))
    lines = "".join(f"{line}\n" for line in layout.mapping(document, 0))
    text = (comments[0] if comments else "") + lines
    return text.replace("\n", "\r\n") if "\r\n" in existing else text
