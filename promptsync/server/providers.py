"""The providers: how to build the request for each, and how a request replaces the stored provider.

A message that fills a placeholder may be any JSON, so nothing here expects a complete message. OpenAI's chat
follows responses recorded from PromptLayer. Claude and Converse require roles that alternate, and the result
of a tool in a turn of the user.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final

from msgspec import Struct

from promptsync.prompt.prompt import as_mapping, is_text_block, mappings
from promptsync.prompt.shapes import ROLES
from promptsync.server.http import json_object
from promptsync.server.prompts.templates import stored_model

Arguments = dict[str, Any]
Message = Mapping[str, Any]

_SPELLINGS = (
    ("max_tokens", "max_completion_tokens", "max_output_tokens", "maxOutputTokens", "maxTokens"),
    ("top_p", "topP", "p"),
    ("top_k", "topK", "k"),
    ("stop", "stop_sequences", "stopSequences"),
    ("seed", "random_seed"),
)
"""Different names for the same parameter. The vendor documents the conversion."""

_MIME_TYPES = {"gif": "image/gif", "pdf": "application/pdf", "png": "image/png", "webp": "image/webp"}


class ModelRequest(Struct, frozen=True):
    """A template and its model. What the provider's request cannot hold is left out."""

    template: Message
    model: str | None = None
    stored: Message = {}
    overrides: Message = {}

    @property
    def is_completion(self) -> bool:
        """Whether the template is a completion, which is one text."""
        return bool(self.template["type"] == "completion")

    @property
    def messages(self) -> list[Message]:
        """The messages without placeholders. A completion is one user message."""
        if self.is_completion:
            return [{"role": "user", "content": self.template.get("content")}]
        messages = mappings(self.template["messages"])
        return [message for message in messages if message.get("role") != "placeholder"]

    @property
    def turns(self) -> list[Message]:
        """The messages that do not go into a separate system prompt."""
        return [message for message in self.messages if not _instructs(message)]

    def system(self, **more: str) -> list[Arguments]:
        """Return the texts of the other messages, each as an object with ``more``."""
        instructions = [message for message in self.messages if _instructs(message)]
        blocks = [block for message in instructions for block in mappings(message.get("content"))]
        texts = [block["text"] for block in blocks if is_text_block(block)]
        return [{**more, "text": text} for text in texts if text]

    def parts(self, message: Message, build: Callable[[Message], Arguments | None]) -> list[Arguments]:
        """Build each content block of a message; without those for which nothing is built."""
        return [part for part in map(build, mappings(message.get("content"))) if part]

    def functions(self, *known: str, **renamed: str) -> list[Arguments]:
        """Return the functions among the tools, without empty fields.

        If fields are specified, the others are left out. ``renamed`` maps fields to the provider's names.
        """
        built = []
        for tool in mappings(self.template.get("tools")):
            function = filled(**as_mapping(tool.get("function")))
            kept = [key for key in function if not known or key in (*known, *renamed)]
            built.append({renamed.get(key, key): function[key] for key in kept})
        return [function for function in built if function]

    def built_in(self, build: Callable[[str, Message], Arguments | None]) -> list[Arguments]:
        """Build each tool that is not a function from its type and configuration; ``None`` is left out."""
        tools = [tool for tool in mappings(self.template.get("tools")) if "function" not in tool]
        built = [build(str(tool.get("type")), as_mapping(tool.get("config"))) for tool in tools]
        return [made for made in built if made is not None]

    def parameters(self, *own: str) -> Arguments:
        """Return the stored parameters, replaced by the overrides.

        ``own`` are the provider's names for the parameters in ``_SPELLINGS``. Another provider's name becomes
        the first of them.
        """
        spelled = [names for names in _SPELLINGS if not self.overrides.keys().isdisjoint(names)]
        kept = {key: self.stored[key] for key in self.stored if not any(key in names for names in spelled)}
        built: Arguments = {}
        for name, value in {**kept, **self.overrides}.items():
            others = next((names for names in _SPELLINGS if name in names), ())
            known = [key for key in own if key in others]
            chosen = known[0] if known and name not in known else name
            is_list = chosen in ("stop_sequences", "stopSequences")
            built[chosen] = [value] if is_list and isinstance(value, str) else value
        return built


def _instructs(message: Message) -> bool:
    return message.get("role") in [name for name, role in ROLES.items() if role.instructs]


def filled(**fields: Any) -> Arguments:
    """Return the fields that are not empty."""
    return {key: value for key, value in fields.items() if value}


def plain_text(message: Message) -> str:
    """Return all text of a message."""
    return "".join(block["text"] for block in mappings(message.get("content")) if is_text_block(block))


class MediaFile(Struct, frozen=True):
    """An image or another file: base64 in ``data``, or at ``url``."""

    mime: str
    url: str
    data: str = ""
    title: str = ""
    detail: str = ""

    @property
    def address(self) -> str:
        """The URL, or a data URL if the content is known."""
        return f"data:{self.mime};base64,{self.data}" if self.data else self.url

    @property
    def is_image(self) -> bool:
        """Whether it is an image."""
        return self.mime.startswith("image/")


def media_file(block: Message) -> MediaFile | None:
    """Return the file that a content block holds."""
    if block.get("type") not in ("image_url", "media"):
        return None
    about = as_mapping(block.get(block["type"]))
    texts = {key: value for key, value in about.items() if value and isinstance(value, str)}
    url, mime, data = texts.get("url", ""), texts.get("type", ""), ""
    if not url:
        return None
    mime = mime if "/" in mime else ""
    if url.startswith("data:"):
        head, comma, content = url.partition(";base64,")
        if comma:
            mime, url, data = head.removeprefix("data:").partition(";")[0], "", content
    elif texts.get("format") == "base64":
        url, data = "", url
    mime = mime or _MIME_TYPES.get(url.partition("?")[0].rpartition(".")[2].lower(), "image/jpeg")
    return MediaFile(mime, url, data, texts.get("title", ""), texts.get("detail", ""))


def calls(message: Message) -> Iterator[tuple[Any, Any, Message]]:
    """Yield the id, the function and the arguments of each tool call of a message."""
    for call in mappings(message.get("tool_calls")):
        function = as_mapping(call.get("function"))
        yield call.get("id"), function.get("name"), json_object(function.get("arguments")) or {}


def tool_choice(template: Message) -> tuple[str, str]:
    """Return ``auto``, ``none``, ``any`` or ``tool`` with a function's name, or empty texts."""
    choice = template.get("tool_choice")
    name = as_mapping(as_mapping(choice).get("function")).get("name")
    if isinstance(name, str):
        return "tool", name
    known = {"auto": "auto", "none": "none", "required": "any", "any": "any"}
    return known.get(choice, "") if isinstance(choice, str) else "", ""


def take_schema(parameters: Arguments) -> Message | None:
    """Remove ``response_format`` from ``parameters`` and return its ``json_schema``.

    The result is empty for JSON without a schema, and ``None`` for text.
    """
    form = as_mapping(parameters.pop("response_format", None))
    if form.get("type") == "json_schema":
        return as_mapping(form.get("json_schema"))
    return {} if form.get("type") == "json_object" else None


# -- OpenAI's forms, and compatible ones ---------------------------------------------------------------------


def chat(request: ModelRequest) -> Arguments:
    """Return the arguments of a chat or a text completion, in the recorded order."""
    template, model = request.template, filled(model=request.model)
    if request.is_completion:
        parameters = request.parameters("max_tokens", "top_p", "stop", "seed")
        return {"prompt": plain_text(template), **model, **parameters}
    tools = [tool for tool in mappings(template.get("tools")) if isinstance(tool.get("function"), Mapping)]
    functions = ("functions", "function_call") if template.get("functions") else ()
    return {
        "messages": [_chat_message(request, message) for message in request.messages],
        **model,
        **filled(tools=tools, tool_choice=tools and template.get("tool_choice")),
        **filled(**{key: template.get(key) for key in functions}),
        **request.parameters("max_completion_tokens", "max_tokens", "top_p", "stop", "seed"),
    }


def compatible(request: ModelRequest, own: tuple[str, ...], takes_files: bool = False) -> Arguments:
    """Return the arguments of a chat like OpenAI's, in which a completion is a message.

    ``own`` are the provider's names for parameters. Only OpenAI itself has functions outside tools, names in
    messages, and the role developer.
    """
    messages = [_chat_message(request, message, takes_files) for message in request.messages]
    for message in messages:
        role = message["role"]
        message["role"] = {"developer": "system", "function": "user"}.get(str(role), role)
        message.pop("name", None)
        message.pop("function_call", None)
    tools = [{"type": "function", "function": function} for function in request.functions()]
    choice = tools and request.template.get("tool_choice")
    built = {"messages": messages, **filled(model=request.model, tools=tools, tool_choice=choice)}
    return built | request.parameters(*own)


def _chat_message(request: ModelRequest, message: Message, takes_files: bool = True) -> Arguments:
    role, blocks = message.get("role"), list(mappings(message.get("content")))
    content: Any = request.parts(message, lambda block: _chat_part(block, takes_files))
    # As recorded: a single text becomes a plain string, except in a user's message.
    if role != "user" and len(blocks) == 1 and is_text_block(blocks[0]):
        content = blocks[0]["text"]
    built: Arguments = {"role": role, "content": content}
    if role == "assistant":
        calls = [
            {key: call.get(key) for key in ("id", "type", "function")}
            for call in mappings(message.get("tool_calls"))
        ]
        built["content"] = content or None
        built |= filled(tool_calls=calls, function_call=message.get("function_call"))
    return built | filled(name=message.get("name"), tool_call_id=message.get("tool_call_id"))


def _chat_part(block: Message, takes_files: bool) -> Arguments | None:
    if is_text_block(block):
        return {"type": "text", "text": block["text"]}
    if (file := media_file(block)) is None:
        return None
    if file.is_image:
        return {"type": "image_url", "image_url": filled(url=file.address, detail=file.detail)}
    if file.data and takes_files:
        return {"type": "file", "file": {"filename": file.title or "file", "file_data": file.address}}
    return None


def responses(request: ModelRequest) -> Arguments:
    """Return the arguments of OpenAI's Responses API."""
    sent: Any = plain_text(request.template)
    if not request.is_completion:
        sent = [item for message in request.messages for item in _response_items(request, message)]
    about = {"type": "function", "strict": False, "parameters": {}}
    tools = [{**about, **function} for function in request.functions()]
    tools += request.built_in(lambda kind, config: {"type": kind, **config})
    kind, name = tool_choice(request.template)
    choice: Any = {"type": "function", "name": name} if name else {"any": "required"}.get(kind, kind)
    parameters = request.parameters("max_output_tokens", "top_p")
    schema = take_schema(parameters)
    if schema is not None:
        form = {"type": "json_schema", **schema} if schema else {"type": "json_object"}
        parameters["text"] = {"format": form}
    built = {"input": sent, **filled(model=request.model, tools=tools, tool_choice=tools and choice)}
    return built | parameters


def _response_items(request: ModelRequest, message: Message) -> list[Arguments]:
    role = message.get("role")
    if role == "tool":
        output = {"call_id": message.get("tool_call_id"), "output": plain_text(message)}
        return [{"type": "function_call_output", **output}]
    content: Any = request.parts(message, _input_part)
    if role == "assistant":
        # A model's message must be plain text: in a list, it would need ids that only OpenAI assigns.
        content = plain_text(message)
    said = [{"role": "user" if role == "function" else role, "content": content}] if content else []
    return said + [
        {"type": "function_call", "call_id": call["id"], **call["function"]}
        for call in mappings(message.get("tool_calls"))
        if isinstance(call.get("function"), Mapping) and "id" in call
    ]


def _input_part(block: Message) -> Arguments | None:
    if is_text_block(block):
        return {"type": "input_text", "text": block["text"]}
    if (file := media_file(block)) is None:
        return None
    if file.is_image:
        return {"type": "input_image", "image_url": file.address, "detail": file.detail or "auto"}
    if file.data:
        return {"type": "input_file", "filename": file.title or "file", "file_data": file.address}
    return {"type": "input_file", "file_url": file.url}


def media_generation(request: ModelRequest, argument: str = "prompt") -> Arguments:
    """Return the arguments that generate an image, a video or speech from all texts of the template."""
    text = "\n\n".join(filter(None, map(plain_text, request.messages)))
    return {argument: text, **filled(model=request.model), **request.parameters()}


def cohere(request: ModelRequest) -> Arguments:
    """Return the arguments of Cohere's chat API, version 2."""
    built = compatible(request, ("max_tokens", "p", "k", "stop_sequences", "seed"))
    kind, _ = tool_choice(request.template)
    if built.pop("tool_choice", None) and kind in ("any", "none"):
        built["tool_choice"] = {"any": "REQUIRED", "none": "NONE"}[kind]
    for tool in mappings(built.get("tools")):
        function = tool.get("function")
        if isinstance(function, dict) and function.pop("strict", False):
            built["strict_tools"] = True
    if (form := take_schema(built)) is not None:
        built["response_format"] = {"type": "json_object", **filled(json_schema=form.get("schema"))}
    return built


# -- Claude's, Converse's and Gemini's forms -----------------------------------------------------------------

_MAX_TOKENS = 4096
"""Anthropic requires a limit. Every model accepts this one."""

_CLAUDE_TOOLS = {
    "web_search": {"type": "web_search_20250305", "name": "web_search"},
    "bash": {"type": "bash_20250124", "name": "bash"},
    "text_editor": {"type": "text_editor_20250728", "name": "str_replace_based_edit_tool"},
    "code_interpreter": {"type": "code_execution_20250825", "name": "code_execution"},
}

_INFERENCE = ("maxTokens", "temperature", "topP", "stopSequences")
_CONVERSE_TOP = (
    *("modelId", "messages", "system", "toolConfig", "guardrailConfig", "promptVariables", "requestMetadata"),
    *("additionalModelResponseFieldPaths", "performanceConfig", "serviceTier", "outputConfig"),
    # Credentials and region, which Bedrock's clients remove before sending.
    *("aws_access_key", "aws_secret_key", "aws_session_token", "aws_region"),
)


def messages(request: ModelRequest) -> Arguments:
    """Return the arguments of Anthropic's ``messages.create``."""

    def content(message: Message) -> list[Arguments]:
        blocks = request.parts(message, _anthropic_part)
        if message.get("role") == "tool":
            return [{"type": "tool_result", "tool_use_id": message.get("tool_call_id"), "content": blocks}]
        return blocks + [
            {"type": "tool_use", "id": call_id, "name": name, "input": values}
            for call_id, name, values in calls(message)
        ]

    parameters = request.parameters("max_tokens", "top_p", "top_k", "stop_sequences")
    if schema := take_schema(parameters):
        parameters["output_config"] = {"format": {"type": "json_schema", "schema": schema.get("schema")}}
    functions = request.functions("name", "description", "strict", parameters="input_schema")
    tools = [{"description": "", "input_schema": {"type": "object"}, **function} for function in functions]
    tools += request.built_in(
        lambda kind, config: {**_CLAUDE_TOOLS[kind], **config} if kind in _CLAUDE_TOOLS else None
    )
    kind, name = tool_choice(request.template)
    choice = kind and {"type": kind, **filled(name=name)}
    return {
        **filled(model=request.model),
        "max_tokens": _MAX_TOKENS,
        **filled(system=request.system(type="text")),
        "messages": _alternating(request, content),
        **filled(tools=tools, tool_choice=tools and choice),
        **parameters,
    }


def _anthropic_part(block: Message) -> Arguments | None:
    if is_text_block(block):
        # Anthropic rejects empty texts.
        return {"type": "text", "text": block["text"]} if block["text"] else {}
    if block.get("type") == "thinking" and block.get("signature"):
        return {key: block.get(key) for key in ("type", "thinking", "signature")}
    file = media_file(block)
    if file is None or not (file.is_image or file.mime == "application/pdf"):
        return None
    source = {"type": "base64", "media_type": file.mime, "data": file.data}
    kind = "image" if file.is_image else "document"
    return {"type": kind, "source": source if file.data else {"type": "url", "url": file.url}}


def converse(request: ModelRequest) -> Arguments:
    """Return the arguments of Amazon's ``converse``.

    Parameters that Converse does not know belong to the model, so they go into
    ``additionalModelRequestFields``.
    """

    def content(message: Message) -> list[Arguments]:
        if message.get("role") == "tool":
            values, text = json_object(plain_text(message)), plain_text(message)
            result = {"json": values} if values else {"text": text}
            return [{"toolResult": {"toolUseId": message.get("tool_call_id"), "content": [result]}}]
        return request.parts(message, _converse_part) + [
            {"toolUse": {"toolUseId": call_id, "name": name, "input": values}}
            for call_id, name, values in calls(message)
        ]

    parameters = request.parameters("maxTokens", "topP", "stopSequences")
    schema = take_schema(parameters)
    top = {"modelId": parameters.pop("model")} if "model" in parameters else {}
    inference = dict(as_mapping(parameters.pop("inferenceConfig", None)))
    own = dict(as_mapping(parameters.pop("additionalModelRequestFields", None)))
    for name, value in parameters.items():
        place = top if name in _CONVERSE_TOP else inference if name in _INFERENCE else own
        place[name] = value
    turns = _alternating(request, content)
    built = filled(system=request.system(), inferenceConfig=inference, additionalModelRequestFields=own)
    if schema:
        written = {**schema, "schema": json.dumps(schema.get("schema"))}
        kept = filled(**{key: written.get(key) for key in ("schema", "name", "description")})
        built["outputConfig"] = {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": kept}}}
    tools = _converse_tools(request)
    return {**filled(modelId=request.model), "messages": turns, **built, **filled(toolConfig=tools), **top}


def _converse_tools(request: ModelRequest) -> Arguments:
    tools = [
        {"toolSpec": {**function, "inputSchema": {"json": function.get("inputSchema", {"type": "object"})}}}
        for function in request.functions("name", "description", parameters="inputSchema")
    ]
    kind, name = tool_choice(request.template)
    # Converse cannot forbid the use of tools.
    if not tools or kind == "none":
        return {}
    return {"tools": tools, **filled(toolChoice=kind and {kind: filled(name=name)})}


def _converse_part(block: Message) -> Arguments | None:
    if is_text_block(block):
        return filled(text=block["text"])
    file = media_file(block)
    # Converse accepts either bytes, which JSON cannot hold, or an S3 location.
    if file is None or not file.is_image or not file.url.startswith("s3://"):
        return None
    image = {"format": file.mime.removeprefix("image/"), "source": {"s3Location": {"uri": file.url}}}
    return {"image": image}


def _alternating(request: ModelRequest, content: Callable[[Message], list[Arguments]]) -> list[Arguments]:
    """Return the turns that have content; adjacent turns of one role are joined."""
    turns: list[Arguments] = []
    for message in request.turns:
        role, blocks = "assistant" if message.get("role") == "assistant" else "user", content(message)
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks
        elif blocks:
            turns.append({"role": role, "content": blocks})
    return turns


_SNAKE_CASE = ("max_output_tokens", "top_p", "top_k", "stop_sequences", "seed")
_CAMEL_CASE = ("maxOutputTokens", "topP", "topK", "stopSequences")
_GEMINI_TOP = ("model", "history", "contents", "generation_config")
_GEMINI_TOOLS = {
    "web_search": "google_search",
    "code_interpreter": "code_execution",
    "google_maps": "google_maps",
    "url_context": "url_context",
    "file_search": "file_search",
}
_MODES = {"auto": "AUTO", "none": "NONE", "any": "ANY", "tool": "ANY"}


def gemini(request: ModelRequest) -> Arguments:
    """Return the model, all turns (``contents`` for a completion) and ``generation_config``."""
    parameters = request.parameters(*_SNAKE_CASE, *_CAMEL_CASE)
    config = {**_gemini_config(request), **as_mapping(parameters.pop("generation_config", None))}
    schema = take_schema(parameters)
    if schema is not None:
        config |= {"response_mime_type": "application/json"}
        config |= filled(response_json_schema=schema.get("schema"))
    config |= {name: value for name, value in parameters.items() if name not in _GEMINI_TOP}
    return {
        **filled(model=request.model),
        "contents" if request.is_completion else "history": _gemini_turns(request),
        **{name: value for name, value in parameters.items() if name in _GEMINI_TOP},
        "generation_config": config,
    }


def _gemini_config(request: ModelRequest) -> Arguments:
    system = request.system()
    # Only this name accepts a full JSON Schema, and clients do not convert it.
    functions = request.functions("name", "description", parameters="parametersJsonSchema")
    tools = [{"function_declarations": functions}] if functions else []
    tools += request.built_in(
        lambda kind, config: {_GEMINI_TOOLS[kind]: config} if kind in _GEMINI_TOOLS else None
    )
    kind, name = tool_choice(request.template)
    calling = {"mode": _MODES[kind], **filled(allowed_function_names=name and [name])} if kind else {}
    return filled(
        system_instruction=system and {"parts": system},
        tools=tools,
        tool_config=functions and calling and {"function_calling_config": calling},
    )


def _gemini_turns(request: ModelRequest) -> list[Arguments]:
    """Return the turns. Gemini requires the results of one turn's calls to form one turn."""
    turns: list[Arguments] = []
    names: dict[str, Any] = {}
    previous: Any = None
    for message in request.turns:
        role = message.get("role")
        if role == "tool":
            answer = json_object(plain_text(message)) or {"result": plain_text(message)}
            # A result has only the id of its call.
            name = names.get(str(message.get("tool_call_id"))) or message.get("name")
            blocks: list[Arguments] = [{"function_response": {"name": name, "response": answer}}]
        else:
            blocks = request.parts(message, _gemini_part)
            for call_id, name, values in calls(message):
                names[str(call_id)] = name
                blocks.append({"function_call": {"name": name, "args": values}})
        if role == previous == "tool":
            turns[-1]["parts"] += blocks
        elif blocks:
            turns.append({"role": "model" if role == "assistant" else "user", "parts": blocks})
        previous = role
    return turns


def _gemini_part(block: Message) -> Arguments | None:
    if is_text_block(block):
        return {"text": block["text"], **filled(thought_signature=block.get("thought_signature"))}
    if (file := media_file(block)) is None:
        return None
    if file.data:
        return {"inline_data": {"mime_type": file.mime, "data": file.data}}
    return {"file_data": {"mime_type": file.mime, "file_uri": file.url}}


# -- the form for each provider ------------------------------------------------------------------------------

Form = Callable[[ModelRequest], Arguments]
Metadata = Mapping[str, Any]

FORMS: Final[Mapping[str, Form]] = {
    "openai": chat,
    "openai.azure": chat,
    "openrouter": partial(
        compatible,
        own=("max_tokens", "max_completion_tokens", "top_p", "top_k", "stop", "seed"),
        takes_files=True,
    ),
    "mistral": partial(compatible, own=("max_tokens", "top_p", "stop", "random_seed")),
    "huggingface": partial(compatible, own=("max_tokens", "top_p", "top_k", "stop", "seed")),
    "cohere": cohere,
    "anthropic": messages,
    "anthropic.bedrock": messages,
    "google": gemini,
    "vertexai": gemini,
    "amazon.bedrock": converse,
}
"""The form for each provider, unless its ``api_type`` or its model requires another."""

_OTHER_FORMS: Final[Mapping[str, Form]] = {
    "openai responses": responses,
    "openai.azure responses": responses,
    "openai images": media_generation,
    "openai.azure images": media_generation,
    "openrouter images": media_generation,
    "openrouter video": media_generation,
    "openrouter speech": partial(media_generation, argument="input"),
}
"""The form for a provider and an ``api_type``."""


def llm_kwargs(
    template: Mapping[str, Any],
    metadata: Metadata | None,
    provider: str | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Arguments | None:
    """Return the arguments, ``None`` without a known provider.

    ``provider`` applies to a template without a model; its arguments have no ``model`` key. The stored
    parameters override what is built, and ``overrides`` override the stored parameters.
    """
    model = (metadata or {}).get("model") or {}
    name = model.get("provider") or provider
    form = _OTHER_FORMS.get(f"{name} {model.get('api_type')}") or FORMS.get(str(name))
    if name == "vertexai" and "claude" in str(model.get("name")):
        form = messages
    if form is None:
        return None
    return form(ModelRequest(template, model.get("name"), model.get("parameters") or {}, overrides or {}))


def with_override(
    metadata: Metadata | None, provider: str | None, name: str | None
) -> tuple[Metadata | None, list[str]]:
    """Return the metadata for a request with a provider and a model, and warnings.

    A model among the stored parameters stays, as recorded. Another provider drops the stored parameters,
    because only the stored provider understands them.
    """
    stored = (metadata or {}).get("model")
    if not metadata or not stored:
        return metadata, []
    if provider in (None, stored["provider"]):
        keeps_name = name is None or "model" in (stored.get("parameters") or {})
        return {**metadata, "model": stored if keeps_name else {**stored, "name": name}}, []
    model = {"provider": provider, "name": name or stored["name"]}
    warning = (
        f"No model was passed for {provider}, so {stored['name']} is used, "
        f"the prompt's model of {stored['provider']}."
    )
    return {**metadata, "model": stored_model(model)}, [] if name else [warning]
