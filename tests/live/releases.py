"""What labels and deploys have to do on a live registry."""

from __future__ import annotations

import re

from findings import Chapter, Seen
from reading import labels
from session import REFUSED, Session

LABELS = Chapter("Release labels")


@LABELS.step("label set creates a label", "LABEL.dev v1, LABEL.dev.released v1")
def label_set(session: Session) -> Seen:
    session.prompt("labelled", "You are kind.", "Hello {name}")
    session.commit("Add a prompt with labels")
    session.run("push", session.name("labelled"), "--yes")
    session.run("label", "set", session.name("labelled"), f"{session.workspace.label}.dev", "--yes")
    return labels(session, "labelled")


@LABELS.step(
    "label move moves it, and keeps the version before",
    "LABEL.dev v2, LABEL.dev.previous v1, LABEL.dev.released v2",
)
def label_move(session: Session) -> Seen:
    session.edit("labelled", "Hello", "Hi")
    session.run("push", session.name("labelled"), "--yes")
    session.run("label", "move", session.name("labelled"), f"{session.workspace.label}.dev", "--yes")
    return labels(session, "labelled")


@LABELS.step("label list shows the same", "LABEL.dev v2, LABEL.dev.previous v1, LABEL.dev.released v2")
def label_list(session: Session) -> Seen:
    listed = session.run("label", "list", session.name("labelled"))["labels"]
    prefix = session.workspace.label
    own = [entry for entry in listed if entry["name"] == session.name("labelled")]
    return ", ".join(
        sorted(f"LABEL{entry['label'].removeprefix(prefix)} v{entry['version']}" for entry in own)
    )


@LABELS.step("label move refuses a lower version", "exit 3, LABEL.dev v2")
def label_lower(session: Session) -> Seen:
    name = session.name("labelled")
    session.run("label", "move", f"{name}@1", f"{session.workspace.label}.dev", "--yes", code=REFUSED)
    return f"exit 3, {labels(session, 'labelled').partition(',')[0]}"


@LABELS.step("rollback moves it back", "LABEL.dev v1")
def rollback(session: Session) -> Seen:
    session.run("rollback", session.name("labelled"), "--label", f"{session.workspace.label}.dev", "--yes")
    return labels(session, "labelled").partition(",")[0]


@LABELS.step("label delete deletes it, and those beside it", "none")
def label_delete(session: Session) -> Seen:
    session.run("label", "delete", session.name("labelled"), f"{session.workspace.label}.dev", "--yes")
    return labels(session, "labelled")


DEPLOY = Chapter("Deploy")


@DEPLOY.step("a dry run releases nothing", "0 labels")
def dry_run(session: Session) -> Seen:
    session.prompt("released", "You are kind.", "Hello {name}")
    session.commit("Add a prompt to release")
    session.run("push", session.name("released"), "--yes")
    session.run("deploy", session.name("released"), "--dry-run")
    return f"{len(session.workspace.labels('released'))} labels"


@DEPLOY.step("deploy creates the label", "LABEL v1, LABEL.released v1")
def deploy(session: Session) -> Seen:
    session.run("deploy", session.name("released"), "--yes")
    return labels(session, "released")


@DEPLOY.step("deploy publishes an edit and moves the label", "LABEL v2, LABEL.previous v1, LABEL.released v2")
def deploy_edit(session: Session) -> Seen:
    session.edit("released", "Hello", "Hi")
    session.run("deploy", session.name("released"), "--yes")
    return labels(session, "released")


@DEPLOY.step("the label returns that version to an application", "You are kind. / Hi Ana")
def by_label(session: Session) -> Seen:
    answer = session.workspace.render(
        "released", {"label": session.workspace.label, "input_variables": {"name": "Ana"}}
    )
    messages = (answer.fields.get("prompt_template") or {}).get("messages") or []
    return " / ".join(str(block.get("text")) for message in messages for block in message["content"])


@DEPLOY.step("after a rollback, the next deploy leaves the label", "exit 3, LABEL v1")
def on_hold(session: Session) -> Seen:
    session.run("rollback", session.name("released"), "--label", session.workspace.label, "--yes")
    session.run("deploy", session.name("released"), "--yes", code=REFUSED)
    return f"exit 3, {labels(session, 'released').partition(',')[0]}"


@DEPLOY.step(
    "a check on a table is planned without a model call",
    "1 sheet, 2 cells, 2 model calls",
)
def planned_table(session: Session) -> Seen:
    model = (
        dict(zip(("provider", "name"), session.model.split("/", 1), strict=False)) if session.model else {}
    )
    beside = {"model": {**model, "parameters": {"max_tokens": 32}}} if model else {}
    session.prompt("checked", "Repeat what the user says, word by word.", "Hello {name}", **beside)
    session.write(
        "evaluations/quality.yaml",
        f"name: {session.name('quality')}\nprompts: {session.name('checked')}\n"
        "rows: [{name: Ana}, {name: Ben}]\n"
        "scorecard:\n  steps:\n"
        "    - {title: Named, type: CONTAINS, config: {source: Output, value_source: name}}\n",
    )
    session.commit("Check a prompt on a table")
    out = session.text("deploy", session.name("checked"), "--dry-run")
    line = next((line for line in out.splitlines() if line.startswith("tables: ")), "no line about tables")
    numbers = re.findall(r"\d+", line)
    return "{} sheet, {} cells, {} model calls".format(*numbers) if len(numbers) == 3 else (False, line)


@DEPLOY.step(
    "the check passes, and the label moves", "passed, 2 rows pass; LABEL v1, LABEL.released v1", "model"
)
def checked_deploy(session: Session) -> Seen:
    document = session.run("deploy", session.name("checked"), "--yes")
    rows = [row for run in document["eval"]["runs"] for row in run["rows"]]
    passing = sum(row["verdict"] == "pass" for row in rows)
    return (
        f"{'passed' if document['passed'] else 'failed'}, {passing} rows pass; {labels(session, 'checked')}"
    )
