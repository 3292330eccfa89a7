"""Makes the bundle of the versions under a release label, or of a commit. Writes nothing."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from promptsync.compare.git_state import find_state
from promptsync.errors import Refused, UsageError
from promptsync.files.git.repository import Repository
from promptsync.files.git.tree import tree_at
from promptsync.files.prompt_file import parse
from promptsync.history.mark import parse_mark
from promptsync.project.pointers import Labelled, labelled
from promptsync.project.project import Project, connect
from promptsync.prompt.bundle import Bundle, BundledPrompt, bundled
from promptsync.prompt.names import name_for
from promptsync.prompt.prompt import Prompt
from promptsync.prompt.snippets import Reference, pins, publish_order, rendered_in, replaced
from promptsync.prompt.texts import map_texts, mappings
from promptsync.registry.address import LOCAL

if TYPE_CHECKING:
    from promptsync.registry.protocol import Registry


class BundleChange(Struct, frozen=True):
    """A prompt that differs between two bundles; ``old`` and ``new`` are its versions, if it has any."""

    name: str
    what: str
    old: int | None = None
    new: int | None = None


def changes(old: Bundle, new: Bundle) -> list[BundleChange]:
    """Return the prompts whose version or content differs, sorted by name."""
    pairs = {name: (old.prompts.get(name), new.prompts.get(name)) for name in {**old.prompts, **new.prompts}}
    return [
        BundleChange(
            name,
            "added" if before is None else "removed" if after is None else "changed",
            None if before is None else before.version,
            None if after is None else after.version,
        )
        for name, (before, after) in sorted(pairs.items())
        if before is None or after is None or (before.version, before.digest) != (after.version, after.digest)
    ]


# -- from a label --------------------------------------------------------------------------------------------


def bundle_of_label(project: Project, label: str) -> Bundle:
    """Return the bundle of the prompts in scope that have a label.

    Raises ``UsageError`` if there are none, and ``Refused`` if the label moved in the meantime.
    """
    before = labelled(project, only=[label])
    versions = [(prompt.listed, prompt.labels[label]) for prompt in before if label in prompt.labels]
    if not versions:
        raise UsageError(f"no prompt in scope has the label {label!r}", hint="promptsync label list")
    registry = project.registry
    responses = project.mapped(
        "Reading prompts",
        lambda pair: registry.prompts.unfilled(pair[0].template_id, pair[0].name, pair[1]),
        versions,
    )
    snippets = {used.get("prompt_name") for raw in responses for used in mappings(raw.get("snippets"))}
    after = labelled(project, only=[label])
    if _state(before, label, snippets) != _state(after, label, snippets):
        raise Refused(
            f"{label} or a snippet moved while the prompts were read; nothing was written",
            hint="run the command again",
            code="label-moved",
        )
    return Bundle({raw["prompt_name"]: bundled(raw, commit=_commit(raw)) for raw in responses}, label)


def _state(prompts: Sequence[Labelled], label: str, snippets: set[Any]) -> dict[str, Any]:
    """Return what must not change while prompts are read: their versions, and all about their snippets."""
    state: dict[str, Any] = {}
    for prompt in prompts:
        if prompt.listed.name in snippets:
            state[prompt.listed.name] = prompt.listed.version, prompt.labels
        elif label in prompt.labels:
            state[prompt.listed.name] = prompt.labels[label]
    return state


def _commit(raw: Mapping[str, Any]) -> str | None:
    """Return the commit in the message of a version, which a colleague may have copied from another one."""
    mark = parse_mark(raw.get("commit_message"))
    return mark.commit if mark is not None and not mark.dirty and mark.version == raw["version"] else None


# -- from a commit -------------------------------------------------------------------------------------------


def bundle_of_commit(project: Project, revision: str) -> tuple[Bundle, list[str]]:
    """Return the bundle of the prompts in scope in a commit, made by a temporary embedded registry.

    A commit has no versions, so a pinned snippet has the text of its file; the names of the prompts that pin
    one are returned, too. Raises ``InvalidFile`` for files that cannot be read, and ``Refused`` for a snippet
    without a file and for a tool that the commit's fixtures do not declare.
    """
    history = project.history
    commit = find_state(history, revision, "--from") if history is not None else None
    if history is None or commit is None:
        raise UsageError(f"--from {revision}: no commit", hint="git log --oneline", code="no-commit")
    files = _prompts(project, history, commit)
    pinning = sorted(name for name, prompt in files.items() if pins(prompt.template))
    declared = [remote.fixtures for remote in project.config.remotes.values() if remote.fixtures]
    with tempfile.TemporaryDirectory(prefix="promptsync-") as directory:
        fixtures = Path(directory) / "registry.yaml"
        for path in declared[:1]:
            blobs = history.blobs(history.files(commit, history.prefix + path).values())
            fixtures.write_bytes(b"".join(blobs.values()))
        url = f"{LOCAL}{Path(directory) / 'registry.db'}"
        with connect(Project(project.config, "commit", url, fixtures=fixtures), memory=None) as registry:
            prompts = _published(registry, files)
    kept = {name: prompt for name, prompt in prompts.items() if project.config.in_scope(name)}
    if not kept:
        raise UsageError(f"{revision} has no prompt in scope", hint="promptsync status")
    return Bundle(kept, commit=commit), [name for name in pinning if name in kept]


def _prompts(project: Project, history: Repository, commit: str) -> dict[str, Prompt]:
    """Return the prompts of a commit, by name."""
    blobs = tree_at(history, commit, project.config.prompts).files
    contents = history.blobs(blobs.values())
    read = [parse(contents[blob], path, name_for(path)).prompt for path, blob in sorted(blobs.items())]
    return {prompt.name: prompt for prompt in read}


def _published(registry: Registry, prompts: Mapping[str, Prompt]) -> dict[str, BundledPrompt]:
    """Publish all prompts, snippets first, and return what an application would get."""
    uses = {
        name: {used.name for used in rendered_in(prompt.template)} for name, prompt in sorted(prompts.items())
    }
    made = {}
    for name in chain.from_iterable(publish_order(uses)):
        if missing := sorted(uses[name] - prompts.keys()):
            raise _not_in_commit(f"{name!r} renders {missing[0]!r}, which has no file there")
        template = map_texts(prompts[name].template, lambda text: replaced(text.text, _unpinned))
        new = registry.prompts.publish(replace(prompts[name], template=template), message="v1")
        raw = registry.prompts.unfilled(new.template_id, name, new.version)
        tools, resolved = ([*mappings(part.get("tools"))] for part in (template, raw["prompt_template"]))
        if len(resolved) < len(tools):  # the registry leaves out unknown tools
            raise _not_in_commit(f"{name!r} has a registry tool that its fixtures do not declare")
        # These are facts about the temporary registry.
        nothing = dict.fromkeys(("id", "version", "workspace_id", "commit_message"))
        snippets = [{**used, "version": None} for used in raw["snippets"]]
        made[name] = bundled({**raw, **nothing, "snippets": snippets})
    return made


def _unpinned(used: Reference, source: str) -> str:
    return str(Reference(used.name))


def _not_in_commit(message: str) -> Refused:
    hint = "promptsync bundle --label LABEL"
    return Refused(f"the commit is not enough: {message}", hint=hint, code="not-in-commit")
