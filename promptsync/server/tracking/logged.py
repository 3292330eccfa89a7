"""A request in either form in which clients log it, and what the registry stores of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from promptsync.prompt.prompt import as_mapping
from promptsync.server.http import ApiError, Id, checked, malformed
from promptsync.server.prompts.template import check_template, filled_template, stored_model, stored_template
from promptsync.server.store.database import MAX_INTEGER, parse_time
from promptsync.server.tracking import conversation
from promptsync.server.tracking.conversation import Turn

SentId = Id | Annotated[str, Meta(pattern="^[1-9][0-9]{0,17}$")]
"""An id, which some calls of the SDK send as text."""

Amount = Annotated[int, Meta(ge=0, le=MAX_INTEGER)] | Annotated[float, Meta(ge=0, lt=MAX_INTEGER)]
Score = Annotated[int, Meta(ge=0, le=100)]
Metadata = dict[Annotated[str, Meta(max_length=1024)], str]
Status = Literal["SUCCESS", "WARNING", "ERROR"]
ErrorType = Literal[
    "PROVIDER_TIMEOUT",
    "PROVIDER_QUOTA_LIMIT",
    "PROVIDER_RATE_LIMIT",
    "PROVIDER_PARTIAL_RESPONSE",
    "PROVIDER_AUTH_ERROR",
    "PROVIDER_ERROR",
    "TEMPLATE_RENDER_ERROR",
    "VARIABLE_MISSING_OR_EMPTY",
    "UNKNOWN_ERROR",
]


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
    error_type: ErrorType | None = None
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
    parameters: dict[str, Any] | None = None
    error_message: Annotated[str, Meta(max_length=1024)] | None = None
    metadata: Metadata | None = None
    score: Score | None = None
    score_name: str | None = None

    def exchange(self) -> Exchange:
        """Return what was sent and answered; 400 for templates that are none."""
        sent = _messages("input", self.input, "user")
        answer = _messages("output", self.output, "assistant")
        # A completion has no turns, so only the output fits.
        is_completion = "completion" in (self.input["type"], self.output["type"])
        template = self.output if is_completion else {**self.input, "messages": [*sent, *answer]}
        blueprint = _blueprint(
            filled_template(template), self.provider, self.model, self.parameters or {}, self.api_type
        )
        return Exchange(sent, answer, blueprint)


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
                return checked(body, cls, status=422)
            except ApiError as error:
                body = {**body, error.detail[0]["loc"][1]: None}

    def exchange(self) -> Exchange:
        """Return what was sent and answered, without a conversation if its form is unknown."""
        arguments, response = self.kwargs or {}, self.request_response
        sent, answer = [*conversation.sent(arguments)], [*conversation.answer(response)]
        template: dict[str, Any] = {
            "type": "chat",
            "messages": [*sent, *answer],
            "functions": arguments.get("functions") or [],
            "tools": conversation.tools(arguments),
            **{key: arguments.get(key) for key in ("function_call", "tool_choice")},
        }
        if conversation.images(response):
            # Documented: the images are the content of a completion.
            content = [block for turn in [*sent, *answer] for block in turn["content"]]
            template = {"type": "completion", "content": content}
        try:
            stored = stored_template(template)
        except ApiError:
            # The call can be anything, and a response without messages is better than an error.
            stored = stored_template({"type": "chat", "messages": [], "functions": [], "tools": []})
        name = arguments.get("model") or arguments.get("modelId")
        blueprint = _blueprint(
            stored,
            self.provider_type,
            name if isinstance(name, str) else None,
            conversation.parameters(arguments),
            self.api_type or conversation.api_type(response),
        )
        return Exchange(sent, answer, blueprint, as_mapping(as_mapping(response).get("usage")))


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
    check_template(template)
    is_chat = template["type"] == "chat"
    messages = template["messages"] if is_chat else [{"role": role, "content": template.get("content")}]
    if any(isinstance(message.get("content"), str) for message in messages):
        raise malformed(f"{key}: content must be a list of content blocks, not a string.")
    return messages


def _blueprint(
    template: dict[str, Any],
    provider: str | None,
    name: str | None,
    parameters: dict[str, Any],
    api_type: str | None,
) -> dict[str, Any]:
    """Return a request as a prompt version."""
    model = {
        "provider": provider,
        "name": name,
        "parameters": parameters,
        # As recorded: numbers as text, other values unchanged.
        "display_params": {
            key: str(value) if type(value) in (int, float) else value for key, value in parameters.items()
        },
        "api_type": api_type,
    }
    nulls = ("commit_message", "provider_base_url_name", "report_id", "inference_client_name", "provider_id")
    metadata = {"model": stored_model(model)}
    return {"prompt_template": template, "metadata": metadata, **dict.fromkeys(nulls)}
