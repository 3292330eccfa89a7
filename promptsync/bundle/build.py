"""Makes the bundle of the versions under a release label, or of a commit. Writes nothing."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from promptsync.compare.git_state import find_state
from promptsync.errors import Refused, UsageError
from promptsync.files.git.revisions import tree_at
from promptsync.files.prompt_file import parse
from promptsync.history.mark import parse_mark
from promptsync.project.project import Project, connect
from promptsync.project.versions import labelled
from promptsync.prompt.bundle import Bundle, BundledPrompt, bundled
from promptsync.prompt.names import name_for
from promptsync.prompt.prompt import Prompt, map_texts, mappings
from promptsync.prompt.snippets import Reference, publish_order, rendered_in, replaced
from promptsync.registry.address import LOCAL

if TYPE_CHECKING:
    from promptsync.registry.protocol import Registry

_NOTHING = dict.fromkeys(("id", "version", "workspace_id", "commit_message"))
"""What a response of the temporary registry says about that registry."""


def bundle_of_label(project: Project, label: str) -> Bundle:
    """Return the bundle of the prompts in scope that have a label.

    Raises ``UsageError`` if there are none, and ``Refused`` if the label moved in the meantime, or a snippet
    got a new version, which is in place in some of the prompts then.
    """

    def versions() -> tuple[dict[str, tuple[int, int]], list[tuple[str, int]]]:
        pinned: dict[str, tuple[int, int]] = {}
        snippets = []
        for prompt in labelled(project, only=[label]):
            listed = prompt.listed
            if label in prompt.labels:
                pinned[listed.name] = listed.template_id, prompt.labels[label]
            if listed.prompt.may_be_snippet:
                snippets.append((listed.name, listed.version))
        return pinned, snippets

    def read(name: str) -> BundledPrompt:
        template_id, version = pinned[name]
        raw = project.registry.prompts.unfilled(template_id, name, version)
        mark = parse_mark(str(raw.get("commit_message") or ""))
        # A colleague may have copied the message of another version.
        is_its_own = mark is not None and mark.version == version and not mark.dirty
        return bundled(raw, commit=mark.commit if mark is not None and is_its_own else None)

    # Read by its label, a prompt could be of another release than the others.
    before = versions()
    pinned, _ = before
    if not pinned:
        raise UsageError(f"no prompt in scope has the label {label!r}", hint="promptsync label list")
    prompts = project.mapped("Reading prompts", read, pinned)
    if versions() != before:
        raise Refused(
            f"{label} moved, or a snippet changed, while the prompts were read; nothing was written",
            hint="run the command again",
            code="label-moved",
        )
    return Bundle(dict(zip(pinned, prompts, strict=True)), label)


def bundle_of_commit(project: Project, revision: str) -> Bundle:
    """Return the bundle of the prompts in scope in a commit, made by a temporary embedded registry.

    Raises ``InvalidFile`` for files that cannot be read, and ``Refused`` for two files of one prompt, for a
    snippet without a file, and for a tool of the registry, because a commit has only its number.
    """
    history = project.history
    commit = find_state(history, revision, "--from") if history is not None else None
    if history is None or commit is None:
        why = "no commit" if history is not None else "this is not a git repository"
        raise UsageError(f"--from {revision}: {why}", hint="git log --oneline", code="no-commit")
    blobs = tree_at(history, commit, project.config.prompts)
    contents = history.blobs(blobs.values())
    files = [
        parse(contents.get(blob, b""), f"{project.config.prompts}/{path}", name_for(path)).prompt
        for path, blob in sorted(blobs.items())
    ]
    by_name = {prompt.name: prompt for prompt in files}
    if len(by_name) < len(files):
        message = f"two files of {revision} contain the same prompt"
        raise Refused(message, hint="promptsync lint", code="duplicate")
    with tempfile.TemporaryDirectory(prefix="promptsync-") as directory:
        url = f"{LOCAL}{Path(directory) / 'registry.db'}"
        with connect(Project(project.config, "commit", url), memory=None) as registry:
            prompts = _published(registry, by_name)
    kept = {name: prompt for name, prompt in prompts.items() if project.config.in_scope(name)}
    if not kept:
        raise UsageError(f"{revision} has no prompt in scope", hint="promptsync status")
    return Bundle(kept, commit=commit)


def _published(registry: Registry, prompts: Mapping[str, Prompt]) -> dict[str, BundledPrompt]:
    """Publish all prompts, snippets first, and return what an application would get."""
    uses = {name: {used.name for used in rendered_in(prompts[name].template)} for name in sorted(prompts)}
    made = {}
    for name in publish_order(uses):
        for missing in sorted(uses[name] - prompts.keys()):
            raise _not_in_commit(f"{name!r} renders {missing!r}, which has no file there")
        template = map_texts(prompts[name].template, lambda text: replaced(text.text, _unpinned))
        if any(tool.get("type") == "registry" for tool in mappings(template.get("tools"))):
            raise _not_in_commit(f"{name!r} has a tool of the registry")
        new = registry.prompts.publish(replace(prompts[name], template=template), message="v1")
        raw = registry.prompts.unfilled(new.template_id, name, new.version)
        snippets: list[dict[str, Any]] = [{**used, "version": None} for used in raw["snippets"]]
        made[name] = bundled({**raw, **_NOTHING, "snippets": snippets})
    return made


def _unpinned(used: Reference, source: str) -> str:
    """Return a reference to the file of a snippet, because a commit has no versions."""
    return str(Reference(used.name))


def _not_in_commit(message: str) -> Refused:
    hint = "promptsync bundle --label LABEL"
    return Refused(f"the commit is not enough: {message}", hint=hint, code="not-in-commit")
