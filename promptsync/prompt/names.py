"""File paths for prompt names: readable, safe on every system, and always the same for the same name.

``support/refund`` becomes ``support/refund.yaml``. Characters that a file system could misread are
percent-escaped. A path that is too long, or taken by another prompt, ends in ``~`` and a hash of the name.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from hashlib import sha256
from typing import Final
from urllib.parse import unquote

SUFFIXES: Final = (".yaml", ".yml")
"""Suffixes of prompt files. New files get the first one."""

MAX_SEGMENT: Final = 200
"""Longest part of a path, in bytes of UTF-8: below the limits of file systems and archive formats."""

MAX_PATH: Final = 400
"""Longest path below the prompts directory, in bytes of UTF-8."""

_RESERVED: Final = re.compile(r"(?i)(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])(?=\.|$)")
_SEPARATOR: Final = re.compile(r"(?<=[^/])/(?=[^/])")
"""A slash between two parts. At either end, or next to another slash, it is text: no part is empty."""
_JOINERS: Final = "\u200c\u200d"
_PLAIN: Final = re.compile(r"[A-Za-z0-9_-]+")


def path_for(name: str, taken: Collection[str] = ()) -> str:
    """Return the relative path of the file for a prompt name, with ``/`` and the suffix ``.yaml``.

    The path never leaves the directory that it is relative to. ``taken`` are the paths of other prompts: the
    result never equals one of them, even if case and Unicode normalization do not count.
    """
    *folders, last = _SEPARATOR.split(name)
    stem = "/".join([*(_segment(folder, is_folder=True) for folder in folders), _segment(last)])
    sizes = [len(part.encode()) for part in stem.split("/")]
    is_long = max(sizes) > MAX_SEGMENT or sum(sizes) + len(sizes) > MAX_PATH
    if is_long:
        stem = stem.replace("/", "-")
    if is_long or folded(stem + SUFFIXES[0]) in {folded(other) for other in taken}:
        stem = f"{_head(stem, MAX_SEGMENT - 20)}~{_hash(name)}"
    return stem + SUFFIXES[0]


def name_for(path: str) -> str:
    """Return the name of the prompt in a file that has no ``name:`` of its own.

    It is the path without its suffix, unescaped if ``path_for`` returns this very path for the result.
    """
    stem = path.removesuffix(next((suffix for suffix in SUFFIXES if path.endswith(suffix)), ""))
    if "%" in stem:
        name = unquote(stem, errors="surrogatepass")
        if path_for(name) == stem + SUFFIXES[0]:
            return name
    return stem


def folded(path: str) -> str:
    """Return a form that is equal for paths which some file system takes for the same file."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def look(name: str) -> str:
    """Return a form that is equal for names which people take for the same one."""
    # NFKC also folds characters that look alike, such as full-width letters.
    return name.casefold() if name.isascii() else unicodedata.normalize("NFKC", name).casefold()


def _segment(segment: str, is_folder: bool = False) -> str:
    # An escape has two digits, so a lone % cannot be part of any other name.
    if not segment:
        return "%"
    if not _PLAIN.fullmatch(segment):
        segment = "".join(_percent(char) if _is_unsafe(char) else char for char in segment)
        # Editors start or end the names of their own files with # or ~, so such files are not read.
        if segment[:1] in (".", " ", "#"):
            segment = _percent(segment[0]) + segment[1:]
        if segment[-1:] in (".", " ") or (is_folder and segment[-1:] == "~"):
            segment = segment[:-1] + _percent(segment[-1])
        # A folder must not have the path of another prompt's file.
        if is_folder and segment.lower().endswith(SUFFIXES):
            dot = segment.rindex(".")
            segment = segment[:dot] + "%2E" + segment[dot + 1 :]
    return _percent(segment[0]) + segment[1:] if _RESERVED.match(segment) else segment


def _is_unsafe(char: str) -> bool:
    if char in '<>:"|?*\\/%':
        return True
    # Emoji and several scripts need joiners; the other format characters only hide text.
    return unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") and char not in _JOINERS


def _percent(char: str) -> str:
    return "".join(f"%{byte:02X}" for byte in char.encode("utf-8", "surrogatepass"))


def _head(text: str, size: int) -> str:
    """Return the start of an escaped text without cutting a character or an escape."""
    head = text.encode()[:size].decode("utf-8", "ignore")
    return re.sub(r"(%[0-9A-F]{0,1})$", "", head)


def _hash(name: str) -> str:
    return sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:12]
