"""What promptsync's commands have to do on a live registry, chapter by chapter."""

from __future__ import annotations

import re

from findings import Chapter, Differs
from session import REFUSED, Session

TEXTS = ("You are kind.", "Hello {name}")
RESOLVED = "?resolve_snippets=true"


PROMPTS = Chapter("Prompts")


@PROMPTS.step("doctor accepts the key and finds out the dialect", "key-accepted ok, registry ok, dialect ok")
def doctor(session: Session) -> str:
    session.add("greeting", *TEXTS)
    checks = {check["name"]: check for check in session.run("doctor")["checks"]}
    names = ("key-accepted", "registry", "dialect")
    session.exchanges.append(f"dialect: {checks['dialect']['message']}")
    return ", ".join(f"{name} {checks[name]['status']}" for name in names)


PROMPTS.step(
    "push publishes a new prompt, and what was read back is what was sent", "new; greeting v1; in-sync v1"
)(lambda session: session.in_turn("greeting", "status", "push", "status"))


@PROMPTS.step("log shows the version with its commit", "v1 Add greeting, with a commit and a date")
def log(session: Session) -> str:
    (version,) = session.run("log", session.name("greeting"))["versions"]
    beside = [word for word, key in (("a commit", "commit"), ("a date", "created_at")) if version.get(key)]
    return f"v{version['version']} {version['message']}, with {' and '.join(beside)}"


@PROMPTS.step("show prints the file", "the texts of the file")
def show(session: Session) -> str:
    out = session.text("show", session.name("greeting"))
    return "the texts of the file" if all(text in out for text in TEXTS) else out


@PROMPTS.step(
    "an edit is ahead, and its push makes version 2, once", "ahead v1; greeting v2; in-sync v2; none"
)
def edit(session: Session) -> str:
    session.edit("greeting", "Hello", "Good day")
    return session.in_turn("greeting", "status", "push", "status", "push")


@PROMPTS.step("tags reach the registry and come back", "in-sync v3, tags promptsync, verify")
def tags(session: Session) -> str:
    session.write("prompts/greeting.yaml", session.read("greeting") + "tags: [promptsync, verify]\n")
    session.edit("greeting", "Good day", "Hi")
    session.push()
    stored = session.workspace.get("greeting").fields.get("tags") or []
    return f"{session.states('greeting')}, tags {', '.join(sorted(map(str, stored)))}"


def edit_in_dashboard(session: Session, old: str, new: str) -> None:
    stored = session.workspace.get("shared").fields
    for message in stored["prompt_template"]["messages"]:
        for block in message["content"]:
            block["text"] = block["text"].replace(old, new)
    answer = session.workspace.publish(
        "shared", stored["prompt_template"], "Edited in the dashboard", tags=stored.get("tags") or []
    )
    if answer.status not in (200, 201):
        raise Differs(f"the edit got {answer.status}: {answer.raw}")


DASHBOARD = Chapter("Dashboard edits, made with the API as the dashboard's editor would")


@DASHBOARD.step(
    "an edit in the dashboard makes the file behind, and pull writes it", "behind v2; in-sync v2, very kind"
)
def pull(session: Session) -> str:
    session.add("shared", *TEXTS)
    session.push("shared")
    edit_in_dashboard(session, "You are kind.", "You are very kind.")
    state = session.states("shared")
    session.run("pull", session.name("shared"), "--yes")
    session.commit("Pull")
    kind = "very kind" if "very kind" in session.read("shared") else "not the edit"
    return f"{state}; {session.states('shared')}, {kind}"


@DASHBOARD.step("after edits on both sides, push publishes nothing", "diverged v3; exit 3, still v3")
def diverged(session: Session) -> str:
    edit_in_dashboard(session, "very kind", "extremely kind")
    session.edit("shared", "Hello", "Hi")
    state = session.states("shared")
    session.run("push", session.name("shared"), "--yes", code=REFUSED)
    return f"{state}; exit 3, still v{session.workspace.get('shared').fields.get('version')}"


@DASHBOARD.step("pull --merge and push keep both edits", "shared v4: You are extremely kind. / Hi {name}")
def merge(session: Session) -> str:
    session.run("pull", session.name("shared"), "--merge", "--yes")
    session.commit("Merge the edit made in the dashboard")
    return f"{session.push('shared')}: {' / '.join(session.texts('shared'))}"


def on_dev(session: Session, verb: str, *options: str, version: str = "", code: int = 0) -> str:
    """Change a label of a prompt; return where its labels are then."""
    label = f"{session.workspace.label}.dev"
    session.run("label", verb, session.name("labelled") + version, label, *options, "--yes", code=code)
    return session.labels("labelled")


def rollback(session: Session, word: str, label: str) -> str:
    session.run("rollback", session.name(word), "--label", session.workspace.label + label, "--yes")
    return session.labels(word).partition(",")[0]


LABELS = Chapter("Release labels")


@LABELS.step("label set creates a label", "LABEL.dev v1, LABEL.dev.released v1")
def label_set(session: Session) -> str:
    session.add("labelled", *TEXTS)
    session.push("labelled")
    return on_dev(session, "set")


MOVED = "LABEL.dev v2, LABEL.dev.previous v1, LABEL.dev.released v2"


@LABELS.step(
    "label move moves it, keeps the version before, and label list shows the same", f"{MOVED}; {MOVED}"
)
def label_move(session: Session) -> str:
    session.edit("labelled", "Hello", "Hi")
    session.push("labelled")
    moved = on_dev(session, "move")
    listed = session.run("label", "list", session.name("labelled"))["labels"]
    return f"{moved}; {session.pointers({entry['label']: entry['version'] for entry in listed})}"


LABELS.step("label move refuses a lower version", MOVED)(
    lambda session: on_dev(session, "move", version="@1", code=REFUSED)
)
LABELS.step("rollback moves it back", "LABEL.dev v1")(lambda session: rollback(session, "labelled", ".dev"))
LABELS.step("label delete deletes it, and those beside it", "none")(lambda session: on_dev(session, "delete"))


DEPLOY = Chapter("Deploy")


def deploy(session: Session, word: str = "released", code: int = 0) -> str:
    session.run("deploy", session.name(word), "--yes", code=code)
    return session.labels(word)


@DEPLOY.step("a dry run releases nothing, and deploy creates the label", "none; LABEL v1, LABEL.released v1")
def first_deploy(session: Session) -> str:
    session.add("released", *TEXTS)
    session.push("released")
    session.run("deploy", session.name("released"), "--dry-run")
    return f"{session.labels('released')}; {deploy(session)}"


@DEPLOY.step("deploy publishes an edit and moves the label", "LABEL v2, LABEL.previous v1, LABEL.released v2")
def deploy_edit(session: Session) -> str:
    session.edit("released", "Hello", "Hi")
    return deploy(session)


@DEPLOY.step("the label returns that version to an application", "You are kind. / Hi Ana")
def by_label(session: Session) -> str:
    body = {"label": session.workspace.label, "input_variables": {"name": "Ana"}}
    return " / ".join(session.texts_in(session.workspace.render("released", body)))


@DEPLOY.step("after a rollback, the next deploy leaves the label", "exit 3, LABEL v1")
def on_hold(session: Session) -> str:
    rollback(session, "released", "")
    return f"exit 3, {deploy(session, code=REFUSED).partition(',')[0]}"


@DEPLOY.step("a check on a table is planned without a model call", "1 sheet, 2 cells, 2 model calls")
def planned_table(session: Session) -> str:
    beside = {"model": session.model_of(32)} if session.model else {}
    session.prompt("checked", "Repeat what the user says, word by word.", "Hello {name}", **beside)
    source = {"source": "Output", "value_source": "name"}
    session.evaluation("quality", "checked", [{"name": "Ana"}, {"name": "Ben"}], source)
    out = session.text("deploy", session.name("checked"), "--dry-run")
    line = next((line for line in out.splitlines() if line.startswith("tables: ")), "no line about tables")
    numbers = re.findall(r"\d+", line)
    return "{} sheet, {} cells, {} model calls".format(*numbers) if len(numbers) == 3 else line


@DEPLOY.step(
    "the check passes, and the label moves", "passed, 2 rows pass; LABEL v1, LABEL.released v1", "model"
)
def checked_deploy(session: Session) -> str:
    document = session.run("deploy", session.name("checked"), "--yes")
    rows = [row for run in document["eval"]["runs"] for row in run["rows"]]
    passing = sum(row["verdict"] == "pass" for row in rows)
    result = "passed" if document["passed"] else "failed"
    return f"{result}, {passing} rows pass; {session.labels('checked')}"


SNIPPETS = Chapter("Snippets")


@SNIPPETS.step(
    "push publishes a snippet before its user, whose stored text has the reference",
    "letter v1, tone v1; the reference; Be kind. Be brief.",
)
def push_snippet(session: Session) -> str:
    session.prompt("tone", content="Be kind.")
    session.add("letter", f"@@@{session.name('tone')}@@@ Be brief.", "Hello {name}")
    pushed, text = session.push("letter", "tone"), session.texts("letter")[0]
    stored = "the reference" if text.startswith(f"@@@{session.name('tone')}@@@") else text
    return f"{pushed}; {stored}; {session.texts('letter', RESOLVED)[0]}"


@SNIPPETS.step(
    "a new version of the snippet is no difference of its user", "tone v2; in-sync v1; Be friendly. Be brief."
)
def edit_snippet(session: Session) -> str:
    session.edit("tone", "Be kind.", "Be friendly.")
    return f"{session.push('tone')}; {session.states('letter')}; {session.texts('letter', RESOLVED)[0]}"


@SNIPPETS.step("the registry lists the user of the snippet", "letter")
def usage(session: Session) -> str:
    snippet = session.workspace.prompt("tone")
    found = session.workspace.registry.prompts.snippet_usage(snippet.template_id, snippet.name)
    users = {str(user.get("prompt_name")) for user in found.get("snippet_usage") or ()}
    return ", ".join(sorted(name.removeprefix(session.workspace.names) for name in users))


ARCHIVE = Chapter("Archive and restore")


@ARCHIVE.step("push --prune archives the prompt of a deleted file", "archived 1, not listed any more")
def archive(session: Session) -> str:
    session.add("old", *TEXTS)
    session.push("old")
    session.git("rm", "--quiet", "prompts/old.yaml")
    session.commit("Delete it")
    archived = session.run("push", session.name("old"), "--prune", "--yes")["archived"]
    listed = [version.name for version in session.workspace.prompts()]
    return f"archived {len(archived)}, {'still' if session.name('old') in listed else 'not'} listed any more"


@ARCHIVE.step(
    "push leaves a prompt archived, and --restore publishes it again",
    "deleted-remotely; none; old v2; in-sync v2",
)
def restore(session: Session) -> str:
    session.git("revert", "--no-edit", "HEAD")
    state = session.states("old").split()[0]
    return f"{state}; {session.push('old')}; {session.push('old', '--restore')}; {session.states('old')}"


STORY = (PROMPTS, DASHBOARD, LABELS, DEPLOY, SNIPPETS, ARCHIVE)
