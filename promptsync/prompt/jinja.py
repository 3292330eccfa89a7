"""Jinja2 templates: their variables, what is wrong with them, and rendering in a sandbox.

This is the only module that imports jinja2, and only once a text has jinja2 markup.
"""

from __future__ import annotations

import functools
import re
import threading
from collections.abc import Collection, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from promptsync.prompt import limits

if TYPE_CHECKING:
    from jinja2 import ChainableUndefined
    from jinja2 import Template as CompiledTemplate
    from jinja2.sandbox import SandboxedEnvironment

_MARKUP = re.compile(r"\{[{%#]")


def variables(text: str) -> frozenset[str]:
    """Return the variables that a text needs from outside; a broken text has none."""
    return _examined(text)[0] if _MARKUP.search(text) else frozenset()


def syntax_error(text: str) -> tuple[str, int, int | None] | None:
    """Return what is wrong with a text, with its line; the column is unknown."""
    return _examined(text)[1] if _MARKUP.search(text) else None


def is_bounded(text: str) -> bool:
    """Whether rendering costs little more than the text itself and what it renders to.

    That is true of texts that only insert values or check for them. All others can compute.
    """
    if not _MARKUP.search(text):
        return True
    return len(text) <= _LONGEST_READ and _only_inserts(text)


@functools.lru_cache(maxsize=1024)
def _only_inserts(text: str) -> bool:
    environment = _reader()
    from jinja2 import TemplateSyntaxError, nodes

    try:
        tree = environment.parse(text)
        kinds = {type(node).__name__ for node in tree.find_all(nodes.Node)}
        tests = {test.name for test in tree.find_all(nodes.Test)}
    except TemplateSyntaxError:
        return True  # it fails the same way when it is rendered
    except (RecursionError, MemoryError, ValueError, OverflowError):
        return False
    return kinds <= _INSERTING and tests <= {"defined", "undefined", "none"}


def render(text: str, values: Mapping[str, Any]) -> tuple[str, frozenset[str]]:
    """Return the rendered text, and the variables that it used without having a value for them."""
    if not _MARKUP.search(text):
        # The engine would do the same: make line ends alike and drop the last one.
        return re.sub(r"\r\n|\r", "\n", text).removesuffix("\n"), frozenset()
    run = _Rendering()
    token = _current.set(run)
    try:
        return limits.join(_compile(text).generate(values)), frozenset(run.missing)
    finally:
        _current.reset(token)


# -- reading a template -------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=1024)
def _examined(text: str) -> tuple[frozenset[str], tuple[str, int, int | None] | None]:
    """Return the variables of a text and what is wrong with it."""
    environment = _reader()
    from jinja2 import TemplateSyntaxError, meta

    walk = Walk(environment.filters, environment.tests)
    try:
        tree = environment.parse(text)
        walk.visit(tree)
    except TemplateSyntaxError as error:
        return frozenset(), (error.message or "syntax error", error.lineno, None)
    except (RecursionError, MemoryError):
        return frozenset(), ("it nests too deeply", 1, None)
    except (ValueError, OverflowError) as error:
        return frozenset(), (str(error), 1, None)
    if walk.is_plain and walk.unknown is None:
        return frozenset(walk.names - environment.globals.keys() - {"self"}), None
    unknown = walk.unknown and (f"no {walk.unknown[0]} named {walk.unknown[1]!r}", walk.unknown[2], None)
    try:
        return frozenset(meta.find_undeclared_variables(tree)), unknown
    except Exception:  # such as an unknown filter, which does not always stop the text from being rendered
        return frozenset(), unknown


_LONGEST_READ: Final = 100_000
_INSERTING: Final = frozenset(
    [
        *("Template", "Output", "TemplateData", "Name", "Getattr", "Getitem", "Const"),
        *("If", "Test", "Not", "And", "Or"),
    ]
)
_SPECIAL: Final = frozenset({"loop", "self"})
_LEAVES: Final = frozenset({"Const", "TemplateData"})
_PLAIN: Final = frozenset(
    [
        *("Template", "Output", "If", "CondExpr", "Filter", "Test", "Getattr", "Getitem", "Slice", "Call"),
        *("Keyword", "List", "Tuple", "Dict", "Pair", "Compare", "Operand", "And", "Or", "Not", "Concat"),
        *("Neg", "Pos", "Add", "Sub", "Mul", "Div", "FloorDiv", "Mod", "Pow"),
    ]
)


@dataclass(slots=True)
class Walk:
    """One walk over a parsed template, several times as fast as jinja2's own search for variables.

    ``filters`` and ``tests`` are the known names. After ``visit``, ``names`` are the variables that come from
    outside, and ``unknown`` is the first unknown filter or test: its kind, name and line. ``is_plain`` says
    whether ``names`` can be trusted. It is false for a template with assignments, macros, blocks or anything
    else that this class does not know.
    """

    filters: Collection[str]
    tests: Collection[str]
    names: set[str] = field(default_factory=set)
    unknown: tuple[str, str, int] | None = None
    is_plain: bool = True

    def visit(self, node: Any, bound: frozenset[str] = frozenset()) -> None:
        """Walk a tree. ``bound`` are the names that the loops around it set."""
        # Node types are compared by name, so that this function need not import jinja2.
        kind = type(node).__name__
        if kind in _LEAVES:
            return
        if kind == "Name":
            if node.ctx != "load":
                self.is_plain = False
            elif node.name not in bound:
                self.names.add(node.name)
        elif kind == "For":
            self._loop(node, bound)
        else:
            if kind == "Filter" or kind == "Test":
                known = self.filters if kind == "Filter" else self.tests
                if node.name not in known and self.unknown is None:
                    self.unknown = (kind.lower(), node.name, node.lineno)
            elif kind not in _PLAIN:
                self.is_plain = False
            for name in node.fields:
                self._visit_field(getattr(node, name, None), bound)

    def _visit_field(self, value: Any, bound: frozenset[str]) -> None:
        for item in value if isinstance(value, list | tuple) else (value,):
            if hasattr(item, "fields"):
                self.visit(item, bound)

    def _loop(self, node: Any, bound: frozenset[str]) -> None:
        targets = node.target.items if type(node.target).__name__ == "Tuple" else [node.target]
        given = {getattr(target, "name", "loop") for target in targets}
        # In such loops, jinja2 has rules of its own for its special names.
        if node.recursive or node.test is not None or given & _SPECIAL:
            self.is_plain = False
        inner = bound | given | {"loop"}
        self.visit(node.iter, bound)
        self._visit_field(node.body, inner)
        self._visit_field(node.else_, bound)
        self._visit_field(node.test, inner)


# -- the engine ---------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Rendering:
    """The variables that were missing in one rendering."""

    missing: set[str] = field(default_factory=set)


_current: ContextVar[_Rendering] = ContextVar("current")
_loading = threading.Lock()


@functools.lru_cache(maxsize=512)
def _compile(text: str) -> CompiledTemplate:
    return _environment().from_string(text)


@functools.lru_cache(maxsize=1)
def _environment() -> SandboxedEnvironment:
    """Return the environment for rendering, in which templates cannot reach into Python."""
    environment = _sandbox()
    environment.undefined = _undefined()
    return environment


@functools.lru_cache(maxsize=1)
def _reader() -> SandboxedEnvironment:
    """Return the environment for reading templates, which computes nothing.

    While it looks for variables, jinja2 computes constant expressions, however large their values are.
    """
    environment = _sandbox()
    environment.filters = dict.fromkeys(environment.filters, _not_computed)
    environment.tests = dict.fromkeys(environment.tests, _not_computed)
    environment.intercepted_binops = frozenset(environment.default_binop_table)
    return environment


def _not_computed(*_: Any, **__: Any) -> Any:
    raise ValueError("known only when the template is rendered")


def _sandbox() -> SandboxedEnvironment:
    # One thread loads all of jinja2, because its modules import each other and two threads would deadlock.
    with _loading:
        import jinja2.meta
        import jinja2.sandbox
    environment = jinja2.sandbox.SandboxedEnvironment()
    del environment.globals["lipsum"]  # its text is random and of any length
    return environment


def _undefined() -> type[ChainableUndefined]:
    from jinja2 import ChainableUndefined
    from jinja2.utils import missing

    class Recorded(ChainableUndefined):
        """A missing variable counts if it is used as text or looped over, but not if it is only tested."""

        __slots__ = ()

        def _record(self) -> None:
            if self._undefined_obj is missing and self._undefined_name is not None:
                _current.get().missing.add(self._undefined_name)

        def __str__(self) -> str:
            self._record()
            return super().__str__()

        def __iter__(self) -> Any:
            self._record()
            return super().__iter__()

    return Recorded
