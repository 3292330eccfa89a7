"""Questions that PromptLayer's documentation and recordings leave open, with what promptsync expects."""

from __future__ import annotations

import json
from typing import Any

from findings import Chapter, Differs, Seen
from session import Session
from workspace import Answer

from promptsync.prompt.additions import unknown_fields
from promptsync.prompt.canonical import same
from promptsync.registry.promptlayer import endpoints
from promptsync.registry.promptlayer.responses import prompt_of

ACCEPTED = (200, 201)
RAW = "?resolve_snippets=false"


def chat(text: str = "Hello {name}") -> dict[str, Any]:
    return {"type": "chat", "messages": [{"role": "user", "content": [{"type": "text", "text": text}]}]}


def created(answer: Answer) -> dict[str, Any]:
    """Return the body of an answer that has to be a success."""
    if answer.status not in (*ACCEPTED, 202):
        raise Differs(f"{answer.status}: {answer.raw}")
    return answer.fields


def added(sent: Any, stored: Any, place: str = "") -> list[str]:
    """Return the places of keys that a registry added."""
    if isinstance(sent, dict) and isinstance(stored, dict):
        own = [f"{place}{key}" for key in stored if key not in sent]
        return [*own, *(more for key in sent for more in added(sent[key], stored.get(key), f"{place}{key}."))]
    if isinstance(sent, list) and isinstance(stored, list):
        return [more for pair in zip(sent, stored, strict=False) for more in added(*pair, f"{place}[].")]
    return []


def missing(answer: Answer) -> Seen:
    return answer.status == 404, str(answer.status)


PUBLISHING = Chapter("Open questions: publishing", is_story=False)


@PUBLISHING.step("the answer to the flat body", "a version, or 400 or 422 and no version")
def flat(session: Session) -> Seen:
    answer = session.workspace.publish_flat("flat", chat())
    exists = session.workspace.get("flat", RAW).status == 200
    return (answer.status in ACCEPTED) == exists and answer.status in (*ACCEPTED, 400, 422), str(
        answer.status
    )


@PUBLISHING.step(
    "the status of a publish, and whether its answer has the version", "200 or 201, version_number 1"
)
def nested(session: Session) -> Seen:
    answer = session.workspace.publish("plain", chat())
    session.exchanges.append(f"status {answer.status}")
    status = "200 or 201" if answer.status in ACCEPTED else str(answer.status)
    return f"{status}, version_number {answer.fields.get('version_number')}"


@PUBLISHING.step("which keys a publish adds", "only keys that promptsync knows")
def keys_added(session: Session) -> Seen:
    sent = chat()
    created(session.workspace.publish("keys", sent))
    stored = session.workspace.get("keys", RAW).fields
    places = sorted(set(added(sent, stored.get("prompt_template"))))
    unknown = unknown_fields([(prompt_of({**stored, "prompt_template": sent}), prompt_of(stored))])
    session.exchanges.append(f"added: {', '.join(places) or 'none'}")
    return (False, f"unknown: {', '.join(unknown)}") if unknown else "only keys that promptsync knows"


@PUBLISHING.step("whether a publish fills input_variables", "name, on the template")
def input_variables(session: Session) -> Seen:
    created(session.workspace.publish("variables", chat()))
    template = session.workspace.get("variables", RAW).fields.get("prompt_template") or {}
    return f"{', '.join(template.get('input_variables') or ['nothing'])}, on the template"


@PUBLISHING.step("whether a version without tags keeps those of the prompt", "tags one")
def tags(session: Session) -> Seen:
    created(session.workspace.publish("tagged", chat(), tags=["one"]))
    created(session.workspace.publish("tagged", chat("Hi {name}")))
    stored = session.workspace.get("tagged", RAW).fields.get("tags") or ["none"]
    return f"tags {', '.join(map(str, stored))}"


@PUBLISHING.step("custom metadata comes back as it was sent", "the same")
def metadata(session: Session) -> Seen:
    sent = {"owner": "support", "nested": {"level": 1, "none": None}}
    created(session.workspace.publish("metadata", chat(), metadata=sent))
    stored = session.workspace.get("metadata", RAW).fields.get("metadata")
    return "the same" if same(stored, sent) else (False, json.dumps(stored))


@PUBLISHING.step("a key that the API does not know, in a completion prompt", "kept")
def unknown_key(session: Session) -> Seen:
    template = {"type": "completion", "content": [{"type": "text", "text": "Hi"}], "verify_unknown": 1}
    answer = session.workspace.publish("unknown-key", template)
    if answer.status not in ACCEPTED:
        return False, f"{answer.status}"
    stored = session.workspace.get("unknown-key", RAW).fields.get("prompt_template") or {}
    return "kept" if "verify_unknown" in stored else "dropped"


@PUBLISHING.step("white space and characters come back as they were sent", "the same")
def characters(session: Session) -> Seen:
    text = " \n\ttab, trailing  \n\n\N{SNOWMAN} e\u0301 \N{GRINNING FACE} {{literal}} \r\n"
    created(session.workspace.publish("characters", chat(text)))
    template = session.workspace.get("characters", RAW).fields.get("prompt_template") or {}
    stored = template["messages"][0]["content"][0]["text"]
    return "the same" if stored == text else (False, repr(stored))


@PUBLISHING.step("a commit message of 73 characters", "rejected with 400 or 422")
def long_message(session: Session) -> Seen:
    status = session.workspace.publish("message", chat(), "m" * 73).status
    return "rejected with 400 or 422" if status in (400, 422) else (False, str(status))


@PUBLISHING.step("a commit message of 72 characters of more bytes", "accepted")
def bytes_message(session: Session) -> Seen:
    status = session.workspace.publish(
        "message", chat(), "\N{LATIN SMALL LETTER U WITH DIAERESIS}" * 72
    ).status
    return "accepted" if status in ACCEPTED else (False, str(status))


@PUBLISHING.step("a reference to a snippet that does not exist", "422")
def missing_snippet(session: Session) -> Seen:
    return str(session.workspace.publish("no-snippet", chat(f"@@@{session.name('nothing')}@@@")).status)


@PUBLISHING.step("names that differ only by case", "two prompts")
def cases(session: Session) -> Seen:
    for word in ("case", "Case"):
        created(session.workspace.publish(word, chat(word)))
    same_name = [
        word for word in ("case", "Case") if session.workspace.get(word, RAW).fields.get("version") == 1
    ]
    return "two prompts" if len(same_name) == 2 else (False, "one prompt")


@PUBLISHING.step("a publish to an archived name", "an error, or a prompt that is active again")
def archived_name(session: Session) -> Seen:
    created(session.workspace.publish("archived", chat()))
    before = session.workspace.prompt("archived").template_id
    created(session.workspace.archive("archived"))
    answer = session.workspace.publish("archived", chat("Again"))
    if answer.status not in ACCEPTED:
        session.exchanges.append(f"rejected with {answer.status}")
        return 400 <= answer.status < 500, f"rejected with {answer.status}"
    after = session.workspace.prompt("archived").template_id
    session.exchanges.append("the id is the same" if before == after else "the id is another one")
    return "an error, or a prompt that is active again"


READING = Chapter("Open questions: reading", is_story=False)


@READING.step("an unknown prompt", "404 for GET and POST")
def unknown_prompt(session: Session) -> Seen:
    raw, rendered = session.workspace.get("nothing", RAW), session.workspace.render("nothing", {})
    return raw.status == rendered.status == 404, f"{raw.status} for GET, {rendered.status} for POST"


@READING.step("an unknown version", "404")
def unknown_version(session: Session) -> Seen:
    created(session.workspace.publish("read", chat()))
    return missing(session.workspace.get("read", f"{RAW}&version=99"))


@READING.step("an unknown label", "404")
def unknown_label(session: Session) -> Seen:
    return missing(session.workspace.get("read", f"{RAW}&label={session.workspace.label}.none"))


@READING.step("version and label together", "rejected with 400 or 422")
def both(session: Session) -> Seen:
    status = session.workspace.get("read", f"{RAW}&version=1&label={session.workspace.label}.none").status
    return "rejected with 400 or 422" if status in (400, 422) else (False, str(status))


@READING.step("a variable without a value", "an empty text")
def missing_variable(session: Session) -> Seen:
    created(session.workspace.publish("unfilled", chat("Hello {name}!")))
    answer = session.workspace.render("unfilled", {"input_variables": {"other": "x"}})
    message = created(answer)["prompt_template"]["messages"][0]
    text = message["content"][0]["text"]
    session.exchanges.append(f"warning: {answer.fields.get('warning')}")
    return "an empty text" if text == "Hello !" else (False, text)


@READING.step("snippets[] of a prompt that is read without resolving", "names the snippet")
def snippets(session: Session) -> Seen:
    created(
        session.workspace.publish("part", {"type": "completion", "content": [{"type": "text", "text": "Hi"}]})
    )
    created(session.workspace.publish("whole", chat(f"@@@{session.name('part')}@@@")))
    listed = session.workspace.get("whole", RAW).fields.get("snippets")
    names = [snippet.get("prompt_name") for snippet in listed or ()]
    return "names the snippet" if names == [session.name("part")] else (False, f"snippets {listed}")


@READING.step("whether the list expands snippets", "no difference for promptsync: it reads each prompt")
def listed_text(session: Session) -> Seen:
    version = session.workspace.prompt("whole")
    session.exchanges.append(f"the list has: {json.dumps(version.prompt.template)}")
    return "no difference for promptsync: it reads each prompt"


@READING.step("a list with per_page=1000, and a page beyond the end", "no error 5xx")
def pages(session: Session) -> Seen:
    large = session.workspace.list("/prompt-templates?per_page=1000")
    beyond = session.workspace.list("/prompt-templates?per_page=100&page=100000")
    return (
        "no error 5xx"
        if max(large.status, beyond.status) < 500
        else (False, f"{large.status}, {beyond.status}")
    )


@READING.step("under which keys lists have their items", "each under one that promptsync reads")
def list_keys(session: Session) -> Seen:
    operations = (
        endpoints.LIST,
        endpoints.LIST_EVALUATIONS,
        endpoints.LIST_DATASETS,
        endpoints.LIST_AGENTS,
        endpoints.LIST_TABLES,
    )
    unread = []
    for operation in operations:
        target = operation.routes[-1].request.partition(" ")[2]
        answer = session.workspace.list(target)
        lists = [key for key, value in answer.fields.items() if isinstance(value, list)]
        session.exchanges.append(f"{target}: {', '.join(lists)}")
        if not {*lists} & {*operation.keys}:
            unread.append(f"{target}: {answer.status} {', '.join(lists)}")
    return (False, "; ".join(unread)) if unread else "each under one that promptsync reads"


@READING.step("one request for all labels", "a list, or 404")
def all_labels(session: Session) -> Seen:
    answer = session.workspace.list("/prompt-templates/labels")
    listed = answer.body if isinstance(answer.body, list) else answer.fields.get("release_labels")
    kind = "a list" if isinstance(listed, list) else str(answer.status)
    return kind in ("a list", "404"), kind


LABELLING = Chapter("Open questions: labels", is_story=False)


@LABELLING.step("creating a label that exists", "rejected, or moved")
def create_again(session: Session) -> Seen:
    for text in ("Hello {name}", "Hi {name}"):
        created(session.workspace.publish("pointed", chat(text)))
    created(session.workspace.create_label("pointed", session.workspace.label, 1))
    answer = session.workspace.create_label("pointed", session.workspace.label, 2)
    version = session.workspace.labels("pointed").get(session.workspace.label)
    if answer.status in ACCEPTED:
        return version == 2, f"{answer.status}, at v{version}"
    return version == 1 and answer.status < 500, f"{answer.status}, at v{version}"


@LABELLING.step("the body of a deleted label", "200 or 204")
def delete(session: Session) -> Seen:
    created(session.workspace.create_label("pointed", f"{session.workspace.label}.gone", 1))
    answer = session.workspace.delete_label("pointed", f"{session.workspace.label}.gone")
    return answer.status in (200, 204), f"{answer.status} {answer.raw[:80]}"


@LABELLING.step("a publish with release_labels moves the label", "the label is at v3")
def publish_with_label(session: Session) -> Seen:
    body = chat("Good day {name}")
    created(session.workspace.publish("pointed", body, labels=[session.workspace.label]))
    return f"the label is at v{session.workspace.labels('pointed').get(session.workspace.label)}"


@LABELLING.step("a move of a protected label", "403, 409, or a success that leaves the label", "protected")
def protected(session: Session) -> Seen:
    for text in ("Hello {name}", "Hi {name}"):
        created(session.workspace.publish("guarded", chat(text)))
    first = session.workspace.create_label("guarded", session.protected, 1)
    if session.workspace.labels("guarded").get(session.protected) is None:
        return first.status < 500, f"{first.status} for its creation, and no label"
    moved = session.workspace.move_label("guarded", session.protected, 2)
    version = session.workspace.labels("guarded").get(session.protected)
    waits = moved.status in (403, 409) or version == 1
    return waits, f"{first.status} for its creation, {moved.status} for its move, at v{version}"


QUESTIONS = (PUBLISHING, READING, LABELLING)
