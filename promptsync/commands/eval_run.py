"""``promptsync eval run``: run evaluations by name, or those of the prompts that changed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import click

from promptsync.checks.evaluations import Standard
from promptsync.checks.outcome import Interrupted
from promptsync.checks.receipt import Proof
from promptsync.checks.run import proof_of
from promptsync.checks.select import EvaluationCheck, Selection, minimum_of
from promptsync.commands.shared.checks import (
    Asked,
    Choice,
    ResultFile,
    choose_changed,
    choosing_options,
    first_result,
    junit_option,
    prove_choice,
    result_file,
    tell,
    told_in,
)
from promptsync.commands.shared.options import (
    choose_format,
    format_option,
    interrupted,
    patience_of,
    waiting_options,
)
from promptsync.commands.shared.session import Session
from promptsync.errors import PromptsyncError
from promptsync.show.checks import evaluations_body, proof_lines, proof_markdown
from promptsync.show.junit import junit, junit_of_error
from promptsync.show.outcome import Outcome
from promptsync.show.runs import still_running
from promptsync.terminal import output

if TYPE_CHECKING:
    from promptsync.compare.project import Project

KIND: Final = "evaluation"
BLANK: Final[dict[str, Any]] = {"changed": [], "runs": []}


@click.argument("names", nargs=-1, metavar="[NAME|ID...]")
@choosing_options
@click.option(
    "--min-score",
    metavar="N",
    type=click.FloatRange(0, 100),
    help="Exit with 1 when a score, 0 to 100, is under N. A higher min_score of checks: counts as well.",
)
@click.option("--allow-unscored", is_flag=True, help="Take an evaluation without a score for passed.")
@junit_option
@format_option("markdown")
@waiting_options
def eval_run(
    session: Session,
    names: tuple[str, ...],
    min_score: float | None,
    allow_unscored: bool,
    junit_file: str | None,
    form: str | None,
    no_wait: bool,
    timeout: float | None,
    **asked: Any,
) -> Outcome:
    """Run evaluations at the same time, and wait for their scores.

    They are those of the given names or ids, or with --changed those that the changed prompts name, in their
    files or by checks:, each once. A prompt is changed that differs from another git state, or contains a
    snippet that does. With --changed a run counts only where it ran the version that says what the file says.

    Exit code 1 when cells failed, a score is missing or under the minimum, or the time is up.

    \b
    promptsync eval run "refund quality" --min-score 80
    promptsync eval run --changed --since origin/main --junit report.xml
    promptsync eval run 44 45 --no-wait --json
    """
    choose_format(session, form)
    wanted = Asked(KIND, names, **asked)
    wanted.check()
    patience = patience_of(no_wait, timeout)
    standard = Standard(min_score, allow_unscored)
    results = result_file(session, "--junit", junit_file)
    with told_in(results, "eval run"), session.project() as project:
        choice = _choose(session, project, wanted)
        try:
            proof = prove_choice(
                session,
                project,
                choice,
                standard=standard,
                allow_unbound=wanted.allow_unbound,
                patience=patience,
            )
        except Interrupted as stop:
            return _interrupted(stop, choice, standard, results)
    for one in proof.evaluations:
        if one.run.is_under_way:
            follow = f"promptsync eval show {one.run.report_id} tells how it ends"
            session.say(output.style(follow, "faint"))
    return _outcome(choice, proof, *first_result(proof.error, results.write(lambda: junit(proof))))


def _choose(session: Session, project: Project, wanted: Asked) -> Choice:
    if not wanted.changed:
        names = dict.fromkeys(wanted.names)
        return Choice(
            Selection(tuple(EvaluationCheck(name, (), minimum_of(name, project.config)) for name in names))
        )
    choice = choose_changed(session, project, wanted)
    session.blank = {**session.blank, **choice.body}
    tell(session, choice, KIND)
    return choice


def _interrupted(stop: Interrupted, choice: Choice, standard: Standard, results: ResultFile) -> Outcome:
    proof = proof_of(stop.runs, standard)
    body = {**choice.body, "runs": evaluations_body(proof)}
    outcome = interrupted(proof_lines(proof), body, still_running(stop.runs))
    if outcome.error is not None:
        error = outcome.error
        results.write(lambda: junit_of_error(error, "eval run"))
    return outcome


def _outcome(choice: Choice, proof: Proof, code: int, error: PromptsyncError | None) -> Outcome:
    scores = {one.run.evaluation: one.run.score for one in proof.evaluations}
    outputs = {
        "passed": str(code == 0 and not proof.under_way).lower(),
        "scores": json.dumps(scores),
        "changed": json.dumps(choice.changed),
    }
    body = {**choice.body, "runs": evaluations_body(proof)}
    return Outcome(proof_lines(proof), body, code, error, _summary(choice, proof), outputs)


def _summary(choice: Choice, proof: Proof) -> list[str]:
    if proof.evaluations:
        return proof_markdown(proof)
    return [f"No evaluation was run: {choice.reason}.", ""]
