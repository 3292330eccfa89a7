"""``promptsync eval show --history``: what the versions of a prompt scored, as a table and as a picture."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from promptsync import output
from promptsync.commands.common.session import Outcome, Session
from promptsync.errors import AnswerIsNo

if TYPE_CHECKING:
    from promptsync.checks.history import History


def history_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--history`` and what goes with it."""
    for option in (
        click.option(
            "--max-count",
            metavar="N",
            type=click.IntRange(1),
            help="With --history: read the newest N runs of each evaluation (default: 50).",
        ),
        click.option(
            "--plot",
            metavar="FILE",
            type=click.Path(path_type=Path),
            help="With --history: also draw it, as FILE.svg or FILE.png.",
        ),
        click.option(
            "--history", is_flag=True, help="NAME is a prompt: list what its versions scored, with a chart."
        ),
    ):
        function = option(function)
    return function


def show_history(session: Session, name: str, plot: Path | None, max_count: int | None) -> Outcome:
    """List the scores of a prompt's versions, and draw them into ``plot``."""
    from promptsync.checks.history import NEWEST, score_history
    from promptsync.showing.scores import history_body, history_lines, history_notes

    draw = None if plot is None else _picture_into(session.directory / plot)
    with session.project() as project:
        history = score_history(project, name, newest=max_count or NEWEST)
    for note in history_notes(history):
        session.say(note)
    if draw is not None:
        draw(history)
        session.say(f"drawn into {output.name(str(plot))}")
    body = {"changed": [], "runs": [], "history": history_body(history)}
    return Outcome(history_lines(history, blocks=_shows_blocks(session)), body)


def _shows_blocks(session: Session) -> bool:
    """Blocks go where colour goes; everything else gets plain text."""
    from promptsync.showing.chart import can_show

    wants = session.use_colour if session.use_colour is not None else sys.stdout.isatty()
    return wants and can_show(sys.stdout.encoding)


def _picture_into(path: Path) -> Callable[[History], None]:
    """Return what draws a history into a file. Raises ``PromptsyncError`` at once where that cannot be."""
    from promptsync.files.atomic import check_place, replace
    from promptsync.showing.plot import picture, picture_format

    kind = picture_format(path)
    check_place(path)

    def draw(history: History) -> None:
        if not history.series:
            raise AnswerIsNo(
                f"there is nothing to draw: no run tells the score of a version of {history.name!r}",
                hint="promptsync eval run EVALUATION makes one",
                code="no-history",
            )
        replace(path, picture(history, kind))

    return draw
