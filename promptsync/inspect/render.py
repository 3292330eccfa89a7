"""Renders a prompt as a model would see it: from its file, or by the registry."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from promptsync.compare.conflict import conflict_of, edit
from promptsync.compare.labels import read_labels
from promptsync.compare.versions import Chosen, choose, no_such_version
from promptsync.errors import AnswerIsNo, Refused, RemoteError, UsageError
from promptsync.files.errors import InvalidFile
from promptsync.files.prompt_file import PromptFile
from promptsync.files.worktree import Worktree, load_paths, scan
from promptsync.lint.subject import Subject, texts_of
from promptsync.project.project import Project
from promptsync.project.target import LATEST, At, NoSuchPrompt, may_have_version, select
from promptsync.prompt.names import name_for
from promptsync.prompt.snippets import FENCE, Reference, SnippetError, expand, unresolved
from promptsync.prompt.template import JINJA2, syntax_error, template_variables
from promptsync.prompt.variables import Filling, Rendered, Values
from promptsync.registry.errors import NotFound
from promptsync.registry.values import number
from promptsync.rendering.engine import Engine

Template = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RenderOptions:
    """How to render. ``values`` are the variables; ``named`` are those of them that were passed one by one.

    ``example`` is the number of an example in the file, from 1, whose values are the defaults. The registry
    renders with ``from_registry``, or if ``at`` specifies a version; ``provider`` and
    ``model`` replace those of the prompt. ``offline`` renders pinned snippets from the files.
    """

    values: Values = field(default_factory=dict)
    named: tuple[str, ...] = ()
    example: int | None = None
    at: At = LATEST
    from_registry: bool = False
    offline: bool = False
    provider: str | None = None
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Rendering:
    """A rendered prompt: ``path`` is its file, or ``version`` the version that the registry rendered.

    ``arguments`` are for the provider's client (``llm_kwargs``); only a registry makes them.
    ``has_unused_examples`` says that no variable was passed, although the file has examples.
    """

    name: str
    template: Template
    model: Any = None
    warnings: tuple[str, ...] = ()
    path: str | None = None
    version: int | None = None
    arguments: Mapping[str, Any] | None = None
    has_unused_examples: bool = False


class Unrenderable(AnswerIsNo):
    """A jinja2 text fails. The message has its place in the file."""

    code = "unrenderable"


def render_prompts(
    project: Project, directory: Path, arguments: Iterable[str], options: RenderOptions
) -> list[Rendering]:
    """Return the prompts that arguments mean, rendered; see ``select``.

    The path of a draft outside the prompts directory is an argument, too. Raises ``NoSuchPrompt``,
    ``NoSuchVersion``, ``InvalidFile`` for a file that cannot be read, ``Unrenderable`` for a jinja2 text that
    fails, ``SnippetError`` for a snippet that does not exist, and ``RemoteError``.
    """
    worktree = scan(project.root, project.config.prompts)
    found: list[Rendering] = []
    for argument in arguments:
        files = None
        if not options.from_registry and not options.at:
            files = _files(project, worktree, directory, argument)
        if files is not None:
            found += [_render_file(project, worktree, file, options) for file in files]
            continue
        for one in choose(project, directory, [argument], options.at, by_id=True):
            found.append(_render_remote(project, one, worktree.files.get(one.listed.name), options))
    return found


def _files(
    project: Project, worktree: Worktree, directory: Path, argument: str
) -> Collection[PromptFile] | None:
    """Return the files that an argument means, ``None`` if it may mean a version of a prompt."""
    draft = directory / argument
    if argument not in worktree.files and draft.is_file():
        read = load_paths(worktree.root, worktree.prompts, [draft])
        if read.problems:
            raise InvalidFile(read.problems)
        return read.files.values()
    where = f"{worktree.prompts}/"
    names = {one.path: name_for(one.path.removeprefix(where)) for one in worktree.problems}
    names |= {file.path: file.prompt.name for file in worktree.broken}
    broken = [one for one in worktree.problems if names.get(one.path) == argument]
    if argument not in worktree.files and broken:
        raise InvalidFile(broken)
    try:
        (selected,) = select(project, directory, [argument], worktree.files, where=where)
    except NoSuchPrompt:
        if may_have_version(argument):
            return None
        raise
    return None if selected.at else [worktree.files[name] for name in selected.names]


def _render_file(project: Project, worktree: Worktree, file: PromptFile, options: RenderOptions) -> Rendering:
    """Return a file's prompt rendered, its snippets taken from the files first.

    Pinned versions and labels, and snippets without a file, are read from the registry unless ``offline``.
    """
    _check_resolved(file)
    snippets = _Snippets(project, worktree.files, file, options.offline)
    found: dict[Reference, Template] = {}
    # A snippet may refer to further snippets, so repeat until none is missing.
    while missing := unresolved(file.prompt.template, found):
        found.update({reference: snippets.read(reference) for reference in missing})
    template = expand(file.prompt.template, found)
    values = {**_example(file, options.example), **options.values}
    engine = Engine()

    def rendered_or_refused(text: str, template_format: str, values: Values) -> Rendered:
        rendered = engine(text, template_format, values)
        # The registry returns an f-string that fails as it is. A text that needs too much is always refused.
        if rendered.error and (template_format == JINJA2 or rendered.hint):
            raise _unrenderable(file, template, text, rendered)
        return rendered

    filling = Filling(values, rendered_or_refused)
    rendered = filling.template(template)
    warnings = [*dict.fromkeys(snippets.warnings), *filling.warnings, *_unused(template, options.named)]
    return Rendering(
        file.prompt.name,
        rendered,
        file.prompt.metadata.get("model"),
        tuple(warnings),
        path=file.path,
        has_unused_examples=bool(file.local.examples) and not values,
    )


def _check_resolved(file: PromptFile) -> None:
    """Raise ``Refused`` for a file with the conflict markers of a merge: no model should see them."""
    found = conflict_of(file)
    if found is not None:
        where = f"{found.path}:{found.line}"
        message = f"{file.prompt.name!r} has conflict markers at {where}; nothing was rendered"
        raise Refused(message, hint=edit(where), code="conflict-markers")


def _example(file: PromptFile, number: int | None) -> Mapping[str, Any]:
    if number is None:
        return {}
    examples = file.local.examples
    if not 1 <= number <= len(examples):
        count = f"{len(examples)} example{'' if len(examples) == 1 else 's'}"
        raise UsageError(
            f"{file.path} has {count}, so there is no example {number}",
            hint="add one under examples: in the file" if not examples else "--example 1",
        )
    return examples[number - 1]


def _unused(template: Template, named: Iterable[str]) -> Iterator[str]:
    used = template_variables(template)
    for name in named:
        if name not in used:
            close = difflib.get_close_matches(name, used, 1)
            meant = f" Did you mean {close[0]!r}?" if close else ""
            yield f"The prompt does not use the variable {name!r}.{meant}"


def _render_remote(
    project: Project, chosen: Chosen, file: PromptFile | None, options: RenderOptions
) -> Rendering:
    """Return one version of a prompt as the registry renders it. Raises ``NoSuchVersion``."""
    listed, at, name = chosen.listed, chosen.at, chosen.listed.name
    if options.example is not None and file is None:
        raise UsageError(f"{name} has no file with examples", hint=f"promptsync pull {shlex.quote(name)}")
    example = _example(file, options.example) if file is not None else {}
    try:
        response = project.registry.prompts.render(
            name,
            version=at.number,
            label=at.label,
            provider=options.provider,
            model=options.model,
            variables={**example, **options.values},
        )
    except NotFound:
        if not at:
            raise
        labels = read_labels(project, listed) if at.label is not None else None
        raise no_such_version(listed, at, list(labels or ())) from None
    metadata, warning = response.get("metadata"), response.get("warning")
    arguments = response.get("llm_kwargs")
    return Rendering(
        name,
        response["prompt_template"],
        metadata.get("model") if isinstance(metadata, Mapping) else None,
        (warning,) if isinstance(warning, str) else (),
        version=number(response, "version"),
        arguments=arguments if isinstance(arguments, Mapping) else None,
    )


@dataclass(slots=True)
class _Snippets:
    """Finds the texts of snippets. ``warnings`` name those that a file had to replace."""

    project: Project
    files: Mapping[str, PromptFile]
    parent: PromptFile
    offline: bool
    warnings: list[str] = field(default_factory=list)

    def read(self, reference: Reference) -> Template:
        file = self.files.get(reference.name)
        if file is not None and (self.offline or not reference.pinned):
            _check_resolved(file)
            if reference.pinned:
                warning = f"{reference} is rendered from {file.path}, not from the pinned version."
                self.warnings.append(warning)
            return _completion(reference, file.prompt.template)
        if self.offline:
            raise SnippetError(f"{reference} in {self.parent.path} has no file.")
        found = self._from_registry(reference)
        if found is not None:
            return _completion(reference, found)
        if file is None:
            raise self._missing(reference)
        _check_resolved(file)
        warning = f"{reference} is not in {self.project.remote} yet, so it is rendered from {file.path}."
        self.warnings.append(warning)
        return _completion(reference, file.prompt.template)

    def _from_registry(self, reference: Reference) -> Template | None:
        try:
            found = self.project.registry.prompts.get(
                None, reference.name, version=reference.version, label=reference.label
            )
        except NotFound:
            return None
        except RemoteError as error:
            command = f"promptsync render {shlex.quote(self.parent.prompt.name)} --offline"
            raise error.replaced(hint="\n".join(filter(None, (error.hint, command)))) from None
        return found.prompt.template

    def _missing(self, reference: Reference) -> SnippetError:
        close = difflib.get_close_matches(reference.name, self.files, 1)
        return SnippetError(
            f"{reference} in {self.parent.path} exists neither in your files nor in {self.project.remote}.",
            hint=f"did you mean {close[0]!r}?" if close else "promptsync ls-remote",
        )


def _completion(reference: Reference, template: Template) -> Template:
    if template.get("type") == "completion":
        return template
    raise SnippetError(
        f"{reference} refers to a chat prompt; only completion prompts can be snippets.",
        hint="move the text to a completion prompt: content: instead of messages:",
    )


def _unrenderable(file: PromptFile, expanded: Template, text: str, failed: Rendered) -> Unrenderable:
    path, written = next((one.path, one.template_format) for one in texts_of(expanded) if one.text == text)
    subject = Subject(file)
    row, column = subject.position(path)
    where, reason = "", failed.error
    found = syntax_error(text, JINJA2) if written == JINJA2 and not failed.hint else None
    if found is not None:
        reason, line, _ = found
        if any(one.path == path and FENCE in one.text for one in subject.texts):
            # After a snippet is inserted, the lines of the text are no longer those of the file.
            where = f" (line {line} of the text with its snippets)"
        else:
            row, column = subject.place(path, (line, None))
    return Unrenderable(
        f"{file.path}:{row}:{column}: {written}: {reason.rstrip('.')}{where}.",
        hint=failed.hint
        or "fix it: the registry does not render such a text, so a model would see the template itself",
    )
