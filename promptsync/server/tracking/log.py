"""Logging requests in either form that clients send, notes on them, and how many are kept.

The conversation of a call to a provider follows from the shape of its arguments and of its response. OpenAI
has four (chat, completions, images, Responses); Anthropic, Gemini and Converse have one each. The SDK for
JavaScript sends the keys for Gemini in camel case.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import groupby
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from promptsync.prompt.prompt import as_mapping, mappings
from promptsync.server.http import Answer, ApiError, Id, Request, checked, json_object, malformed, row_of
from promptsync.server.prompts import items
from promptsync.server.prompts.templates import check_template, filled_template, stored_model, stored_template
from promptsync.server.store.database import MAX_INTEGER, Database, Row, encoded, insert, now, parse_time

SentId = Id | Annotated[str, Meta(pattern="^[1-9][0-9]{0,17}$")]
"""An id, which some calls of the SDK send as text."""

Amount = Annotated[int, Meta(ge=0, le=MAX_INTEGER)] | Annotated[float, Meta(ge=0, lt=MAX_INTEGER)]
Score = Annotated[int, Meta(ge=0, le=100)]
Metadata = dict[Annotated[str, Meta(max_length=1024)], str]
Status = Literal["SUCCESS", "WARNING", "ERROR"]


class Exchange(Struct, frozen=True):
    """What was sent and answered, as messages and as a prompt version, and the provider's count of tokens."""

    sent: list[Turn]
    answer: list[Turn]
    blueprint: dict[str, Any]
    usage: Mapping[str, Any] = {}


class SentRequest(Struct, frozen=True, kw_only=True):
    """What a request has in either form."""

    prompt_name: str | None = None
    prompt_id: SentId | None = None
    number: SentId | None = field(default=None, name="prompt_version_number")
    prompt_input_variables: dict[str, Any] | None = None
    request_start_time: str | float | None = None
    request_end_time: str | float | None = None
    status: Status | None = None
    error_type: str | None = None
    error_message: str | None = None
    tags: list[Annotated[str, Meta(max_length=512)]] | None = None
    metadata: dict[str, Any] | None = None
    api_type: str | None = None
    input_tokens: Amount | None = None
    output_tokens: Amount | None = None
    price: Amount | None = None


class Log(SentRequest, frozen=True, kw_only=True):
    """A request with its input and output as templates, as the vendor documents it."""

    provider: str
    model: str
    input: dict[str, Any]
    output: dict[str, Any]
    request_start_time: str | float
    request_end_time: str | float
    parameters: dict[str, Any] | None = None
    error_message: Annotated[str, Meta(max_length=1024)] | None = None
    metadata: Metadata | None = None
    function_name: str | None = None
    score: Score | None = None
    score_name: str | None = None

    def exchange(self) -> Exchange:
        """Return what was sent and answered; 422 for templates that are none."""
        sent = _messages("input", self.input, "user")
        answer = _messages("output", self.output, "assistant")
        # A completion has no turns, so only the output fits.
        is_completion = "completion" in (self.input["type"], self.output["type"])
        template = self.output if is_completion else {**self.input, "messages": [*sent, *answer]}
        about = {"provider": self.provider, "name": self.model, "api_type": self.api_type}
        return Exchange(sent, answer, _blueprint(filled_template(template), self.parameters or {}, **about))


class Call(SentRequest, frozen=True, kw_only=True):
    """A call to a provider, as the SDK's ``run`` and its provider proxies send it."""

    kwargs: dict[str, Any] | None = None
    request_response: Any = None
    provider_type: str | None = None
    number: SentId | None = field(default=None, name="prompt_version")
    group_id: SentId | None = None
    span_id: str | None = None
    return_prompt_blueprint: bool | None = None

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Call:
        """Return the call in a body. It was made, so it is logged without what cannot be read."""
        for key in ("request_start_time", "request_end_time"):
            try:
                moment(body.get(key))
            except ApiError:
                body = {**body, key: None}
        while True:
            try:
                return checked(body, cls)
            except ApiError as error:
                body = {**body, error.detail[0]["loc"][1]: None}

    def exchange(self) -> Exchange:
        """Return what was sent and answered, without a conversation if its form is unknown."""
        arguments, response = self.kwargs or {}, as_mapping(self.request_response)
        sent, answer = [*_sent(arguments)], [*_answer(response)]
        template: dict[str, Any] = {
            "type": "chat",
            "messages": [*sent, *answer],
            "functions": arguments.get("functions") or [],
            "tools": [*_tools(arguments)],
            **{key: arguments.get(key) for key in ("function_call", "tool_choice")},
        }
        # Only these APIs of OpenAI answer in these shapes.
        api_type = "responses" if response.get("object") == "response" else None
        if _images(response):
            api_type = "images"
            # Documented: the images are the content of a completion.
            content = [block for turn in [*sent, *answer] for block in turn["content"]]
            template = {"type": "completion", "content": content}
        try:
            stored = stored_template(template)
        except ApiError:
            # The call can be anything, and a response without messages is better than an error.
            stored = stored_template({"type": "chat", "messages": [], "functions": [], "tools": []})
        name = arguments.get("model") or arguments.get("modelId")
        about = {"provider": self.provider_type, "name": name if isinstance(name, str) else None}
        # Some providers group parameters in objects.
        for key in _NESTED:
            arguments = {**arguments, **as_mapping(arguments.get(key))}
        parameters = {key: value for key, value in arguments.items() if key not in _NOT_PARAMETERS}
        blueprint = _blueprint(stored, parameters, api_type=self.api_type or api_type, **about)
        return Exchange(sent, answer, blueprint, as_mapping(response.get("usage")))


def moment(value: Any) -> str:
    """Return the timestamp for a date-time in JSON; 400 for anything else."""
    try:
        return parse_time(value)
    except (TypeError, ValueError) as error:
        raise malformed("Times must be ISO 8601 date-times or seconds since 1970.") from error


def _messages(key: str, template: Mapping[str, Any], role: str) -> list[Turn]:
    """Return the messages of a template in a log; a completion is one message with this role."""
    if template.get("type") not in ("chat", "completion"):
        raise malformed(f"{key} must be a template of the type chat or completion.")
    is_chat = check_template(template) == "chat"
    messages = template["messages"] if is_chat else [{"role": role, "content": template.get("content")}]
    if any(isinstance(message.get("content"), str) for message in messages):
        raise malformed(f"{key}: content must be a list of content blocks, not a string.")
    return messages


def _blueprint(template: dict[str, Any], parameters: dict[str, Any], **model: str | None) -> dict[str, Any]:
    """Return a request as a prompt version."""
    # As recorded: numbers as text, other values unchanged.
    display = {key: str(value) if type(value) in (int, float) else value for key, value in parameters.items()}
    stored = stored_model({"parameters": parameters, "display_params": display, **model})
    nulls = ("commit_message", "provider_base_url_name", "report_id", "inference_client_name", "provider_id")
    return {"prompt_template": template, "metadata": {"model": stored}, **dict.fromkeys(nulls)}


# -- saving, and how many are kept ---------------------------------------------------------------------------


def log_request(request: Request, db: Database) -> Answer:
    """Log a request: 201 with the whole log, its id under both names in use; 404 for an unknown prompt."""
    # Imported here, because that module reads what this one writes.
    from promptsync.server.tracking.search import logged

    log = request.read(Log)
    exchange, version = log.exchange(), _used_version(db, log)
    # 0 is the default of the field, so it does not count as a score.
    scores = encoded({log.score_name or "default": log.score} if log.score else {})
    request_id = _save(db, log, exchange, version, scores=scores)
    about: Answer = {"success": True, "request_id": request_id, "user_id": 1, "type": "request"}
    about |= {"workspace_id": request.workspace_id, "price": log.price, "score": log.score or 0}
    about |= {"function_kwargs": {"input": log.input, "parameters": log.parameters or {}}}
    about |= {"function_name": log.function_name or "", "function_args": []}
    about |= {"is_sharable": False, "share_hash": None, "share_view_count": 0, "is_starred": False}
    # Recorded are the first message that was sent, and the last of the response.
    texts = {"prompt_string": exchange.sent[:1], "response_string": exchange.answer[-1:]}
    about |= {key: "".join(map(_text, turns)) for key, turns in texts.items()}
    about |= {"request_response": {"output": log.output}, "prompt_version": exchange.blueprint}
    return logged(db, request_id) | about


def track_request(request: Request, db: Database) -> Answer:
    """Log a request as the SDK's ``run`` and its provider proxies send it."""
    call = Call.read(request.body)
    exchange = call.exchange()
    try:
        version = _used_version(db, call)
    except ApiError:
        # The request was made, so it is logged even if its prompt no longer exists.
        version = None
    group = db.execute("SELECT id FROM request_groups WHERE id = ?", (call.group_id,)).fetchone()
    columns = {"span_id": call.span_id, "group_id": group and group["id"]}
    request_id = _save(db, call, exchange, version, **columns)
    blueprint = exchange.blueprint if call.return_prompt_blueprint else None
    answer = {"success": True, "message": "Request tracked successfully"}
    return answer | {"request_id": request_id, "prompt_blueprint": blueprint}


def set_limits(db: Database, requests: int | None, days: int | None) -> None:
    """Change how many requests the registry keeps, and for how many days; ``None`` changes nothing."""
    sql = "UPDATE registry SET requests_kept = ifnull(?, requests_kept), days_kept = ifnull(?, days_kept)"
    db.execute(sql, (requests, days))
    _delete_oldest(db)


def _used_version(db: Database, request: SentRequest) -> Row | None:
    """Return the version that a request names, if it names one; 404 if that does not exist."""
    if request.prompt_name is not None:
        item = items.find(db, request.prompt_name)
    elif request.prompt_id is not None:
        item = items.get(db, items.TEMPLATE, "id", request.prompt_id)
    else:
        return None
    return items.version(db, item, request.number)


def _save(db: Database, request: SentRequest, exchange: Exchange, version: Row | None, **columns: Any) -> int:
    """Save a request with the texts and values that a search finds it by, and return its id."""
    texts = [_text(turn) for turn in exchange.answer]
    calls, parsed = _tool_calls(exchange.answer), json_object("".join(texts))
    output, kind = calls or parsed or {}, "tool_call" if calls else "plain_text" if parsed is None else "json"
    times, latency = (request.request_start_time, request.request_end_time), None
    start, end = (None if time is None else moment(time) for time in times)
    if start and end:
        duration = datetime.fromisoformat(end) - datetime.fromisoformat(start)
        latency = round(duration.total_seconds() * 1000, 3)
    asked = "\n\n".join(f"[{turn.get('role')}]: {_text(turn)}" for turn in exchange.sent)
    lines = [f"{key}: {value}" for key, value in flat(output)]
    answered = "\n".join(lines if kind == "json" else texts + lines)
    usage, model = exchange.usage, exchange.blueprint["metadata"]["model"]
    request_id = insert(
        db,
        "requests",
        created_at=now(),
        input_tokens=_count(request.input_tokens, usage, "input_tokens", "prompt_tokens"),
        output_tokens=_count(request.output_tokens, usage, "output_tokens", "completion_tokens"),
        price=request.price,
        provider_type=model["provider"],
        engine=model["name"],
        status=request.status or "SUCCESS",
        error_type=request.error_type,
        error_message=request.error_message,
        request_start_time=start,
        request_end_time=end,
        latency_ms=latency,
        output_kind=kind,
        tags=encoded(request.tags or []),
        metadata=encoded(request.metadata or {}),
        input=asked.casefold().encode(),
        output=answered.casefold().encode(),
        blueprint=encoded(exchange.blueprint),
        **columns,
    )
    set_prompt(db, request_id, version, request.prompt_input_variables)
    insert(db, "request_words", rowid=request_id, words=" ".join(words(f"{asked}\n{answered}")))
    index(db, request_id, "tags", request.tags or [])
    index(db, request_id, "metadata", request.metadata or {})
    index(db, request_id, "output", output)
    _delete_oldest(db)
    return request_id


def _text(turn: Turn) -> str:
    texts = (block.get("text") for block in mappings(turn.get("content")))
    return "\n".join(text for text in texts if isinstance(text, str))


def _tool_calls(answer: list[Turn]) -> dict[str, Any]:
    """Return the tool calls in an answer, with their arguments as objects; ``{}`` if there are none."""
    calls: list[dict[str, Any]] = []
    for call in (call for turn in answer for call in mappings(turn.get("tool_calls"))):
        function = as_mapping(call.get("function"))
        arguments = function.get("arguments")
        calls.append({**call, "function": {**function, "arguments": json_object(arguments) or arguments}})
    return {"tool_calls": calls} if calls else {}


def _count(sent: float | None, usage: Mapping[str, Any], *names: str) -> int | None:
    """Return what was sent, or else what the provider counted, if the database can hold it."""
    values: list[Any] = [sent, *map(usage.get, names)]
    counts = (int(value) for value in values if type(value) in (int, float) and 0 <= value <= MAX_INTEGER)
    return next(counts, None)


def flat(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield each value as text with its path. List positions are not part of a path."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from flat(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for item in value:
            yield from flat(item, path)
    else:
        yield path, written(value)


def written(value: Any) -> str:
    """Return a nested value as text, for comparisons."""
    return value if isinstance(value, str) else encoded(value)


def words(text: str) -> list[str]:
    """Return the words of a text in lower case, each once."""
    return list(dict.fromkeys(re.findall(r"\w+", text.casefold())))


def _delete_oldest(db: Database) -> None:
    # Only the oldest requests are ever deleted, so ids count them.
    db.execute(
        """DELETE FROM requests
        WHERE id <= (SELECT max(id) FROM requests) - (SELECT requests_kept FROM registry)
            OR created_at < (SELECT strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-' || days_kept || ' days')
                FROM registry WHERE days_kept)"""
    )


# -- notes: the prompt, scores, metadata and the group ------------------------------------------------------


_SAVED = {"success": True, "message": "Saved."}


class _Note(Struct, frozen=True):
    request_id: SentId


class _Prompt(_Note, frozen=True):
    prompt_name: str
    prompt_input_variables: dict[str, Any] | None = None
    version: SentId | None = None
    label: str | None = None


class _Score(_Note, frozen=True):
    score: Score
    name: Annotated[str, Meta(min_length=1)] | None = None


class _Metadata(_Note, frozen=True):
    metadata: Metadata


class _Group(_Note, frozen=True):
    group_id: SentId


def track_prompt(request: Request, db: Database) -> Answer:
    """Note which version a request used: the newest unless a label or a version is given."""
    body = request.body
    if body.get("request_id") is True and isinstance(body.get("prompt_input_variables"), str):
        # The SDK's asynchronous client (seen in 1.5.14) passes its arguments one place too late, so that
        # request_id is true and prompt_name the id; the label is lost.
        keys = _Prompt.__struct_fields__
        body = dict(zip(keys, (body.get(key) for key in keys[1:]), strict=False))
    note = checked(body, _Prompt)
    request_id = _logged(db, note)
    try:
        version = items.version(db, items.find(db, note.prompt_name), note.version, note.label)
    except ApiError as error:
        raise malformed(error.message) from error
    set_prompt(db, request_id, version, note.prompt_input_variables)
    return _SAVED


def track_score(request: Request, db: Database) -> Answer:
    """Note a score from 0 to 100 under ``name``; a second one under the same name replaces it."""
    note = request.read(_Score)
    _merge(db, _logged(db, note), "scores", {note.name or "default": note.score})
    return _SAVED


def track_metadata(request: Request, db: Database) -> Answer:
    """Note metadata, strings by key; a known key is replaced."""
    note = request.read(_Metadata)
    request_id = _logged(db, note)
    index(db, request_id, "metadata", _merge(db, request_id, "metadata", note.metadata))
    return _SAVED


def track_group(request: Request, db: Database) -> Answer:
    """Put a request into a group."""
    note = request.read(_Group)
    request_id = _logged(db, note)
    if not db.execute("SELECT 1 FROM request_groups WHERE id = ?", (note.group_id,)).fetchone():
        raise malformed(f"There is no group with the id {note.group_id}.")
    db.execute("UPDATE requests SET group_id = ? WHERE id = ?", (note.group_id, request_id))
    return _SAVED


def create_group(request: Request, db: Database) -> Answer:
    """Create a group."""
    return {"success": True, "id": insert(db, "request_groups", created_at=now())}


def set_prompt(db: Database, request_id: int, version: Row | None, variables: dict[str, Any] | None) -> None:
    """Save the version that a request used, and the input variables of the prompt."""
    used = variables or {}
    db.execute(
        "UPDATE requests SET version_id = ?, prompt_input_variables = ? WHERE id = ?",
        (version and version["id"], encoded(used), request_id),
    )
    # As in the service, those that the prompt does not have are not searched.
    names = version["body"]["prompt_template"]["input_variables"] if version else ()
    index(db, request_id, "input_variables", {name: used[name] for name in names if name in used})


def index(db: Database, request_id: int, field: str, value: Any) -> None:
    """Save the values in a field of a request, in place of earlier ones, for searches."""
    db.execute("DELETE FROM request_values WHERE request_id = ? AND field = ?", (request_id, field))
    db.executemany(
        "INSERT OR IGNORE INTO request_values VALUES (?, ?, ?, ?)",
        [(request_id, field, *pair) for pair in flat(value)],
    )


def _merge(db: Database, request_id: int, column: str, values: dict[str, Any]) -> Any:
    """Add values to the JSON object in a column of a request, and return the object."""
    merged = f'{column} = json_patch({column}, ?) WHERE id = ? RETURNING {column} AS "merged [json]"'
    return db.execute(f"UPDATE requests SET {merged}", (encoded(values), request_id)).fetchone()[0]


def _logged(db: Database, note: _Note) -> int:
    """Return the id of the request that a note names; 400 if it was not logged."""
    missing = f"There is no request with the id {note.request_id}."
    row = row_of(db, "SELECT id FROM requests WHERE id = ?", (note.request_id,), missing, status=400)
    return int(row["id"])


# -- the conversation in the arguments and the response of a call --------------------------------------------

Turn = Mapping[str, Any]
"""One message. Its content is a list of blocks or a string."""

_MESSAGE = ("role", "name", "function_call", "tool_calls", "tool_call_id")
_TEXT_BLOCK = ("type", "text", "id", "annotations")
_TOOL = ("name", "description", "parameters", "strict")
_SCHEMAS = ("parameters", "input_schema", "parametersJsonSchema", "parameters_json_schema")
_NESTED = ("generation_config", "generationConfig", "inferenceConfig", "additionalModelRequestFields")
_NOT_PARAMETERS = {
    *("model", "modelId", "messages", "system", "prompt", "input", "instructions", "history", "contents"),
    *("functions", "function_call", "tools", "tool_choice", "toolConfig", "tool_config"),
    *("system_instruction", "systemInstruction", *_NESTED),
}


def _sent(arguments: Turn) -> Iterator[Turn]:
    """Yield the messages in the arguments of a call, the instructions first."""
    for role, content in (
        ("system", arguments.get("system")),
        ("system", arguments.get("instructions")),
        ("system", _first(_config(arguments), "system_instruction", "systemInstruction")),
        ("user", arguments.get("prompt")),
    ):
        content = as_mapping(content).get("parts", content)
        if isinstance(content, str | list):
            yield from _turns({"role": role, "content": content})
    for key in ("messages", "history", "contents"):
        for message in _listed(arguments.get(key), "content", role="user"):
            yield from _turns(message)
    yield from _items(arguments.get("input"))


def _answer(response: Turn) -> Iterator[Turn]:
    """Yield the assistant's turn in a response, whole or streamed."""
    output, candidate = response.get("output"), next(mappings(response.get("candidates")), {})
    if choice := next(mappings(response.get("choices")), None):
        message = choice.get("message")
        turn = message if isinstance(message, Mapping) else {"content": choice.get("text"), **choice}
        yield from _turns({"role": "assistant", **turn})
    elif isinstance(output, list):
        yield from _items(output)
    else:
        said = as_mapping(as_mapping(output).get("message")).get("content")
        parts = as_mapping(candidate.get("content")).get("parts")
        for content in (response.get("content"), said, parts, _images(response)):
            if content and isinstance(content, list):
                yield from _turns({"role": "assistant", "content": content})


def _images(response: Turn) -> list[dict[str, Any]]:
    """Return the blocks of the images in the response of an API that only generates images."""
    mime = f"image/{response.get('output_format') or 'png'}"
    data = [_first(item, "b64_json", "url") for item in mappings(response.get("data"))]
    return [_generated(image, mime) for image in data if isinstance(image, str)]


def _tools(arguments: Turn) -> Iterator[dict[str, Any]]:
    """Yield the tools in the arguments of a call as a template has them."""
    for holder in (arguments, as_mapping(arguments.get("toolConfig")), _config(arguments)):
        for tool in mappings(holder.get("tools")):
            declared = mappings(_first(tool, "function_declarations", "functionDeclarations"))
            yield from map(_tool, [*declared] or [tool])


def _config(arguments: Turn) -> Turn:
    return as_mapping(_first(arguments, "generation_config", "generationConfig"))


def _first(value: Turn, *keys: str) -> Any:
    """Return the first value that is not null."""
    return next((value[key] for key in keys if value.get(key) is not None), None)


def _listed(value: Any, key: str, **more: str) -> list[Turn]:
    """Return the objects of a list or a single one; a text becomes an object that has it under ``key``."""
    items = value if isinstance(value, list) else [value]
    return [*mappings([{**more, key: item} if isinstance(item, str) else item for item in items])]


def _items(items: Any) -> Iterator[Turn]:
    """Yield the turns of a list of the Responses API; what the model did in a row is one turn."""
    listed = map(_item, _listed(items, "content", role="user"))
    for role, group in groupby(listed, key=lambda item: item.get("role")):
        turns = [*group]
        if role == "assistant":
            turns = [{"role": role, "content": [block for turn in turns for block in _blocks(turn)]}]
        for turn in turns:
            yield from _turns(turn)


def _item(item: Turn) -> Turn:
    if item.get("type") == "function_call_output":
        return {"role": "tool", "tool_call_id": item.get("call_id"), "content": item.get("output")}
    return item if "role" in item else {"role": "assistant", "content": [item]}


def _turns(message: Turn) -> Iterator[Turn]:
    """Yield a provider's message with the keys of a template: calls become keys, results become turns."""
    blocks = _blocks(message)
    kept = {key: message[key] for key in _MESSAGE if key in message}
    if kept.get("role") == "model":
        kept["role"] = "assistant"
    calls = [call for call in map(_call, blocks) if call]
    results = [result for result in map(_result, blocks) if result]
    for result in results:
        yield from _turns(result)
    content = [_block(block, kept.get("role")) for block in blocks if not _call(block) and not _result(block)]
    if content or calls or not results:
        kept |= {"tool_calls": calls} if calls else {}
        yield {**kept, "raw_request_display_role": message.get("role"), "content": content}


def _blocks(message: Turn) -> list[Turn]:
    return _listed(_first(message, "content", "parts"), "text", type="text")


def _call(block: Turn) -> dict[str, Any] | None:
    call = _inside(block, "tool_use", "function_call", "toolUse", "functionCall")
    if call is None:
        return None
    values = _first(call, "input", "args", "arguments") or {}
    arguments = values if isinstance(values, str) else encoded(values)
    # Gemini pairs calls and results by the name of the function.
    call_id = _first(call, "call_id", "toolUseId", "id", "name")
    return {"id": call_id, "type": "function", "function": {"name": call.get("name"), "arguments": arguments}}


def _result(block: Turn) -> Turn | None:
    result = _inside(block, "tool_result", "toolResult", "function_response", "functionResponse")
    if result is None:
        return None
    content = _first(result, "content", "response")
    content = encoded(content) if isinstance(content, Mapping) else content
    call_id = _first(result, "toolUseId", "tool_use_id", "id", "name")
    return {"role": "tool", "tool_call_id": call_id, "content": content}


def _inside(block: Turn, *names: str) -> Turn | None:
    """Return the object that a block has under one of the names, or the block if that is its type."""
    inner = _first(block, *names) or (block if block.get("type") in names else None)
    return inner if isinstance(inner, Mapping) else None


def _block(block: Turn, role: Any) -> dict[str, Any]:
    """Return a content block as a template has it; an unknown one is kept."""
    kind, text, thought = block.get("type"), block.get("text"), _thought(block)
    file = as_mapping(_first(block, "inline_data", "inlineData"))
    data, mime = _first(block, "result") or file.get("data"), _first(file, "mime_type", "mimeType")
    if kind == "text":
        return {key: block[key] for key in _TEXT_BLOCK if key in block}
    if thought is not None:
        return {"type": "thinking", **thought}
    if isinstance(text, str) and kind in (None, "input_text", "output_text"):
        return {"type": "text", "text": text, "annotations": block.get("annotations") or None}
    if isinstance(block.get("image_url"), str):
        return {"type": "image_url", "image_url": {"url": block["image_url"]}}
    if isinstance(data, str) and (mime or kind == "image_generation_call"):
        image = _generated(data, str(mime or "image/png"))
        media = {"title": "", "type": image["mime_type"], "url": image["url"]}
        return image if role == "assistant" else {"type": "media", "media": media}
    if kind is None and "json" in block:
        return {"type": "text", "text": encoded(block["json"])}
    return _typed(block)


def _thought(block: Turn) -> dict[str, Any] | None:
    """Return what a model thought: as Gemini, the Responses API and Converse write it."""
    if block.get("thought"):
        return {"thinking": block.get("text") or "", "signature": block.get("thought_signature")}
    if block.get("type") == "reasoning":
        return {"thinking": "\n\n".join(str(part.get("text")) for part in mappings(block.get("summary")))}
    text = as_mapping(as_mapping(block.get("reasoningContent")).get("reasoningText"))
    return {"thinking": text.get("text") or "", "signature": text.get("signature")} if text else None


def _generated(data: str, mime: str) -> dict[str, Any]:
    """Return a generated image; ``data`` is a URL or base64, which Gemini writes in the alphabet for URLs."""
    url = data if ":" in data else f"data:{mime};base64,{data.replace('-', '+').replace('_', '/')}"
    return {"type": "output_media", "url": url, "mime_type": mime, "media_type": mime.partition("/")[0]}


def _tool(tool: Turn) -> dict[str, Any]:
    """Return a tool as a template has it: a function under ``function``, or one of the provider's own."""
    spec = as_mapping(tool.get("toolSpec")) or tool
    schema = _first(spec, *_SCHEMAS) or as_mapping(spec.get("inputSchema")).get("json")
    if "function" in tool or (schema is None and tool.get("type") != "function"):
        return _typed(tool)
    function = {key: spec[key] for key in _TOOL if spec.get(key) is not None}
    return {"type": "function", "function": function | ({"parameters": schema} if schema else {})}


def _typed(value: Turn) -> dict[str, Any]:
    """Return an object with a type: where a provider has none, the name of its first value is one."""
    named = {key: item for key, item in value.items() if item is not None}
    return dict(value) if "type" in value else {"type": next(iter(named), "unknown"), **named}
