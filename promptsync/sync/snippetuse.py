"""Who refers to a snippet through one of its labels."""

from __future__ import annotations

from promptsync.core.prompt import Listed
from promptsync.errors import Refused
from promptsync.remote.errors import NotFound, Unsupported
from promptsync.sync.project import Project


def check_unused(project: Project, listed: Listed, label: str) -> None:
    """Raise ``Refused`` when prompts refer to ``label`` of this snippet: without it they cannot be rendered.

    Registries that cannot tell are taken at no word.
    """
    if listed.prompt.template.get("type") != "completion":  # nothing else can be a snippet
        return
    try:
        usage = project.registry.snippet_usage(listed.template_id, listed.name)
    except (Unsupported, NotFound):
        return
    found = usage.get("label_usage")
    entries = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    users = sorted({str(one.get("prompt_name")) for one in entries if one.get("label_name") == label})
    if users:
        raise Refused(
            f"{', '.join(map(repr, users))} refer to {listed.name!r} by its label {label!r}, and cannot be "
            "rendered without it",
            hint="publish them with another reference first, or add --force",
            code="label-in-use",
        )
