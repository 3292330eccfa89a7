"""Questions that PromptLayer's documentation and recordings leave open, with what promptsync expects."""

from __future__ import annotations

import json
from typing import Any

from findings import Chapter, Differs, Seen
from session import Session
from workspace import RAW, Answer

from promptsync.prompt.additions import unknown_fields
from promptsync.prompt.canonical import same
from promptsync.registry.promptlayer import endpoints
from promptsync.registry.promptlayer.responses import prompt_of

ACCEPTED = (200, 201)
REJECTED = "rejected with 400 or 422"


def chat(text: str = "Hello {name}") -> dict[str, Any]:
    return {"type": "chat", "messages": [{"role": "user", "content": [{"type": "text", "text": text}]}]}


def completion(text: str, **more: Any) -> dict[str, Any]:
    return {"type": "completion", "content": [{"type": "text", "text": text}], **more}


def created(answer: Answer) -> dict[str, Any]:
    """Return the body of an answer that has to be a success."""
    if answer.status not in (*ACCEPTED, 202):
        raise Differs(f"{answer.status}: {answer.raw}")
    return answer.fields


def stored(session: Session, word: str, template: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Publish a version, and return what the registry stored of it."""
    created(session.workspace.publish(word, template, **fields))
    return session.workspace.get(word).fields


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


PUBLISHING = Chapter("Open questions: publishing", is_story=False)


@PUBLISHING.step("the answer to the flat body", "a version, or 400 or 422 and no version")
def flat(session: Session) -> Seen:
    answer = session.workspace.publish_flat("flat", chat())
    exists = session.workspace.get("flat").status == 200
    is_expected = (answer.status in ACCEPTED) == exists and answer.status in (*ACCEPTED, 400, 422)
    return is_expected, str(answer.status)


@PUBLISHING.step(
    "the status of a publish, and whether its answer has the version", "200 or 201, version_number 1"
)
def nested(session: Session) -> str:
    answer = session.workspace.publish("plain", chat())
    session.exchanges.append(f"status {answer.status}")
    status = "200 or 201" if answer.status in ACCEPTED else str(answer.status)
    return f"{status}, version_number {answer.fields.get('version_number')}"


@PUBLISHING.step("which keys a publish adds", "only keys that promptsync knows")
def keys_added(session: Session) -> str:
    sent, read = chat(), stored(session, "keys", chat())
    places = sorted(set(added(sent, read.get("prompt_template"))))
    session.exchanges.append(f"added: {', '.join(places) or 'none'}")
    unknown = unknown_fields([(prompt_of({**read, "prompt_template": sent}), prompt_of(read))])
    return f"unknown: {', '.join(unknown)}" if unknown else "only keys that promptsync knows"


@PUBLISHING.step("whether a publish fills input_variables", "name, on the template")
def input_variables(session: Session) -> str:
    template = stored(session, "variables", chat()).get("prompt_template") or {}
    return f"{', '.join(template.get('input_variables') or ['nothing'])}, on the template"


@PUBLISHING.step("whether a version without tags keeps those of the prompt", "tags one")
def tags(session: Session) -> str:
    stored(session, "tagged", chat(), tags=["one"])
    kept = stored(session, "tagged", chat("Hi {name}")).get("tags") or ["none"]
    return f"tags {', '.join(map(str, kept))}"


@PUBLISHING.step("custom metadata comes back as it was sent", "the same")
def metadata(session: Session) -> str:
    sent = {"owner": "support", "nested": {"level": 1, "none": None}}
    kept = stored(session, "metadata", chat(), metadata=sent).get("metadata")
    return "the same" if same(kept, sent) else json.dumps(kept)


@PUBLISHING.step("a key that the API does not know, in a completion prompt", "kept")
def unknown_key(session: Session) -> str:
    read = stored(session, "unknown-key", completion("Hi", verify_unknown=1))
    return "kept" if "verify_unknown" in (read.get("prompt_template") or {}) else "dropped"


@PUBLISHING.step("white space and characters come back as they were sent", "the same")
def characters(session: Session) -> str:
    text = " \n\ttab, trailing  \n\n\N{SNOWMAN} e\u0301 \N{GRINNING FACE} {{literal}} \r\n"
    template = stored(session, "characters", chat(text))["prompt_template"]
    kept = template["messages"][0]["content"][0]["text"]
    return "the same" if kept == text else repr(kept)


PUBLISHING.step("a commit message of 73 characters", REJECTED)(
    lambda session: rejected(session.workspace.publish("message", chat(), "m" * 73))
)


@PUBLISHING.step("a commit message of 72 characters of more bytes", "accepted")
def bytes_message(session: Session) -> str:
    status = session.workspace.publish(
        "message", chat(), "\N{LATIN SMALL LETTER U WITH DIAERESIS}" * 72
    ).status
    return "accepted" if status in ACCEPTED else str(status)


PUBLISHING.step("a reference to a snippet that does not exist", "422")(
    lambda session: str(
        session.workspace.publish("no-snippet", chat(f"@@@{session.name('nothing')}@@@")).status
    )
)


@PUBLISHING.step("names that differ only by case", "two prompts")
def cases(session: Session) -> str:
    for word in ("case", "Case"):
        created(session.workspace.publish(word, chat(word)))
    firsts = [session.workspace.get(word).fields.get("version") == 1 for word in ("case", "Case")]
    return "two prompts" if all(firsts) else "one prompt"


@PUBLISHING.step("a publish to an archived name", "an error, or a prompt that is active again")
def archived_name(session: Session) -> Seen:
    before = stored(session, "archived", chat()).get("id")
    created(session.workspace.archive("archived"))
    answer = session.workspace.publish("archived", chat("Again"))
    if answer.status not in ACCEPTED:
        return 400 <= answer.status < 500, f"rejected with {answer.status}"
    is_same = before == session.workspace.prompt("archived").template_id
    return True, f"active again, with {'the same' if is_same else 'another'} id"


def at_no_label(session: Session, query: str = "") -> Answer:
    return session.workspace.get("read", f"{RAW}{query}&label={session.workspace.label}.none")


LISTS = (
    endpoints.LIST,
    endpoints.LIST_EVALUATIONS,
    endpoints.LIST_DATASETS,
    endpoints.LIST_AGENTS,
    endpoints.LIST_TABLES,
)


READING = Chapter("Open questions: reading", is_story=False)


@READING.step("an unknown prompt", "404 for GET, 404 for POST")
def unknown_prompt(session: Session) -> str:
    raw, rendered = session.workspace.get("nothing"), session.workspace.render("nothing", {})
    return f"{raw.status} for GET, {rendered.status} for POST"


@READING.step("an unknown version", "404")
def unknown_version(session: Session) -> str:
    created(session.workspace.publish("read", chat()))
    return str(session.workspace.get("read", f"{RAW}&version=99").status)


READING.step("an unknown label", "404")(lambda session: str(at_no_label(session).status))


READING.step("version and label together", REJECTED)(
    lambda session: rejected(at_no_label(session, "&version=1"))
)


@READING.step("a variable without a value", "an empty text")
def missing_variable(session: Session) -> str:
    created(session.workspace.publish("unfilled", chat("Hello {name}!")))
    answer = session.workspace.render("unfilled", {"input_variables": {"other": "x"}})
    text = created(answer)["prompt_template"]["messages"][0]["content"][0]["text"]
    session.exchanges.append(f"warning: {answer.fields.get('warning')}")
    return "an empty text" if text == "Hello !" else str(text)


@READING.step("snippets[] of a prompt that is read without resolving", "names the snippet")
def snippets(session: Session) -> str:
    created(session.workspace.publish("part", completion("Hi")))
    listed = stored(session, "whole", chat(f"@@@{session.name('part')}@@@")).get("snippets")
    names = [snippet.get("prompt_name") for snippet in listed or ()]
    return "names the snippet" if names == [session.name("part")] else f"snippets {listed}"


@READING.step("whether the list expands snippets", "no difference for promptsync")
def listed_text(session: Session) -> Seen:
    # No difference for promptsync: it reads each prompt.
    return True, json.dumps(session.workspace.prompt("whole").prompt.template)


@READING.step("a list with per_page=1000, and a page beyond the end", "no error 5xx")
def pages(session: Session) -> str:
    queries = ("per_page=1000", "per_page=100&page=100000")
    statuses = [session.workspace.list(f"/prompt-templates?{query}").status for query in queries]
    return "no error 5xx" if max(statuses) < 500 else str(statuses)


@READING.step("under which keys lists have their items", "each under one that promptsync reads")
def list_keys(session: Session) -> str:
    unread = []
    for operation in LISTS:
        target = operation.routes[-1].request.partition(" ")[2]
        answer = session.workspace.list(target)
        lists = [key for key, value in answer.fields.items() if isinstance(value, list)]
        session.exchanges.append(f"{target}: {', '.join(lists)}")
        if not {*lists} & {*operation.keys}:
            unread.append(f"{target}: {answer.status} {', '.join(lists)}")
    return "; ".join(unread) or "each under one that promptsync reads"


@READING.step("one request for all labels", "a list, or 404")
def all_labels(session: Session) -> Seen:
    answer = session.workspace.list("/prompt-templates/labels")
    listed = answer.body if isinstance(answer.body, list) else answer.fields.get("release_labels")
    kind = "a list" if isinstance(listed, list) else str(answer.status)
    return kind in ("a list", "404"), kind


def version_at(session: Session, word: str, label: str) -> int | None:
    return session.workspace.labels(word).get(label)


LABELLING = Chapter("Open questions: labels", is_story=False)


@LABELLING.step("creating a label that exists", "rejected, or moved")
def create_again(session: Session) -> Seen:
    label = session.workspace.label
    for text in ("Hello {name}", "Hi {name}"):
        created(session.workspace.publish("pointed", chat(text)))
    created(session.workspace.create_label("pointed", label, 1))
    answer = session.workspace.create_label("pointed", label, 2)
    version = version_at(session, "pointed", label)
    is_expected = version == (2 if answer.status in ACCEPTED else 1) and answer.status < 500
    return is_expected, f"{answer.status}, at v{version}"


@LABELLING.step("the body of a deleted label", "200 or 204")
def delete(session: Session) -> Seen:
    label = f"{session.workspace.label}.gone"
    created(session.workspace.create_label("pointed", label, 1))
    answer = session.workspace.delete_label("pointed", label)
    return answer.status in (200, 204), f"{answer.status} {answer.raw[:80]}"


@LABELLING.step("a publish with release_labels moves the label", "the label is at v3")
def publish_with_label(session: Session) -> str:
    label = session.workspace.label
    created(session.workspace.publish("pointed", chat("Good day {name}"), labels=[label]))
    return f"the label is at v{version_at(session, 'pointed', label)}"


@LABELLING.step("a move of a protected label", "403, 409, or a success that leaves the label", "protected")
def protected(session: Session) -> Seen:
    for text in ("Hello {name}", "Hi {name}"):
        created(session.workspace.publish("guarded", chat(text)))
    first = session.workspace.create_label("guarded", session.protected, 1)
    if version_at(session, "guarded", session.protected) is None:
        return first.status < 500, f"{first.status} for its creation, and no label"
    moved = session.workspace.move_label("guarded", session.protected, 2)
    version = version_at(session, "guarded", session.protected)
    waits = moved.status in (403, 409) or version == 1
    return waits, f"{first.status} for its creation, {moved.status} for its move, at v{version}"


QUESTIONS = (PUBLISHING, READING, LABELLING)
