"""Which module may import what, and what each verb loads."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import promptsync

PACKAGE = Path(promptsync.__file__).parent

PURE = {"prompt", "lint", "history", "declarations"}
"""Rooms that compute: values in, values out."""

_READ = PURE | {"files", "registry", "parallel", "rendering"}
_ACT = _READ | {"project", "compare", "labels"}

MAY_USE: dict[str, set[str]] = {
    "terminal": set(),
    "parallel": set(),
    "prompt": set(),
    "lint": {"prompt", "files"},
    "history": {"prompt"},
    "rendering": {"prompt"},
    "declarations": {"prompt"},
    "files": {"prompt", "history"},
    "registry": {"prompt", "parallel"},
    "server": {"prompt", "rendering", "parallel"},
    "relay": {"prompt", "files"},
    "project": _READ,
    "compare": _READ | {"project"},
    "labels": _READ | {"project", "compare"},
    "push": _ACT,
    "pull": _ACT,
    "checks": _ACT,
    "bundle": _ACT,
    "deploy": _ACT | {"push", "checks"},
    "setup": _ACT | {"pull", "checks"},
    "show": _ACT | {"push", "pull", "bundle", "checks", "deploy", "setup", "terminal"},
    "commands": _ACT
    | {"push", "pull", "bundle", "checks", "deploy", "setup", "server", "relay", "show", "terminal"},
    "cli": {"commands", "show", "terminal", "registry"},
    "runtime": set(),
    "__main__": {"cli"},
}
"""Room to the rooms that its modules may import; ``errors`` and the room itself always."""

INSIDE_FUNCTIONS = {("registry/open.py", "server")}
"""What may be imported all the same, but not while the module is loaded."""

FROM_ONE_MODULE = {("server/checks/fixtures.py", "files")}
"""What a single module may import, which is loaded only when it is needed."""

PROMPTLAYER = [f"promptlayer/{name}" for name in ("connection", "http")]

OWNERS = {
    "jinja2": {"prompt/jinja.py", "show/result_files.py"},
    "deepdiff": {"prompt/fields.py"},
    "jsonschema_rs": {"files/schema.py", "prompt/contract.py"},
    "httpx": {f"registry/{name}.py" for name in ("open", *PROMPTLAYER)}
    | {"server/checks/models.py", "relay.py"},
    "werkzeug": {"server/routes.py", "server/http.py", "server/serve.py", "relay.py"},
    "uvicorn": {"server/serve.py"},
    "filelock": {"files/disk.py"},
    "opentelemetry": {"server/tracking/spans.py"},
    "google": {"server/tracking/spans.py"},
}
"""Heavy libraries, each with the one module that loads it."""


class Import(NamedTuple):
    """One import: where it stands, what it names, and whether a function or a type checker has to ask."""

    module: str
    line: int
    name: str
    deferred: bool
    typing: bool


SOURCES = {
    path.relative_to(PACKAGE).as_posix(): path.read_bytes().decode() for path in sorted(PACKAGE.rglob("*.py"))
}
MODULES = {path: ast.parse(text) for path, text in SOURCES.items()}


def layer(name: str) -> str:
    """The layer of a module of the package, given by its path or its dotted name without the package."""
    return name.removesuffix(".py").replace("/", ".").split(".")[0]


def imports(path: str, node: ast.AST, *, deferred: bool = False, typing: bool = False) -> Iterator[Import]:
    """The imports below a node of a module."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            assert not getattr(child, "level", 0), f"{path}:{child.lineno} is a relative import"
            start = f"{child.module}." if isinstance(child, ast.ImportFrom) else ""
            for alias in child.names:
                yield Import(path, child.lineno, start + alias.name, deferred, typing)
        elif not isinstance(child, ast.expr):
            is_guard = isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"
            is_function = isinstance(child, ast.FunctionDef)
            yield from imports(path, child, deferred=deferred or is_function, typing=typing or is_guard)


IMPORTS = [one for path, tree in MODULES.items() for one in imports(path, tree)]


def test_every_module_belongs_to_a_layer() -> None:
    known = {*MAY_USE, "errors", "__init__"}
    assert {layer(path) for path in MODULES} <= known


def test_the_arrows_between_the_layers_go_in_one_direction() -> None:
    broken = []
    for one in IMPORTS:
        package, _, rest = one.name.partition(".")
        ours, theirs = layer(one.module), layer(rest)
        allowed = {"", "__version__", ours, "errors", *MAY_USE.get(ours, set())}
        excused = {*FROM_ONE_MODULE, *(INSIDE_FUNCTIONS if one.deferred else ())}
        if package == "promptsync" and theirs not in allowed and (one.module, theirs) not in excused:
            broken.append(one)
    assert broken == []


def test_nothing_but_the_module_that_opens_it_knows_the_client_of_promptlayer() -> None:
    room = "registry/promptlayer/"
    known = {one.module for one in IMPORTS if one.name.startswith("promptsync.registry.promptlayer")}
    # Checks, tables and tracking have PromptLayer's classes as their types.
    others = {"registry/open.py", "registry/protocol.py"}
    assert {module for module in known if not module.startswith(room)} == others


def test_everything_else_works_without_the_client_of_promptlayer() -> None:
    """A second registry is a folder beside it and a line in ``open.py``."""
    without = ("registry/promptlayer/", "registry/open.py", "__main__.py")
    paths = [path.removesuffix(".py") for path in MODULES if not path.startswith(without)]
    names = ["promptsync." + path.replace("/", ".").removesuffix(".__init__") for path in paths]
    script = (
        "import importlib, sys\n"
        "for name in ('promptlayer', 'open'):\n"
        "    sys.modules[f'promptsync.registry.{name}'] = None\n"
        "for name in sys.argv[1:]:\n"
        "    importlib.import_module(name)\n"
    )
    subprocess.run([sys.executable, "-c", script, *names], check=True)


@pytest.mark.parametrize(("library", "owners"), OWNERS.items(), ids=list(OWNERS))
def test_a_heavy_library_is_loaded_by_its_one_module(library: str, owners: set[str]) -> None:
    users = {one.module for one in IMPORTS if one.name.split(".")[0] == library and not one.typing}
    assert users == owners


def test_what_only_some_runs_need_is_loaded_inside_functions() -> None:
    deferred = {"jinja2", "deepdiff", "filelock", "uvicorn"}
    at_once = (one for one in IMPORTS if not one.deferred and not one.typing)
    names = ((one, one.name.split(".")[0]) for one in at_once)
    early = [one for one, name in names if name in deferred or "promptsync.server.serve" in one.name]
    assert early == []


def test_only_the_command_line_reads_the_environment() -> None:
    word = re.compile(r"\bos\.(environb?|getenv)\b|\bfrom os import")
    # The process that renders gets an environment without keys.
    assert {path for path, text in SOURCES.items() if word.search(text)} == {"cli.py", "rendering.py"}


def _calls(tree: ast.Module) -> set[str]:
    names = (node.func for node in ast.walk(tree) if isinstance(node, ast.Call))
    return {ast.unparse(name) for name in names if isinstance(name, ast.Name | ast.Attribute)}


def test_no_source_contains_control_characters() -> None:
    """An escape such as ``\\b`` is visible to a reader, the character itself is not."""
    control = re.compile("[\x00-\x08\x0b-\x1f\x7f]")
    assert [path for path, text in SOURCES.items() if control.search(text)] == []


def test_only_the_edge_prints_and_exits() -> None:
    calls = {path: _calls(tree) for path, tree in MODULES.items()}
    assert [path for path, names in calls.items() if names & {"print", "exit", "quit", "os._exit"}] == []
    assert [path for path, names in calls.items() if "sys.exit" in names] == ["cli.py"]


def test_the_library_does_not_know_the_command_line() -> None:
    users = {layer(one.module) for one in IMPORTS if one.name.split(".")[0] == "click"}
    assert users <= {"commands", "cli", "__main__", "terminal", "show"}


def test_pure_rooms_do_no_input_and_no_output() -> None:
    outside = {"os", "io", "pathlib", "subprocess", "socket", "time", "random", "tempfile", "shutil"}
    ours = [one for one in IMPORTS if layer(one.module) in PURE]
    assert [one for one in ours if one.name.split(".")[0] in outside] == []
    assert [path for path, tree in MODULES.items() if layer(path) in PURE and "open" in _calls(tree)] == []


def test_a_public_class_name_means_one_thing() -> None:
    places: dict[str, list[str]] = {}
    for path, tree in MODULES.items():
        for node in tree.body if path != "runtime.py" else []:  # its names are for applications
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places.setdefault(node.name, []).append(path)
    assert {name: paths for name, paths in places.items() if len(paths) > 1} == {}


# -- what is loaded ------------------------------------------------------------------------------------------

START = {"promptsync", "click"}
FILES = {"yaml", "_yaml", "jsonschema_rs", "msgspec", "typing_extensions"}
LINT = START | FILES | {"jinja2", "markupsafe"}
SERVER = {"werkzeug", "markupsafe"}
NETWORK = {"httpx", "httpcore", "h11", "anyio", "certifi", "idna", "msgspec"}
NETWORK |= {"pygments", "rich"}  # which httpx loads where another package installs them

_RUN = """
import json, sys
before = set(sys.modules)
from promptsync.cli import run
code = run(sys.argv[1:], {"PROMPTLAYER_API_KEY": "pl_test", **{environ}})
new = [name for name, module in sys.modules.items() if module is not None and name not in before]
sys.stderr.write("\\n" + json.dumps([code, new]))
"""


def modules_loaded(root: Path, *arguments: str, **environ: str) -> list[str]:
    """All modules that a run loads; it must succeed."""
    command = [sys.executable, "-c", _RUN.replace("{environ}", repr(environ)), *arguments]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    code, names = json.loads(done.stderr.splitlines()[-1])
    assert code == 0, done.stdout + done.stderr
    return [str(name) for name in names]


@pytest.fixture(scope="module")
def aligned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A committed working copy that is in sync with a registry of its own."""
    root = tmp_path_factory.mktemp("aligned")
    (root / "prompts").mkdir()
    (root / "promptsync.yaml").write_text("prompts: prompts\n", "utf-8")
    (root / "prompts" / "one.yaml").write_text("messages: [{role: user, content: 'Hello {name}'}]\n", "utf-8")
    (root / "prompts" / "two.yaml").write_text("template_format: jinja2\ncontent: Hi {{ x }}\n", "utf-8")
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    modules_loaded(root, "push")
    return root


LINES = ("promptsync ", "promptsync show a@", "promptsync eval run ")

LOADED: list[tuple[str, dict[str, str], set[str]]] = [
    ("--help", {}, START),
    ("--version", {}, START),
    ("lint", {}, LINT),
    *(("", {"_PROMPTSYNC_COMPLETE": "bash_complete", "COMP_WORDS": line}, START | FILES) for line in LINES),
    ("--json status", {}, START | FILES | SERVER | NETWORK),
    ("push", {}, START | FILES | SERVER | NETWORK | {"filelock"}),
]
"""The arguments, the environment, and what they may load at most in a tree that is in sync."""


NEEDLESS = ("checks", "deploy", "labels", "lint", "pull", "push", "setup")
"""Rooms that a tree in sync does not need, because nothing differs."""


@pytest.mark.parametrize(("line", "environ", "most"), LOADED)
def test_a_run_loads_nothing_that_it_does_not_need(
    aligned: Path, line: str, environ: dict[str, str], most: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if "COMP_WORDS" in environ:  # click itself reads these
        monkeypatch.setenv("COMP_WORDS", environ["COMP_WORDS"])
        monkeypatch.setenv("COMP_CWORD", str(len(environ["COMP_WORDS"].split())))
    names = modules_loaded(aligned, *line.split(), **environ)
    libraries = {name.split(".")[0] for name in names} - sys.stdlib_module_names
    # What compiled modules bring along does not count.
    assert {name for name in libraries if "cython" not in name} <= most
    if "status" in line:
        rooms = {layer(name.removeprefix("promptsync.")) for name in names if name.startswith("promptsync.")}
        assert rooms.isdisjoint(NEEDLESS)
