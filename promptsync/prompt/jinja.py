"""Jinja2 templates: their variables, what is wrong with them, and rendering in a sandbox.

This is the only module that imports jinja2, and only once a text has jinja2 markup.
"""

from __future__ import annotations

import functools
import re
import threading
from collections.abc import Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from promptsync.prompt import limits

if TYPE_CHECKING:
    from jinja2 import ChainableUndefined
    from jinja2 import Template as CompiledTemplate
    from jinja2.sandbox import SandboxedEnvironment

_MARKUP = re.compile(r"\{[{%#]")


def variables(text: str) -> frozenset[str]:
    """Return the variables that a text needs from outside; a broken text has none."""
    return _variables(text) if _MARKUP.search(text) else frozenset()


def syntax_error(text: str) -> tuple[str, int, int | None] | None:
    """Return what is wrong with a text, with its line; the column is unknown."""
    return _error(text) if _MARKUP.search(text) else None


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
    token = _missing.set(set())
    try:
        return limits.join(_compile(text).generate(values)), frozenset(_missing.get())
    finally:
        _missing.reset(token)


# -- reading a template -------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=1024)
def _variables(text: str) -> frozenset[str]:
    from jinja2 import TemplateError, meta

    try:
        return frozenset(meta.find_undeclared_variables(_reader().parse(text)))
    except (TemplateError, RecursionError, MemoryError, ValueError, OverflowError):
        return frozenset()  # an unknown filter does not always stop the text from being rendered


@functools.lru_cache(maxsize=1024)
def _error(text: str) -> tuple[str, int, int | None] | None:
    environment = _reader()
    from jinja2 import TemplateSyntaxError, nodes

    try:
        for node in environment.parse(text).find_all((nodes.Filter, nodes.Test)):
            kind = type(node).__name__.lower()
            known = environment.filters if kind == "filter" else environment.tests
            if node.name not in known:
                return f"no {kind} named {node.name!r}", node.lineno, None
    except TemplateSyntaxError as error:
        return error.message or "syntax error", error.lineno, None
    except (RecursionError, MemoryError):
        return "it nests too deeply", 1, None
    except (ValueError, OverflowError) as error:
        return str(error), 1, None
    return None


_LONGEST_READ: Final = 100_000
_INSERTING: Final = frozenset(
    [
        *("Template", "Output", "TemplateData", "Name", "Getattr", "Getitem", "Const"),
        *("If", "Test", "Not", "And", "Or"),
    ]
)


# -- the engine ---------------------------------------------------------------------------------------------


_missing: ContextVar[set[str]] = ContextVar("missing")
"""The variables that one rendering used without having a value for them."""
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
                _missing.get().add(self._undefined_name)

        def __str__(self) -> str:
            self._record()
            return super().__str__()

        def __iter__(self) -> Any:
            self._record()
            return super().__iter__()

    return Recorded
