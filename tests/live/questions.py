"""Questions that PromptLayer's documentation and recordings leave open, with what promptsync expects."""

from __future__ import annotations

import json
from typing import Any

from findings import Differs, chapter
from session import Session, texts_in
from workspace import RAW, Answer

from promptsync.prompt.additions import unknown_fields
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


def added(sent: Any, stored: Any, place: str = "") -> list[str]:
    """Return the places of keys that a registry added."""
    if isinstance(sent, dict) and isinstance(stored, dict):
        own = [f"{place}{key}" for key in stored if key not in sent]
        return [*own, *(more for key in sent for more in added(sent[key], stored.get(key), f"{place}{key}."))]
    if isinstance(sent, list) and isinstance(stored, list):
        return [more for pair in zip(sent, stored, strict=False) for more in added(*pair, f"{place}[].")]
    return []


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
        sent, read = chat(), stored("keys", chat())
        places = sorted(set(added(sent, read.get("prompt_template"))))
        run.exchanges.append(f"added: {', '.join(places) or 'none'}")
        unknown = unknown_fields([(prompt_of({**read, "prompt_template": sent}), prompt_of(read))])
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
