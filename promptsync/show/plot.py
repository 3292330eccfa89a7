"""A chart of a prompt's scores, as SVG or PNG, drawn by matplotlib if it is installed.

Its background is opaque, so that it is readable on light and dark pages alike.
"""

from __future__ import annotations

import importlib.util
import io
import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from promptsync.checks.scores import ScoreHistory, Series
from promptsync.errors import PromptsyncError, UsageError
from promptsync.terminal import output

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FORMATS: Final = {".svg": "svg", ".png": "png"}

_INK, _FAINT, _PAPER = "#24292f", "#d0d7de", "#ffffff"
# Distinguishable for colour-blind people, and by the shape of the points.
_COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8c6d00", "#5b5ea6")
_SHAPES: Final = "osD^vP"
_MOST_TICKS: Final = 12
_LONGEST: Final = 60
_SETTINGS: Any = {
    "text.parse_math": False,  # names may contain dollar signs
    "svg.fonttype": "none",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial"],
    "figure.constrained_layout.h_pad": 0.1,
    "figure.constrained_layout.w_pad": 0.1,
    "svg.hashsalt": "promptsync",
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": _PAPER,
    "axes.facecolor": _PAPER,
    "savefig.facecolor": _PAPER,
}
_NOT_IN_XML: Final = re.compile("[\ufffe\uffff]")


def picture_format(path: Path) -> str:
    """Return the format for the suffix of a file. Raises ``PromptsyncError`` if it cannot be drawn."""
    found = FORMATS.get(path.suffix.lower())
    if found is None:
        raise UsageError(f"--plot cannot draw {path.name}: use a .svg or .png file", hint="--plot scores.svg")
    if importlib.util.find_spec("matplotlib") is None:
        raise _not_installed()
    return found


def _not_installed() -> PromptsyncError:
    return PromptsyncError(
        "--plot needs matplotlib, which is not installed",
        hint="pip install matplotlib",
        code="missing-library",
    )


def picture(history: ScoreHistory, kind: str) -> bytes:
    """Return a chart of the scores of each evaluation by version; ``kind`` is ``svg`` or ``png``."""
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError as error:
        raise _not_installed() from error
    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about letters that the font lacks; they are drawn as boxes
        matplotlib.rcdefaults()  # the same on every machine, regardless of its matplotlibrc
        matplotlib.rcParams.update(_SETTINGS)
        figure = Figure(figsize=(8, 4.5), dpi=144, layout="constrained")
        axes = figure.add_subplot()
        _draw(axes, history)
        handles, labels = axes.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
        drawn = io.BytesIO()
        about = {"Title": _label(history.name)}
        figure.savefig(drawn, format=kind, metadata={**about, "Date": None} if kind == "svg" else about)
    return drawn.getvalue()


def _draw(axes: Axes, history: ScoreHistory) -> None:
    versions = sorted({run.version for one in history.series for run in one.runs if run.version is not None})
    places = {version: place for place, version in enumerate(versions)}
    for index, series in enumerate(history.series):
        _line(axes, series, places, index)
    axes.set_title(f"{_label(history.name)}: scores by version", loc="left", fontweight="bold")
    axes.set_ylabel("score")
    axes.set_xlabel("version")
    axes.grid(axis="y", color=_FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    scores = [run.score for one in history.series for run in one.runs if run.score is not None]
    axes.set_ylim(min([0, *scores]) - 2, max([100, *scores]) + 5)
    axes.set_xlim(-0.5, max(len(versions), 1) - 0.5)
    labels = {version: tuple(map(_label, one.labels or ())) for version, one in history.versions.items()}
    # The axis names the last version, some at even distances, and those with labels.
    step = -(-len(versions) // _MOST_TICKS) or 1
    named = [one for one in versions if (len(versions) - 1 - places[one]) % step == 0 or labels.get(one)]
    names = ["\n".join([f"v{version}", *labels.get(version, ())]) for version in named]
    axes.set_xticks([places[version] for version in named], names)


def _line(axes: Axes, series: Series, places: dict[int, int], index: int) -> None:
    colour, shape = _COLOURS[index % len(_COLOURS)], _SHAPES[index % len(_SHAPES)]
    points = [(places[run.version], run.score) for run in series.points if run.version is not None]
    others = [
        (places[run.version], run.score) for run in series.runs if not run.counts and run.version is not None
    ]
    name = _label(series.evaluation)
    line: Any = {"color": colour, "marker": shape, "linewidth": 2, "markersize": 7}
    (drawn,) = axes.plot(*_columns(points), **line)
    drawn.set_label(name)
    axes.plot(*_columns(others), color=colour, marker=shape, linestyle="", alpha=0.35, markersize=5)
    if series.min_score is not None:
        minimum = axes.axhline(series.min_score, color=colour, linestyle=(0, (5, 4)), linewidth=1.3)
        minimum.set_label(f"{name}: minimum {series.min_score:g}")
    place, score = points[-1]
    shown = f"{score or 0.0:.1f}".removesuffix(".0")
    axes.annotate(shown, (place, score or 0.0), xytext=(9, 0), textcoords="offset points", va="center")


def _columns(points: list[tuple[int, float | None]]) -> tuple[list[int], list[float]]:
    return [place for place, _ in points], [score or 0.0 for _, score in points]


def _label(text: str) -> str:
    """Return a name as one line that is short enough for the chart."""
    line = _NOT_IN_XML.sub("?", output.name(text))
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
