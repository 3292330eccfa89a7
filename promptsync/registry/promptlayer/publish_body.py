"""What is sent to publish a prompt, in each of the two shapes that registries accept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from promptsync.prompt.prompt import Prompt, kind_of
from promptsync.prompt.template import template_variables
from promptsync.prompt.texts import format_of


def wire_template(template: Mapping[str, Any]) -> dict[str, Any]:
    """Return the template as it is sent: with its ``type``, and with the names of its variables, sorted.

    The template and each message have their variables, because not every registry finds them in the text.
    """
    sent = {"type": kind_of(template), **template}
    if isinstance(sent.get("messages"), list):
        sent["messages"] = [
            {**message, "input_variables": sorted(template_variables(message, format_of(sent)))}
            if isinstance(message, Mapping)
            else message
            for message in sent["messages"]
        ]
    sent["input_variables"] = sorted(template_variables(sent))
    return sent


def publish_body(prompt: Prompt, message: str, labels: Sequence[str], form: str) -> dict[str, Any]:
    """Return the body of a publish: ``flat`` in the customer's document, ``nested`` in the vendor's.

    Tags are always included, because it is undefined whether leaving them out clears them.
    """
    version = {**prompt.extra, "prompt_template": wire_template(prompt.template), "commit_message": message}
    if prompt.metadata:
        version["metadata"] = dict(prompt.metadata)
    template = {"prompt_name": prompt.name, "tags": list(prompt.tags)}
    labelled: dict[str, Any] = {"release_labels": list(labels)} if labels else {}
    if form == "flat":
        return {**version, **template, **labelled}
    return {"prompt_template": template, "prompt_version": version, **labelled}
