"""A new prompt file: its first text, and where it is written."""

from __future__ import annotations

import re
from typing import Final

from msgspec.structs import replace

from promptsync.errors import Refused, UsageError
from promptsync.files.config import FILE_NAME, Config
from promptsync.files.disk import write
from promptsync.files.errors import InvalidFile
from promptsync.files.prompt_file import PromptFile, parse
from promptsync.files.prompt_text import render_edit
from promptsync.files.worktree import Worktree, paths_for_new
from promptsync.files.yaml.layout import inline
from promptsync.lint.check import check
from promptsync.lint.subject import KnownPrompts
from promptsync.prompt.names import look, path_for

MODEL: Final = "openai/gpt-4o-mini"

_PROMPT: Final = """\
name: {name}
template_format: jinja2
model:
  provider: {provider}
  name: {model}
messages:
  - role: system
    content: |
      You answer customers of {{ company }}. Be brief and friendly, and say so when you do not know.
  - role: user
    content: "{{ question }}"
# Sample values for the variables. They stay in this file and are never published.
examples:
  - company: Fernweh Outdoor
    question: Do you repair boots?
"""
_SNIPPET: Final = """\
# A snippet: other prompts insert it by its name between two @@@.
name: {name}
content: |
  Be brief and friendly, and say so when you do not know.
"""


def new_text(name: str, model: str | None = None, *, is_snippet: bool = False) -> str:
    """Return the text of a first prompt. Raises ``UsageError`` unless ``model`` is ``PROVIDER/MODEL``."""
    provider, _, model_name = (model or MODEL).partition("/")
    if not provider or not model_name:
        raise UsageError(f"--model {model} is not of the form PROVIDER/MODEL", hint=f"--model {MODEL}")
    values = {"name": name, "provider": provider, "model": model_name}
    text = _SNIPPET if is_snippet else _PROMPT
    return re.sub(r"(?<!\{)\{(\w+)\}", lambda place: inline(values[place[1]]), text)


def copied_text(file: PromptFile, name: str) -> str:
    """Return the text of a file under another name, without the versions that it includes."""
    return render_edit(file, replace(file.prompt, name=name), replace(file.local, synced={}), named=True)


def write_new(config: Config, worktree: Worktree, name: str, text: str, *, is_copy: bool) -> str:
    """Write the file of a new prompt and return its path.

    Raises ``Refused`` if the name, also in another case, or its path is taken or ``include`` does not match
    it, and ``UsageError`` if lint has a problem with the name or, unless it ``is_copy``, anything else in the
    text. Then nothing was written.
    """
    places = {look(other): path for path, other in worktree.broken.items()}
    places |= {look(other): file.path for other, file in worktree.files.items()}
    path, usual = paths_for_new(worktree, [name])[name], f"{config.prompts}/{path_for(name)}"
    place = config.root / path
    if look(name) in places or path != usual or place.exists() or place.is_symlink():
        raise Refused(
            f"{places.get(look(name), usual)} already exists; nothing was written",
            hint="choose another name",
            code="exists",
        )
    try:
        file = parse(text.encode("utf-8", "surrogateescape"), path, name)
    except InvalidFile as error:
        raise UsageError(f"{error.problems[0].message} Nothing was written.") from None
    known = KnownPrompts({other: file.prompt.template for other, file in worktree.files.items()})
    for problem in check([file], known):
        if not is_copy or problem.rule.startswith("name-"):
            raise UsageError(f"{problem.message} Nothing was written.", hint=problem.hint)
    if not config.in_scope(name):
        raise Refused(
            f"include: does not match {name!r}, so the prompt would never be published; nothing was written",
            hint=f"choose another name, or add it to include: in {FILE_NAME}",
            code="not-included",
        )
    write(config.root, path, text, within=config.prompts)
    return path
