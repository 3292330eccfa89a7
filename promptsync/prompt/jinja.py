"""Jinja2 templates: their variables, what is wrong with them, and rendering in a sandbox with limits.

This is the only module that imports jinja2, and only once a text has jinja2 markup.
"""

from __future__ import annotations

import functools
import re
import threading
from collections.abc import Callable, Collection, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from promptsync.prompt import limits

if TYPE_CHECKING:
    from jinja2 import ChainableUndefined
    from jinja2 import Template as CompiledTemplate
    from jinja2.compiler import CodeGenerator
    from jinja2.sandbox import SandboxedEnvironment

_MARKUP = re.compile(r"\{[{%#]")


def variables(text: str) -> frozenset[str]:
    """Return the variables that a text needs from outside; a broken text has none."""
    return _examined(text)[0] if _MARKUP.search(text) else frozenset()


def syntax_error(text: str) -> tuple[str, int, int | None] | None:
    """Return what is wrong with a text, with its line; the column is unknown."""
    return _examined(text)[1] if _MARKUP.search(text) else None


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
    environment = _environment()
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


# -- the sandbox --------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Rendering:
    """The variables that were missing and the steps so far, in one rendering."""

    missing: set[str] = field(default_factory=set)
    steps: int = 0


_current: ContextVar[_Rendering] = ContextVar("current")
_loading = threading.Lock()


@functools.lru_cache(maxsize=512)
def _compile(text: str) -> CompiledTemplate:
    return _environment().from_string(text)


@functools.lru_cache(maxsize=1)
def _environment() -> SandboxedEnvironment:
    # All of jinja2 at once: its modules import each other, and two threads would deadlock.
    with _loading:
        import jinja2.meta
        import jinja2.sandbox  # noqa: F401
    environment = _sandbox()(undefined=_undefined())
    environment.filters = {
        name: limits.bounded_filter(name, function) for name, function in environment.filters.items()
    }
    del environment.globals["lipsum"]  # its text is random and of any length
    return environment


def _sandbox() -> type[SandboxedEnvironment]:
    from jinja2.sandbox import SandboxedEnvironment

    class Sandbox(SandboxedEnvironment):
        intercepted_binops = frozenset(("*", "**", "+", "%"))
        code_generator_class = _code_generator()
        concat = staticmethod(limits.join)

        def step(self) -> str:
            """Count one loop body; the text that it contributes is empty."""
            run = _current.get()
            run.steps += 1
            limits.check_steps(run.steps)
            return ""

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
            limits.check_binary(operator, left, right)
            return super().call_binop(context, operator, left, right)

        # As in the base class, the odd names cannot clash with a template's own keyword arguments.
        def call(__self, __context: Any, __obj: Any, *args: Any, **kwargs: Any) -> Any:
            limits.check_call(__obj, (*args, *kwargs.values()))
            return super().call(__context, __obj, *args, **kwargs)

        def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
            wrapped = super().wrap_str_format(value)
            if wrapped is None:
                return None

            def call(*args: Any, **kwargs: Any) -> str:
                limits.check_format(value.__self__, (*args, *kwargs.values()))
                return wrapped(*args, **kwargs)

            return call

    return Sandbox


def _code_generator() -> type[CodeGenerator]:
    from jinja2.compiler import CodeGenerator

    class Bounded(CodeGenerator):
        def blockvisit(self, nodes: Any, frame: Any) -> None:
            # jinja2 has no hook for loops, so each compiled block starts with a call that counts it.
            self.writeline("environment.step()")
            super().blockvisit(nodes, frame)

        # The compiled ~ operator joins its parts without any limit on their length.
        def visit_Concat(self, node: Any, frame: Any) -> None:
            self.write("environment.concat((")
            for part in node.nodes:
                self.visit(part, frame)
                self.write(", ")
            self.write("))")

    return Bounded


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
