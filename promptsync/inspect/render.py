"""Render: a prompt as a model would see it, from the files, or as the registry renders it."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from promptsync.compare.project import Project
from promptsync.errors import AnswerIsNo, RemoteError, UsageError
from promptsync.files.errors import InvalidFile
from promptsync.files.prompt_file import PromptFile
from promptsync.files.worktree import Worktree, load_paths
from promptsync.lint.subject import Subject, texts_of
from promptsync.prompt.fill import Filling, Rendered, Values
from promptsync.prompt.snippets import FENCE, Reference, SnippetError, expand, unresolved
from promptsync.prompt.template import JINJA2, render, syntax_error, template_variables

Template = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Rendering:
    """A rendered prompt. ``version`` is that of the registry, ``None`` for a file's text.

    ``arguments`` are those of the provider's client (``llm_kwargs``), which only a registry makes.
    """

    name: str
    template: Template
    model: Any = None
    warnings: tuple[str, ...] = ()
    path: str | None = None
    version: int | None = None
    arguments: Mapping[str, Any] | None = None


class Unrenderable(AnswerIsNo):
    """A jinja2 text fails; the message says where in the file."""

    code = "unrenderable"


def find_file(worktree: Worktree, wanted: str, directory: Path) -> PromptFile:
    """Return the file of a prompt, given by its name or by a path relative to ``directory``.

    Raises ``InvalidFile`` when it cannot be read, ``UsageError`` when there is none.
    """
    found = worktree.files.get(wanted)
    if found is not None:
        return found
    path = directory / wanted
    if path.is_file():
        drafts = load_paths(worktree.root, worktree.prompts, [path])
        if drafts.problems:
            raise InvalidFile(drafts.problems)
        return next(iter(drafts.files.values()))
    broken = [one for one in worktree.problems if one.path.startswith(f"{worktree.prompts}/{wanted}.")]
    if broken:
        raise InvalidFile(broken)
    close = difflib.get_close_matches(wanted, worktree.files, 1)
    hint = f"did you mean {close[0]}?" if close else "promptsync status lists the prompts"
    raise UsageError(
        f"there is no prompt {wanted!r} in {worktree.prompts}/",
        hint=f"{hint}; --from-registry asks the registry instead",
        code="unknown-prompt",
    )


def render_file(
    project: Project,
    worktree: Worktree,
    file: PromptFile,
    values: Values,
    *,
    named: Iterable[str] = (),
    offline: bool = False,
) -> Rendering:
    """Return a file's prompt rendered, its snippets taken from the files first.

    Pinned versions and labels, and snippets without a file, are read from the registry, unless ``offline``
    says that the files have to do. ``named`` are the variables that somebody gave one by one: a warning
    tells which of them the prompt does not use. Raises ``Unrenderable`` for a jinja2 text that fails,
    ``SnippetError`` for a snippet that is nowhere, and ``RemoteError``.
    """
    snippets = _Snippets(project, worktree.files, file, offline)
    found: dict[Reference, Template] = {}
    while missing := unresolved(file.prompt.template, found):
        found.update({reference: snippets.read(reference) for reference in missing})
    template = expand(file.prompt.template, found)
    failed: dict[str, str] = {}
    rendered, warnings = _fill(template, values, failed)
    for text, reason in failed.items():
        raise _unrenderable(file, template, text, reason)
    return Rendering(
        file.prompt.name,
        rendered,
        file.prompt.metadata.get("model"),
        (*snippets.warnings, *warnings, *_unused(template, named)),
        path=file.path,
    )


def _unused(template: Template, named: Iterable[str]) -> Iterator[str]:
    used = template_variables(template)
    for name in named:
        if name not in used:
            close = difflib.get_close_matches(name, used, 1)
            meant = f" Did you mean {close[0]!r}?" if close else ""
            yield f"The prompt does not use the variable {name!r}.{meant}"


def render_remote(
    project: Project,
    name: str,
    values: Values,
    *,
    version: int | None = None,
    label: str | None = None,
    provider: str | None = None,
) -> Rendering:
    """Return a prompt as the registry renders it: the latest version, or that of a number or a label."""
    answer = project.registry.prompts.render(
        name, version=version, label=label, provider=provider, variables=values
    )
    metadata = answer.get("metadata")
    number = answer.get("version")
    arguments = answer.get("llm_kwargs")
    return Rendering(
        name,
        answer["prompt_template"],
        metadata.get("model") if isinstance(metadata, Mapping) else None,
        tuple([answer["warning"]] if isinstance(answer.get("warning"), str) else ()),
        version=number if isinstance(number, int) else None,
        arguments=arguments if isinstance(arguments, Mapping) else None,
    )


@dataclass(slots=True)
class _Snippets:
    """Where snippets come from. ``warnings`` says where a file had to stand in for the registry."""

    project: Project
    files: Mapping[str, PromptFile]
    parent: PromptFile
    offline: bool
    warnings: list[str] = field(default_factory=list)

    def read(self, reference: Reference) -> Template:
        file = self.files.get(reference.name)
        if file is not None and (self.offline or not reference.pinned):
            if reference.pinned:
                self._warn(f"{reference} is shown as {file.path} has it, not as it is pinned.")
            return _completion(reference, file.prompt.template)
        if self.offline:
            raise SnippetError(f"{reference} in {self.parent.path} names no prompt of the files.")
        found = self._from_registry(reference)
        if found is not None:
            return _completion(reference, found)
        if file is None:
            raise self._missing(reference)
        self._warn(f"{reference} is not in {self.project.remote} yet: it is shown as {file.path} has it.")
        return _completion(reference, file.prompt.template)

    def _from_registry(self, reference: Reference) -> Template | None:
        from promptsync.registry.errors import NotFound

        try:
            found = self.project.registry.prompts.get(
                None, reference.name, version=reference.version, label=reference.label
            )
        except NotFound:
            return None
        except RemoteError as error:
            error.hint = f"{error.hint}; render --offline shows what the files have".removeprefix("; ")
            raise
        return found.prompt.template

    def _missing(self, reference: Reference) -> SnippetError:
        close = difflib.get_close_matches(reference.name, self.files, 1)
        return SnippetError(
            f"{reference} in {self.parent.path} is neither in the files nor in {self.project.remote}.",
            hint=f"did you mean {close[0]}?" if close else "check the name: case counts",
        )

    def _warn(self, warning: str) -> None:
        if warning not in self.warnings:
            self.warnings.append(warning)


def _completion(reference: Reference, template: Template) -> Template:
    if template.get("type") == "completion":
        return template
    raise SnippetError(
        f"{reference} refers to a chat prompt; only completion prompts can be snippets.",
        hint="move the text to a completion prompt",
    )


def _fill(template: Template, values: Values, failed: dict[str, str]) -> tuple[dict[str, Any], list[str]]:
    """Render a template; ``failed`` gets the jinja2 texts that had to stay unrendered, with the reason."""
    filling = Filling(values, _noting(failed))
    return filling.template(template), list(filling.warnings)


def _noting(failed: dict[str, str]) -> Callable[[str, str, Values], Rendered]:
    def engine(text: str, template_format: str, values: Values) -> Rendered:
        rendered = render(text, template_format, values)
        if rendered.error and template_format == JINJA2:
            failed[text] = rendered.error
        return rendered

    return engine


def _unrenderable(file: PromptFile, expanded: Template, text: str, reason: str) -> Unrenderable:
    path = next(one.path for one in texts_of(expanded) if one.text == text)
    subject = Subject(file)
    row, column = subject.position(path)
    where = ""
    found = syntax_error(text, JINJA2)
    if found is not None:
        reason, line, _ = found
        if any(one.path == path and FENCE in one.text for one in subject.texts):
            # With a snippet put in, the lines of the text are no longer those of the file.
            where = f" (line {line} of the text with its snippets)"
        else:
            row, column = subject.place(path, (line, None))
    return Unrenderable(
        f"{file.path}:{row}:{column}: jinja2: {reason.rstrip('.')}{where}.",
        hint="the registry leaves such a text unrendered: a model would see the template itself",
    )
