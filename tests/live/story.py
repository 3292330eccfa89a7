"""What promptsync's commands have to do on a live registry, chapter by chapter."""

from __future__ import annotations

import re

from session import REFUSED, Session, chapter, texts_in
from workspace import Differs

TEXTS = ("You are kind.", "Hello {name}")


@chapter("Prompts")
def prompts(run: Session) -> None:
    expected = "key-accepted ok, registry ok, dialect ok"
    with run.step("doctor accepts the key and finds out the dialect", expected) as saw:
        run.add("greeting", *TEXTS)
        checks = {check["name"]: check for check in run.run("doctor")["checks"]}
        run.exchanges.append(f"dialect: {checks['dialect']['message']}")
        names = ("key-accepted", "registry", "dialect")
        saw(", ".join(f"{name} {checks[name]['status']}" for name in names))

    title = "push publishes a new prompt, and what was read back is what was sent"
    with run.step(title, "new; greeting v1; in-sync v1") as saw:
        saw(run.in_turn("greeting", "status", "push", "status"))

    with run.step(
        "log shows the version with its commit", "v1 Add greeting, with a commit and a date"
    ) as saw:
        (version,) = run.run("log", run.name("greeting"))["versions"]
        keys = (("a commit", "commit"), ("a date", "created_at"))
        beside = " and ".join(word for word, key in keys if version.get(key))
        saw(f"v{version['version']} {version['message']}, with {beside}")

    with run.step("show prints the file", "the texts of the file") as saw:
        out = run.text("show", run.name("greeting"))
        saw("the texts of the file" if all(text in out for text in TEXTS) else out)

    title = "an edit is ahead, and its push makes version 2, once"
    with run.step(title, "ahead v1; greeting v2; in-sync v2; none") as saw:
        run.edit("greeting", "Hello", "Good day")
        saw(run.in_turn("greeting", "status", "push", "status", "push"))

    with run.step("tags reach the registry and come back", "in-sync v3, tags promptsync, verify") as saw:
        run.write("prompts/greeting.yaml", run.read("greeting") + "tags: [promptsync, verify]\n")
        run.edit("greeting", "Good day", "Hi")
        run.push()
        stored = run.workspace.get("greeting").fields.get("tags") or []
        saw(f"{run.states('greeting')}, tags {', '.join(sorted(map(str, stored)))}")


def edit_in_dashboard(run: Session, old: str, new: str) -> None:
    stored = run.workspace.get("shared").fields
    template = stored["prompt_template"]
    for message in template["messages"]:
        for block in message["content"]:
            block["text"] = block["text"].replace(old, new)
    tags = stored.get("tags") or []
    answer = run.workspace.publish("shared", template, "Edited in the dashboard", tags=tags)
    if answer.status not in (200, 201):
        raise Differs(f"the edit got {answer.status}: {answer.raw}")


@chapter("Dashboard edits, made with the API as the dashboard's editor would")
def dashboard(run: Session) -> None:
    title = "an edit in the dashboard makes the file behind, and pull writes it"
    with run.step(title, "behind v2; in-sync v2, very kind") as saw:
        run.add("shared", *TEXTS)
        run.push("shared")
        edit_in_dashboard(run, "You are kind.", "You are very kind.")
        state = run.states("shared")
        run.run("pull", run.name("shared"), "--yes")
        run.commit("Pull")
        kind = "very kind" if "very kind" in run.read("shared") else "not the edit"
        saw(f"{state}; {run.states('shared')}, {kind}")

    with run.step(
        "after edits on both sides, push publishes nothing", "diverged v3; exit 3, still v3"
    ) as saw:
        edit_in_dashboard(run, "very kind", "extremely kind")
        run.edit("shared", "Hello", "Hi")
        state = run.states("shared")
        run.run("push", run.name("shared"), "--yes", code=REFUSED)
        saw(f"{state}; exit 3, still v{run.workspace.get('shared').fields.get('version')}")

    expected = "shared v4: You are extremely kind. / Hi {name}"
    with run.step("pull --merge and push keep both edits", expected) as saw:
        run.run("pull", run.name("shared"), "--merge", "--yes")
        run.commit("Merge the edit made in the dashboard")
        saw(f"{run.push('shared')}: {' / '.join(run.texts('shared'))}")


def rollback(run: Session, word: str, label: str) -> str:
    run.run("rollback", run.name(word), "--label", run.workspace.label + label, "--yes")
    return run.labels(word).partition(",")[0]


@chapter("Release labels")
def labels(run: Session) -> None:
    def on_dev(verb: str, version: str = "", code: int = 0) -> str:
        """Change a label of a prompt; return where its labels are then."""
        label = f"{run.workspace.label}.dev"
        run.run("label", verb, run.name("labelled") + version, label, "--yes", code=code)
        return run.labels("labelled")

    with run.step("label set creates a label", "LABEL.dev v1, LABEL.dev.released v1") as saw:
        run.add("labelled", *TEXTS)
        run.push("labelled")
        saw(on_dev("set"))

    moved = "LABEL.dev v2, LABEL.dev.previous v1, LABEL.dev.released v2"
    title = "label move moves it, keeps the version before, and label list shows the same"
    with run.step(title, f"{moved}; {moved}") as saw:
        run.edit("labelled", "Hello", "Hi")
        run.push("labelled")
        registry = on_dev("move")
        listed = run.run("label", "list", run.name("labelled"))["labels"]
        saw(f"{registry}; {run.pointers({entry['label']: entry['version'] for entry in listed})}")

    with run.step("label move refuses a lower version", moved) as saw:
        saw(on_dev("move", "@1", REFUSED))
    with run.step("rollback moves it back", "LABEL.dev v1") as saw:
        saw(rollback(run, "labelled", ".dev"))
    with run.step("label delete deletes it, and those beside it", "none") as saw:
        saw(on_dev("delete"))


@chapter("Deploy")
def deploy(run: Session) -> None:
    def deployed(code: int = 0) -> str:
        run.run("deploy", run.name("released"), "--yes", code=code)
        return run.labels("released")

    title = "a dry run releases nothing, and deploy creates the label"
    with run.step(title, "none; LABEL v1, LABEL.released v1") as saw:
        run.add("released", *TEXTS)
        run.push("released")
        run.run("deploy", run.name("released"), "--dry-run")
        saw(f"{run.labels('released')}; {deployed()}")

    expected = "LABEL v2, LABEL.previous v1, LABEL.released v2"
    with run.step("deploy publishes an edit and moves the label", expected) as saw:
        run.edit("released", "Hello", "Hi")
        saw(deployed())

    with run.step("the label returns that version to an application", "You are kind. / Hi Ana") as saw:
        body = {"label": run.workspace.label, "input_variables": {"name": "Ana"}}
        saw(" / ".join(texts_in(run.workspace.render("released", body))))

    with run.step("after a rollback, the next deploy leaves the label", "exit 3, LABEL v1") as saw:
        rollback(run, "released", "")
        saw(f"exit 3, {deployed(REFUSED).partition(',')[0]}")

    title = "a check on a table is planned without a model call"
    with run.step(title, "1 sheet, 2 cells, 2 model calls") as saw:
        beside = {"model": run.model_of(32)} if run.model else {}
        run.prompt("checked", "Repeat what the user says, word by word.", "Hello {name}", **beside)
        source = {"source": "Output", "value_source": "name"}
        run.evaluation("quality", "checked", [{"name": "Ana"}, {"name": "Ben"}], source)
        out = run.text("deploy", run.name("checked"), "--dry-run")
        line = next((line for line in out.splitlines() if line.startswith("tables: ")), "no line on tables")
        numbers = re.findall(r"\d+", line)
        saw("{} sheet, {} cells, {} model calls".format(*numbers) if len(numbers) == 3 else line)

    title = "the check passes, and the label moves"
    if run.is_given("with-model", title):
        with run.step(title, "passed, 2 rows pass; LABEL v1, LABEL.released v1") as saw:
            document = run.run("deploy", run.name("checked"), "--yes")
            rows = [row["verdict"] for check in document["eval"]["runs"] for row in check["rows"]]
            result = "passed" if document["passed"] else "failed"
            saw(f"{result}, {rows.count('pass')} rows pass; {run.labels('checked')}")


@chapter("Snippets")
def snippets(run: Session) -> None:
    def resolved() -> str:
        return run.texts("letter", "?resolve_snippets=true")[0]

    title = "push publishes a snippet before its user, whose stored text has the reference"
    with run.step(title, "letter v1, tone v1; the reference; Be kind. Be brief.") as saw:
        run.prompt("tone", content="Be kind.")
        run.add("letter", f"@@@{run.name('tone')}@@@ Be brief.", "Hello {name}")
        pushed, text = run.push("letter", "tone"), run.texts("letter")[0]
        stored = "the reference" if text.startswith(f"@@@{run.name('tone')}@@@") else text
        saw(f"{pushed}; {stored}; {resolved()}")

    title = "a new version of the snippet is no difference of its user"
    with run.step(title, "tone v2; in-sync v1; Be friendly. Be brief.") as saw:
        run.edit("tone", "Be kind.", "Be friendly.")
        saw(f"{run.push('tone')}; {run.states('letter')}; {resolved()}")

    with run.step("the registry lists the user of the snippet", "letter") as saw:
        snippet = run.workspace.prompt("tone")
        found = run.workspace.registry.prompts.snippet_usage(snippet.template_id, snippet.name)
        users = {str(user.get("prompt_name")) for user in found.get("snippet_usage") or ()}
        saw(", ".join(sorted(name.removeprefix(run.workspace.names) for name in users)))


@chapter("Archive and restore")
def archive(run: Session) -> None:
    title = "push --prune archives the prompt of a deleted file"
    with run.step(title, "archived 1, not listed any more") as saw:
        run.add("old", *TEXTS)
        run.push("old")
        run.git("rm", "--quiet", "prompts/old.yaml")
        run.commit("Delete it")
        archived = run.run("push", run.name("old"), "--prune", "--yes")["archived"]
        is_listed = run.name("old") in [version.name for version in run.workspace.prompts()]
        saw(f"archived {len(archived)}, {'still' if is_listed else 'not'} listed any more")

    title = "push leaves a prompt archived, and --restore publishes it again"
    with run.step(title, "deleted-remotely; none; old v2; in-sync v2") as saw:
        run.git("revert", "--no-edit", "HEAD")
        state = run.states("old").split()[0]
        saw(f"{state}; {run.push('old')}; {run.push('old', '--restore')}; {run.states('old')}")


STORY = (prompts, dashboard, labels, deploy, snippets, archive)
