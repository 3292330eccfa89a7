"""What is tested: the text of a prompt with its snippets and tools expanded, and the model it runs on.

It is undocumented whether a registry expands references in an unpublished prompt, so that is done here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from promptsync.checks.assignment import Check
from promptsync.compare.conflict import check_resolved
from promptsync.files.prompt_file import scan
from promptsync.project.versions import labelled, list_all
from promptsync.prompt.canonical import digest, encode, is_reference
from promptsync.prompt.contract import ContractChange, contract_changes
from promptsync.prompt.prompt import Prompt
from promptsync.prompt.snippets import Reference, SnippetError, expand, rendered_in
from promptsync.registry.errors import NotFound, NotReadableRaw, Unsupported, UnusablePrompt

if TYPE_CHECKING:
    from promptsync.project.project import Project
    from promptsync.prompt.prompt import Version


Template = Mapping[str, Any]

UNREADABLE = (SnippetError, NotFound, NotReadableRaw, Unsupported, UnusablePrompt)
"""Why a prompt cannot be compared with its snippets and tools in place."""


class TestedText(Prompt, frozen=True):
    """A prompt to test. ``template`` is expanded; ``metadata`` has only the model and its parameters.

    ``version`` is the published one, ``None`` for a file. Prompts with the same ``digest`` have
    equal texts, models and tools, whichever versions they come from. ``problem`` is why a live version cannot
    be expanded: a new one must be released anyway.
    """

    version: int | None = None
    problem: str = ""

    @property
    def digest(self) -> str:
        """``sha256:`` and the hash of everything that a model gets to see."""
        return digest(self)


class Wanted(Struct, frozen=True):
    """A check of one prompt: the candidate, and the live version, if any, to compare it with."""

    check: Check
    candidate: TestedText
    live: TestedText | None = None


class TestedTexts:
    """Makes prompts to test. What several of them need is read once.

    ``files`` are the prompts whose newest version is, or will be, that of the file; ``listing`` are
    those of the registry. The label moves to the files of ``released``, by default to all files.
    """

    def __init__(
        self,
        project: Project,
        files: Mapping[str, Prompt],
        listing: Mapping[str, Version],
        label: str | None = None,
        released: Collection[str] | None = None,
    ) -> None:
        self._project = project
        self._files = files
        self._listing = listing
        self._label = label
        self._released = files if released is None else released
        self._known: dict[Reference | str, Template] = {}

    def of_files(self, names: Iterable[str]) -> dict[str, TestedText]:
        """Return prompts as their files will be live, by name. Raises what ``of_versions`` raises."""
        return {name: self.expanded(self._files[name], as_live=False) for name in names}

    def of_versions(self, versions: Mapping[str, int], *, as_live: bool = True) -> dict[str, TestedText]:
        """Return published versions, by name; not ``as_live``, with the snippets of the files.

        Raises ``RemoteError``, and not ``as_live`` ``SnippetError`` for a snippet or a tool that does not
        exist.
        """

        prompts = self._project.mapped(
            "Reading versions", lambda name: self.read(name, versions[name]), versions
        )
        return {
            prompt.name: self.expanded(prompt, versions[prompt.name], as_live=as_live) for prompt in prompts
        }

    def expanded(self, prompt: Prompt, version: int | None = None, *, as_live: bool) -> TestedText:
        """Return any prompt with its snippets and tools in place. Raises what ``of_versions`` raises."""
        name, model = prompt.name, prompt.metadata.get("model")
        try:
            template = expand(prompt.template, lambda ref: self._snippet(ref, name, as_live=as_live))
            if tools := template.get("tools"):
                template["tools"] = [self._tool(tool, name) if is_reference(tool) else tool for tool in tools]
        except SnippetError as error:
            if not as_live:
                raise
            return TestedText(name, prompt.template, version=version, problem=error.message)
        return TestedText(name, template, {"model": model} if model is not None else {}, version=version)

    def read(self, name: str, version: int) -> Prompt:
        """Return a version as it was published."""
        return self._read(Reference(name, version))

    def _own(self, reference: Reference) -> Template | None:
        """Return the template of the file that a reference will render, ``None`` if it renders a version."""
        prompt, listed = self._files.get(reference.name), self._listing.get(reference.name)
        is_next = reference.version == (listed.version if listed is not None else 0) + 1
        is_moved = reference.label == self._label and reference.name in self._released
        is_latest = reference.version is None and (reference.label is None or is_moved)
        return prompt.template if prompt is not None and (is_next or is_latest) else None

    def _snippet(self, reference: Reference, user: str, *, as_live: bool) -> Template:
        text = None if as_live else self._own(reference)
        try:
            if text is None and reference not in self._known:
                self._known[reference] = self._read(reference).template
        except NotFound:
            where = f"neither in your files nor in {self._project.remote}"
            raise SnippetError(f"{reference} in {user} exists {where}", hint="promptsync ls-remote") from None
        text = self._known[reference] if text is None else text
        if text.get("type") != "completion":
            raise SnippetError(
                f"{reference} in {user} is a chat prompt; only completion prompts can be snippets",
                hint="move the text to a completion prompt: content: instead of messages:",
            )
        return text

    def _read(self, reference: Reference) -> Prompt:
        listed, version = self._listing.get(reference.name), reference.version
        if listed is not None and not reference.pinned:
            version = listed.version
        template_id = listed.template_id if listed is not None else None
        get = self._project.registry.prompts.get
        return get(template_id, reference.name, version=version, label=reference.label).prompt

    def _tool(self, tool: Mapping[str, Any], user: str) -> Template:
        key, wanted = encode(tool), tool.get("tool_registry_id", "")
        pin = {"version": tool.get("version_number"), "label": tool.get("label")}
        try:
            if key not in self._known:
                self._known[key] = self._project.registry.prompts.tool(wanted, **pin)
        except NotFound as error:
            why = error.reason or error.message
            raise SnippetError(
                f"{user} uses the registry tool {wanted!r}, which cannot be read: {why}",
                hint="check the tool in the PromptLayer dashboard",
            ) from None
        return self._known[key]


def rendered_changes(
    texts: TestedTexts, old: Prompt, new: Prompt, *, is_snippet_new: bool = False
) -> tuple[ContractChange, ...]:
    """Return what breaks applications between two prompts as they are rendered, or may."""
    references = [{*rendered_in(prompt.template)} for prompt in (old, new)]
    is_same = not is_snippet_new and references[0] == references[1]
    # What both sides include breaks nothing, but it may have a variable that seems to be new.
    if is_same and not contract_changes(old, new):
        return ()
    before, after = texts.expanded(old, as_live=True), texts.expanded(new, as_live=False)
    if before.problem:
        return (ContractChange(before.problem, "", "unknown"),)
    return contract_changes(before, after)


def wanted_of(
    checks: Iterable[Check], candidates: Mapping[str, TestedText], lives: Mapping[str, TestedText]
) -> list[Wanted]:
    """Return the checks of those prompts that are among the ``candidates``, one for each prompt."""
    return [
        Wanted(replace(check, prompts=(name,)), candidates[name], lives.get(name))
        for check in checks
        for name in check.prompts
        if name in candidates
    ]


def wanted_texts(project: Project, checks: Sequence[Check], label: str | None) -> list[Wanted]:
    """Return the files that the checks test, each with the live version.

    Live are the versions under the label, without one the latest. Raises what ``TestedTexts`` raises, and
    ``Refused`` for a file with conflict markers.
    """
    files = scan(project.root, project.config.prompts).files
    names = sorted({name for check in checks for name in check.prompts})
    for name in names:
        check_resolved(files[name], "nothing was run")
    listing = {item.name: item for item in list_all(project)}
    listed = [listing[name] for name in names if name in listing]
    if label is None:
        live = {item.name: item.version for item in listed}
    else:
        there = labelled(project, listed, only=(label,)) if listed else []
        live = {prompt.listed.name: prompt.labels[label] for prompt in there if label in prompt.labels}
    prompts = {name: file.prompt for name, file in files.items()}
    texts = TestedTexts(project, prompts, listing, label)
    return wanted_of(checks, texts.of_files(names), texts.of_versions(live))
