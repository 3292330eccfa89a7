"""Reading a template as a model would get it."""

from __future__ import annotations

import uuid

from promptsync.rendering.engine import render_template
from promptsync.server.http.answer import Response
from promptsync.server.http.request import Request
from promptsync.server.prompts import items, snippets, tools
from promptsync.server.prompts.read import content
from promptsync.server.providers.table import FORMS, llm_kwargs, with_override


def get_rendered(request: Request) -> Response:
    """Return a template as a model would get it. A label wins over a version.

    If the request has another provider or model, ``metadata`` has it, too.
    """
    body = request.body(status=422)
    number, label = body.version()
    values = body.object("input_variables")
    overrides = body.object("model_parameter_overrides")
    # Only checked: they select a version of a dynamic label, and here every label has one version.
    body.string_map("metadata_filters")
    provider, model = body.choice("provider", FORMS), body.optional_text("model", least=1)
    with request.store.read() as db:
        row = items.find(db, request.path["identifier"])
        version = items.version(db, row, number, label)
        template, used = snippets.expanded(db, version["body"]["prompt_template"])
        template, warnings = tools.resolved(db, template)
    metadata, assumed = with_override(version["body"]["metadata"], provider, model)
    warnings += assumed
    # As in the official SDK: without variables and without a model, the template stays unrendered.
    renders = values or llm_kwargs(template, metadata, provider)[0] is not None
    if renders and not body.get("skip_input_variable_rendering"):
        template, missing = render_template(template, values or {})
        warnings += missing
    arguments, left_out = llm_kwargs(template, metadata, provider, overrides)
    answer = {
        "metadata": metadata,
        "llm_kwargs": arguments,
        "provider_base_url": None,
        "provider_id": None,
        "custom_provider": None,
        "warning": " ".join(warnings + left_out) or None,
        "request_id": uuid.uuid4().hex,
    }
    return Response(content(request, row, version, template, used) | answer)
