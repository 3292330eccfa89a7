"""Without POSIX the package and its tests can be imported, and the tests that need it are skipped by name."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from posix_tests import POSIX_TESTS

HERE = Path(__file__).parent
MODULES = {"fcntl", "pty", "resource", "termios"}
NAMES = {
    *("fork", "geteuid", "killpg", "mkfifo", "openpty", "raise_signal", "send_signal", "setrlimit"),
    *("statvfs", "symlink_to", "SIGHUP", "SIGKILL"),
}
"""What needs POSIX, or does something else on Windows."""
WORD = re.compile("|".join([*MODULES, *NAMES, r"os\.kill", "/dev/full"]))


def uses_posix(node: ast.AST) -> bool:
    for one in ast.walk(node):
        is_kill = isinstance(one, ast.Attribute) and one.attr == "kill" and ast.unparse(one) == "os.kill"
        if is_kill or (isinstance(one, ast.Attribute) and one.attr in NAMES):
            return True
        if isinstance(one, ast.Import) and MODULES & {name.name for name in one.names}:
            return True
        text = one.value if isinstance(one, ast.Constant) and isinstance(one.value, str) else ""
        if text == "/dev/full" or "import resource" in text:
            return True
    return False


def needing_posix(tree: ast.Module) -> Iterator[str]:
    """The tests of a file that need POSIX: by themselves, or through what they use of the file."""
    named = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    found = {name for name, node in named.items() if uses_posix(node)}
    mentioned = {
        name: {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}
        | {one.arg for one in ast.walk(node) if isinstance(one, ast.arg)}
        for name, node in named.items()
    }
    while more := {name for name, others in mentioned.items() if others & found} - found:
        found |= more
    everything = any(uses_posix(node) for node in tree.body if node not in named.values())
    yield from (name for name in named if name.startswith("test_") and (everything or name in found))


def test_the_tests_that_need_posix_are_listed_and_what_is_listed_exists() -> None:
    files = (file for file in HERE.rglob("test_*.py") if file != Path(__file__))
    sources = {file.relative_to(HERE).as_posix(): file.read_text("utf-8") for file in files}
    needing = {
        f"{file}::{test}"
        for file, text in sources.items()
        if file not in POSIX_TESTS and WORD.search(text)
        for test in needing_posix(ast.parse(text))
    }
    assert needing - POSIX_TESTS.keys() == set()
    tests = {
        f"{file}::{test}"
        for file, text in sources.items()
        for test in re.findall(r"(?m)^def (test_\w+)", text)
    }
    assert POSIX_TESTS.keys() - sources.keys() - tests == set()


IMPORT_ALL = """
import without_posix, pkgutil, importlib, promptsync
for one in pkgutil.walk_packages(promptsync.__path__, "promptsync."):
    importlib.import_module(one.name)
"""


def run(*arguments: str) -> str:
    """Run Python with the tests on its path; it has to succeed. Returns what it printed."""
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join((str(HERE), str(HERE.parent)))}
    command = [sys.executable, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=HERE.parent, env=environ)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return done.stdout


def test_every_module_can_be_imported_without_what_only_posix_has() -> None:
    run("-c", IMPORT_ALL)


# filelock, which some tests use, says that it has no lock on such a system; Windows has one.
WITHOUT_POSIX = ("-W", "ignore:only soft file lock", "-p", "without_posix", "-p", "no:cacheprovider")


@pytest.mark.lane
def test_without_posix_every_test_file_that_is_not_listed_can_be_collected() -> None:
    lines = run("-m", "pytest", "--collect-only", "-q", *WITHOUT_POSIX).splitlines()
    collected = {line.partition("::")[0].removeprefix("tests/") for line in lines}
    assert "files/test_disk.py" in collected
    assert collected.isdisjoint(POSIX_TESTS)
