"""Questions that PromptLayer's documentation and recordings leave open, with what promptsync expects."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Callable
from typing import Any

from session import Session, chapter, texts_in
from workspace import RAW, Answer, Differs

from promptsync.prompt.additions import added_fields
from promptsync.prompt.canonical import same
from promptsync.registry.promptlayer import endpoints
from promptsync.registry.promptlayer.responses import prompt_of

ACCEPTED = (200, 201)
REJECTED = "rejected with 400 or 422"
KNOWN_KEYS = "only keys that promptsync knows"
ODD = " \n\ttab, trailing  \n\n\N{SNOWMAN} e\u0301 \N{GRINNING FACE} {{literal}} \r\n"
LISTS = (
    *(endpoints.LIST, endpoints.LIST_EVALUATIONS, endpoints.LIST_DATASETS),
    *(endpoints.LIST_AGENTS, endpoints.LIST_TABLES),
)


def chat(text: str = "Hello {name}") -> dict[str, Any]:
    return {"type": "chat", "messages": [{"role": "user", "content": [{"type": "text", "text": text}]}]}


def completion(text: str, **more: Any) -> dict[str, Any]:
    return {"type": "completion", "content": [{"type": "text", "text": text}], **more}


def created(answer: Answer) -> dict[str, Any]:
    """Return the body of an answer that has to be a success."""
    if answer.status not in (*ACCEPTED, 202):
        raise Differs(f"{answer.status}: {answer.raw}")
    return answer.fields


def rejected(answer: Answer) -> str:
    return REJECTED if answer.status in (400, 422) else str(answer.status)


@chapter("Open questions: publishing", is_story=False)
def publishing(run: Session) -> None:
    workspace = run.workspace

    def stored(word: str, template: dict[str, Any], **fields: Any) -> dict[str, Any]:
        """Publish a version, and return what the registry stored of it."""
        created(workspace.publish(word, template, **fields))
        return workspace.get(word).fields

    with run.step("the answer to the flat body", "a version, or 400 or 422 and no version") as saw:
        status = workspace.publish_flat("flat", chat()).status
        exists = workspace.get("flat").status == 200
        saw(status, (status in ACCEPTED) == exists and status in (*ACCEPTED, 400, 422))

    title = "the status of a publish, and whether its answer has the version"
    with run.step(title, "200 or 201, version_number 1") as saw:
        answer = workspace.publish("plain", chat())
        run.exchanges.append(f"status {answer.status}")
        status = "200 or 201" if answer.status in ACCEPTED else answer.status
        saw(f"{status}, version_number {answer.fields.get('version_number')}")

    with run.step("which keys a publish adds", KNOWN_KEYS) as saw:
        read = stored("keys", chat())
        unknown = added_fields([(prompt_of({**read, "prompt_template": chat()}), prompt_of(read))])
        saw(f"unknown: {', '.join(unknown)}" if unknown else KNOWN_KEYS)

    with run.step("whether a publish fills input_variables", "name, on the template") as saw:
        template = stored("variables", chat()).get("prompt_template") or {}
        saw(f"{', '.join(template.get('input_variables') or ['nothing'])}, on the template")

    with run.step("whether a version without tags keeps those of the prompt", "tags one") as saw:
        stored("tagged", chat(), tags=["one"])
        kept = stored("tagged", chat("Hi {name}")).get("tags") or ["none"]
        saw(f"tags {', '.join(map(str, kept))}")

    with run.step("custom metadata comes back as it was sent", "the same") as saw:
        sent = {"owner": "support", "nested": {"level": 1, "none": None}}
        kept = stored("metadata", chat(), metadata=sent).get("metadata")
        saw("the same" if same(kept, sent) else json.dumps(kept))

    with run.step("a key that the API does not know, in a completion prompt", "kept") as saw:
        read = stored("unknown-key", completion("Hi", verify_unknown=1))
        saw("kept" if "verify_unknown" in (read.get("prompt_template") or {}) else "dropped")

    with run.step("white space and characters come back as they were sent", "the same") as saw:
        created(workspace.publish("characters", chat(ODD)))
        saw("the same" if run.texts("characters") == [ODD] else repr(run.texts("characters")))

    with run.step("a commit message of 73 characters", REJECTED) as saw:
        saw(rejected(workspace.publish("message", chat(), "m" * 73)))

    with run.step("a commit message of 72 characters of more bytes", "accepted") as saw:
        status = workspace.publish("message", chat(), "\N{LATIN SMALL LETTER U WITH DIAERESIS}" * 72).status
        saw("accepted" if status in ACCEPTED else status)

    with run.step("a reference to a snippet that does not exist", "422") as saw:
        saw(workspace.publish("no-snippet", chat(f"@@@{run.name('nothing')}@@@")).status)

    with run.step("names that differ only by case", "two prompts") as saw:
        firsts = [stored(word, chat(word)).get("version") == 1 for word in ("case", "Case")]
        saw("two prompts" if all(firsts) else "one prompt")

    title = "a publish to an archived name"
    with run.step(title, "an error, or a prompt that is active again") as saw:
        before = stored("archived", chat()).get("id")
        created(workspace.archive("archived"))
        status = workspace.publish("archived", chat("Again")).status
        if status not in ACCEPTED:
            saw(f"rejected with {status}", 400 <= status < 500)
        else:
            which = "the same" if before == workspace.prompt("archived").template_id else "another"
            saw(f"active again, with {which} id", True)


@chapter("Open questions: reading", is_story=False)
def reading(run: Session) -> None:
    workspace = run.workspace

    def at_no_label(query: str = "") -> Answer:
        return workspace.get("read", f"{RAW}{query}&label={workspace.label}.none")

    with run.step("an unknown prompt", "404 for GET, 404 for POST") as saw:
        raw, rendered = workspace.get("nothing"), workspace.render("nothing", {})
        saw(f"{raw.status} for GET, {rendered.status} for POST")

    with run.step("an unknown version", "404") as saw:
        created(workspace.publish("read", chat()))
        saw(workspace.get("read", f"{RAW}&version=99").status)
    with run.step("an unknown label", "404") as saw:
        saw(at_no_label().status)
    with run.step("version and label together", REJECTED) as saw:
        saw(rejected(at_no_label("&version=1")))

    with run.step("a variable without a value", "an empty text") as saw:
        created(workspace.publish("unfilled", chat("Hello {name}!")))
        answer = workspace.render("unfilled", {"input_variables": {"other": "x"}})
        created(answer)
        run.exchanges.append(f"warning: {answer.fields.get('warning')}")
        saw("an empty text" if texts_in(answer) == ["Hello !"] else texts_in(answer))

    with run.step("snippets[] of a prompt that is read without resolving", "names the snippet") as saw:
        created(workspace.publish("part", completion("Hi")))
        created(workspace.publish("whole", chat(f"@@@{run.name('part')}@@@")))
        listed = workspace.get("whole").fields.get("snippets")
        names = [snippet.get("prompt_name") for snippet in listed or ()]
        saw("names the snippet" if names == [run.name("part")] else f"snippets {listed}")

    with run.step("whether the list expands snippets", "no difference for promptsync") as saw:
        # No difference for promptsync: it reads each prompt.
        saw(json.dumps(workspace.prompt("whole").prompt.template), True)

    with run.step("a list with per_page=1000, and a page beyond the end", "no error 5xx") as saw:
        queries = ("per_page=1000", "per_page=100&page=100000")
        statuses = [workspace.list(f"/prompt-templates?{query}").status for query in queries]
        saw("no error 5xx" if max(statuses) < 500 else statuses)

    expected = "each under one that promptsync reads"
    with run.step("under which keys lists have their items", expected) as saw:
        unread = []
        for operation in LISTS:
            target = operation.routes[-1].request.partition(" ")[2]
            answer = workspace.list(target)
            lists = [key for key, value in answer.fields.items() if isinstance(value, list)]
            run.exchanges.append(f"{target}: {', '.join(lists)}")
            if not {*lists} & {*operation.keys}:
                unread.append(f"{target}: {answer.status} {', '.join(lists)}")
        saw("; ".join(unread) or expected)

    with run.step("one request for all labels", "a list, or 404") as saw:
        answer = workspace.list("/prompt-templates/labels")
        listed = answer.body if isinstance(answer.body, list) else answer.fields.get("release_labels")
        kind = "a list" if isinstance(listed, list) else str(answer.status)
        saw(kind, kind in ("a list", "404"))


@chapter("Open questions: labels", is_story=False)
def labelling(run: Session) -> None:
    workspace, label = run.workspace, run.workspace.label

    def version_at(word: str, label: str) -> int | None:
        return workspace.labels(word).get(label)

    with run.step("creating a label that exists", "rejected, or moved") as saw:
        for text in ("Hello {name}", "Hi {name}"):
            created(workspace.publish("pointed", chat(text)))
        created(workspace.create_label("pointed", label, 1))
        status, version = workspace.create_label("pointed", label, 2).status, version_at("pointed", label)
        saw(f"{status}, at v{version}", version == (2 if status in ACCEPTED else 1) and status < 500)

    with run.step("the body of a deleted label", "200 or 204") as saw:
        created(workspace.create_label("pointed", f"{label}.gone", 1))
        answer = workspace.delete_label("pointed", f"{label}.gone")
        saw(f"{answer.status} {answer.raw[:80]}", answer.status in (200, 204))

    with run.step("a publish with release_labels moves the label", "the label is at v3") as saw:
        created(workspace.publish("pointed", chat("Good day {name}"), labels=[label]))
        saw(f"the label is at v{version_at('pointed', label)}")

    title = "a move of a protected label"
    if run.is_given("protected", title):
        with run.step(title, "403, 409, or a success that leaves the label") as saw:
            for text in ("Hello {name}", "Hi {name}"):
                created(workspace.publish("guarded", chat(text)))
            first = workspace.create_label("guarded", run.protected, 1).status
            if version_at("guarded", run.protected) is None:
                saw(f"{first} for its creation, and no label", first < 500)
            else:
                moved = workspace.move_label("guarded", run.protected, 2).status
                version = version_at("guarded", run.protected)
                said = f"{first} for its creation, {moved} for its move, at v{version}"
                saw(said, moved in (403, 409) or version == 1)


QUESTIONS = (publishing, reading, labelling)


# -- tables -------------------------------------------------------------------------------------------------


LONG = "long " * 2000
ROWS = [("given", "expected", "long"), ("Ana", "Ana", LONG), ('["a", "b"]', "Ben", "short")]


def wait(status: Callable[[], str]) -> None:
    """Wait until an import, an operation or a calculation has ended, for at most three minutes."""
    deadline = time.monotonic() + 180
    pause = 0.05
    while (now := status().lower()) not in ("completed", "failed"):
        if time.monotonic() > deadline:
            raise Differs(f"still {now} after three minutes")
        time.sleep(pause)
        pause = min(pause * 2, 5.0)


@chapter("Open questions: tables, without a model call")
def questions(run: Session) -> None:
    tables = run.workspace.registry.tables
    columns: dict[str, dict[str, Any]] = {}

    def rows() -> list[dict[str, Any]]:
        """Return the cells of each row by the titles of their columns."""
        read = tables.rows(sheet)
        columns.update({column["title"]: column for column in read["columns"]})
        titles = {column["id"]: title for title, column in columns.items()}
        ordered = sorted(read["rows"], key=lambda row: row["row_index"])
        return [{titles[key]: cell for key, cell in row["cells"].items() if key in titles} for row in ordered]

    with run.step("a table without a default sheet", "0 sheets") as saw:
        table = created(run.workspace.create_table("table"))["table"]["id"]
        saw(f"{len(tables.sheets(table))} sheets")

    with run.step("a sheet from a CSV file", "the rows in order") as saw:
        text = io.StringIO()
        csv.writer(text, quoting=csv.QUOTE_ALL).writerows(ROWS)
        sheet, importing = tables.import_sheet(table, "rows", text.getvalue().encode())
        wait(lambda: tables.import_status(table, importing)["status"])
        names = [str(row["expected"].get("value")) for row in rows()]
        saw("the rows in order" if names == ["Ana", "Ben"] else names)

    with run.step("which key of a cell has a long text", "value has all of it") as saw:
        cell = rows()[0]["long"]
        texts = {key: cell[key] for key in ("value", "display_value") if isinstance(cell.get(key), str)}
        lengths = {key: len(text) for key, text in texts.items()}
        run.exchanges.append(f"sent {len(LONG)} characters; lengths {lengths}")
        is_whole = str(cell.get("value")).strip() == LONG.strip()
        saw("value has all of it" if is_whole else f"lengths {lengths}")

    with run.step("a JSON list in a cell", "the text that was sent") as saw:
        value = rows()[1]["given"].get("value")
        saw("the text that was sent" if value == ROWS[2][0] else f"{type(value).__name__} {value}")

    with run.step("a computed column returns its config as it was sent, with titles", "titles") as saw:
        sources = ["given", "expected"]
        ids = [columns[title]["id"] for title in sources]
        common = {"reference_type": "value", "config_key": "sources"}
        dependencies = [
            {**common, "column_id": column, "config_meta": {"position": position}}
            for position, column in enumerate(ids)
        ]
        compare = {"title": "same", "type": "COMPARE", "config": {"sources": sources}}
        tables.create_column(sheet, {**compare, "dependencies": dependencies})
        rows()
        stored = columns["same"]["config"].get("sources")
        saw({str(sources): "titles", str(ids): "ids"}.get(str(stored), stored))

    with run.step("its cells are computed", "true, false") as saw:
        started = tables.recalculate(sheet, [columns["same"]["id"]])
        if operation := started.get("operation_id"):
            wait(lambda: tables.operation(sheet, operation)["status"])
        values = [row["same"].get("value") for row in rows()]
        plain = [value.get("value") if isinstance(value, dict) else value for value in values]
        saw(", ".join(str(value).lower() for value in plain))

    with run.step("a scorecard scores the rows", "0.5") as saw:
        given = columns["given"]["id"]
        contains = {"primitive_type": "CONTAINS", "primitive_config": {"source": given, "value": "Ana"}}
        judged = {"source_column_ids": [given], "thresholds": {"pass": 1, "warn": 1}}
        step = {"title": "named", "order_index": 0, **contains, **judged}
        card = {"name": "verify", "evaluated_column_ids": [], "aggregation": {}, "steps": [step]}
        tables.set_scorecard(sheet, card)
        calculation = tables.score(sheet)
        wait(lambda: tables.calculation(sheet, calculation)["status"])
        saw(tables.calculation(sheet, calculation).get("aggregate_score"))

    with run.step("the config_hash of a calculation is that of its scorecard", "equal") as saw:
        read = tables.scorecard(sheet)
        hashes = [(read.get(key) or {}).get("config_hash") for key in ("scorecard", "latest_calculation")]
        saw("equal" if hashes[0] == hashes[1] and hashes[0] else hashes)

    with run.step("the table is found by its title", "1 table") as saw:
        saw(f"{len([found for found in run.workspace.tables() if found['id'] == table])} table")


@chapter("Open questions: what reaches the model", is_story=False)
def list_in_cell(run: Session) -> None:
    title = "a JSON list in a cell reaches the prompt as a list"
    if run.is_given("with-model", title):
        with run.step(title, "each item by itself") as saw:
            text = "Repeat this line exactly: {% for item in items %}<{{ item }}>{% endfor %}"
            message = {"role": "user", "content": text, "template_format": "jinja2"}
            run.prompt("lister", model=run.model_of(64), messages=[message])
            source = {"source": "Output", "value": "<north><south>"}
            run.evaluation("lists", "lister", [{"items": ["north", "south"]}], source)
            document = run.run("eval", "run", run.name("lists"), code=None)
            runs = document.get("runs", ())
            outputs = [str(row.get("output")) for check in runs for row in check.get("rows", ())]
            is_list = any("<north><south>" in output for output in outputs)
            saw("each item by itself" if is_list else " / ".join(outputs) or "no output")


TABLE_QUESTIONS = (questions, list_in_cell)
