"""Bars for a terminal: numbers from 0 to 100 as text, in blocks or in ASCII."""

from __future__ import annotations

WIDTH = 20
"""Characters of a whole bar."""

_EIGHTHS = " ▏▎▍▌▋▊▉"
_FULL = "█"
_MARK, _ASCII_MARK = "│", "|"


def can_show(encoding: str | None) -> bool:
    """Whether text in this encoding can hold blocks."""
    try:
        f"{_EIGHTHS}{_FULL}{_MARK}".encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def bar(value: float, *, mark: float | None = None, blocks: bool = True, width: int = WIDTH) -> str:
    """Return a bar of ``width`` characters; ``mark`` stands where the bar has to reach, unless it does.

    Values beyond 0 and 100 are drawn as these.
    """
    eighths = round(_share(value) * width * 8)
    full, rest = divmod(eighths, 8)
    drawn = _FULL * full + _EIGHTHS[rest] * (rest > 0) if blocks else "#" * (full + (rest >= 4))
    cells = list(drawn.ljust(width, " " if blocks else "."))
    if mark is not None and value < mark:
        # never on the bar itself: a bar that falls short must look like one
        place = min(width - 1, max(len(drawn), round(_share(mark) * width) - 1))
        cells[place] = _MARK if blocks else _ASCII_MARK
    return "".join(cells)


def _share(value: float) -> float:
    return min(max(value, 0.0), 100.0) / 100
