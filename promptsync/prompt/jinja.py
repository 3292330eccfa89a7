"""Jinja2 templates: their variables, what is wrong with them, and rendering in a sandbox.

This is the only module that imports jinja2, and only once a text has jinja2 markup.
"""

from __future__ import annotations

import functools
import re
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from promptsync.prompt import limits
from promptsync.prompt.shapes import words

if TYPE_CHECKING:
    from jinja2 import Template as CompiledTemplate
    from jinja2 import nodes
    from jinja2.sandbox import SandboxedEnvironment

_MARKUP = re.compile(r"\{[{%#]")


_LONGEST_READ: Final = 100_000
_INSERTING: Final = words("Template Output TemplateData Name Getattr Getitem Const If Test Not And Or")


class ReadText(Struct, frozen=True, dict=True):
    """What a text is: what is wrong with it, with its line, and the variables that it takes from outside.

    The column of a jinja2 error is unknown. A text that only inserts values, or checks for them, costs little
    more than itself and what it renders to; all others can compute. Only f-strings have ``fields``.
    """

    error: tuple[str, int, int | None] | None = None
    only_inserts: bool = True
    fields: frozenset[str] = frozenset()
    tree: nodes.Template | None = None

    @functools.cached_property
    def variables(self) -> dict[str, bool]:
        """The variables, and whether the text needs each: not if it tests it first, or has a default."""
        names = needed = self.fields
        if self.tree is not None:  # finding them takes longer than parsing the text
            from jinja2 import TemplateError, meta

            # An unknown filter does not always stop the text from being rendered.
            with suppress(TemplateError, RecursionError, MemoryError, ValueError, OverflowError):
                names = needed = frozenset(meta.find_undeclared_variables(self.tree))
                needed = names & _needed(self.tree, frozenset())
        return {name: name in needed for name in names}


@functools.lru_cache(maxsize=1024)
def read(text: str) -> ReadText:
    """Read a text. A broken one has no variables; it fails the same way when it is rendered."""
    if not _MARKUP.search(text):
        return ReadText()
    environment = _reader()
    from jinja2 import TemplateSyntaxError, nodes

    try:
        tree = environment.parse(text)
        used: list[Any] = [*tree.find_all(nodes.Node)]
    except TemplateSyntaxError as error:
        return ReadText(error=(error.message or "syntax error", error.lineno, None))
    except (RecursionError, MemoryError):
        return ReadText(error=("it nests too deeply", 1, None), only_inserts=False)
    except (ValueError, OverflowError) as error:
        return ReadText(error=(str(error), 1, None), only_inserts=False)
    known: dict[type, Any] = {nodes.Filter: environment.filters, nodes.Test: environment.tests}
    unknown = [
        (f"no {type(node).__name__.lower()} named {node.name!r}", node.lineno, None)
        for node in used
        if type(node) in known and node.name not in known[type(node)]
    ]
    tests = {node.name for node in used if type(node) is nodes.Test}
    inserts = {kind.__name__ for kind in {*map(type, used)}} <= _INSERTING
    inserts = inserts and tests <= {"defined", "undefined", "none"}
    return ReadText(next(iter(unknown), None), inserts, tree=tree)


def _needed(node: nodes.Node, tested: frozenset[str]) -> set[str]:
    """Return the names that a node uses without testing them first; ``tested`` are tested around it."""
    from jinja2 import nodes

    if isinstance(node, nodes.Name):
        return {node.name} - tested if node.ctx == "load" else set()
    skipped: nodes.Node | None = None
    if isinstance(node, nodes.If | nodes.CondExpr):
        skipped, tested = node.test, tested | _names(node.test)
    elif isinstance(node, nodes.And | nodes.Or):
        skipped, tested = node.left, tested | _names(node.left)
    elif isinstance(node, nodes.Test) or (isinstance(node, nodes.Filter) and node.name in ("default", "d")):
        skipped = node.node
    needed: set[str] = set()
    for child in node.iter_child_nodes():
        if child is not skipped:
            needed |= _needed(child, tested)
        if isinstance(child, nodes.Assign):  # what follows uses the value that was set
            tested |= _names(child.target)
    return needed


def _names(node: nodes.Node) -> frozenset[str]:
    from jinja2 import nodes

    return frozenset(part.name for part in (node, *node.find_all(nodes.Name)) if isinstance(part, nodes.Name))


def is_bounded(text: str) -> bool:
    """Whether rendering a text costs little more than the text itself and what it renders to."""
    return not _MARKUP.search(text) or (len(text) <= _LONGEST_READ and read(text).only_inserts)


def render(text: str, values: Mapping[str, Any]) -> str:
    """Return the rendered text, in which variables without a value are empty."""
    if not _MARKUP.search(text):
        # The engine would do the same: make line ends alike and drop the last one.
        return re.sub(r"\r\n|\r", "\n", text).removesuffix("\n")
    return limits.join(_compile(text).generate(values))


# -- the engine ---------------------------------------------------------------------------------------------


_loading = threading.Lock()


@functools.lru_cache(maxsize=512)
def _compile(text: str) -> CompiledTemplate:
    return _sandbox().from_string(text)


@functools.lru_cache(maxsize=1)
def _reader() -> SandboxedEnvironment:
    """Return the environment for reading templates, which computes nothing.

    While it looks for variables, jinja2 computes constant expressions, however large their values are.
    """
    environment = _sandbox().overlay()
    environment.filters = dict.fromkeys(environment.filters, _not_computed)
    environment.tests = dict.fromkeys(environment.tests, _not_computed)
    environment.intercepted_binops = frozenset(environment.default_binop_table)
    return environment


def _not_computed(*_: Any, **__: Any) -> Any:
    raise ValueError("known only when the template is rendered")


@functools.lru_cache(maxsize=1)
def _sandbox() -> SandboxedEnvironment:
    """Return the environment for rendering, in which templates cannot reach into Python."""
    # One thread loads all of jinja2, because its modules import each other and two threads would deadlock.
    with _loading:
        import jinja2.sandbox
    environment = jinja2.sandbox.SandboxedEnvironment(undefined=jinja2.ChainableUndefined)
    del environment.globals["lipsum"]  # its text is random and of any length
    return environment
