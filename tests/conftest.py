"""What all tests have in common: examples, git, directories in memory, and the empty world."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from forked import poll_at_once
from gitcopy import GITCONFIG
from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import providers
from posix_tests import HAS_POSIX, POSIX_TESTS
from seeds import EXAMPLES
from worlds import World, made

HERE = Path(__file__).parent

poll_at_once()

# How long an example takes says more about the machine than about what is tested. The suite decides what
# lands, so it tries the same few examples each time; make fuzz tries others.
settings.register_profile("fuzz", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("suite", settings.get_profile("fuzz"), derandomize=True, max_examples=EXAMPLES)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))

# Examples contain constants of the modules that are imported, which differ with the tests that ran before.
assert callable(providers._get_local_constants)
providers._get_local_constants = lambda: providers._local_constants

os.environ |= {"GIT_CONFIG_GLOBAL": GITCONFIG, "GIT_CONFIG_NOSYSTEM": "1"}

# Some containers set this. Each process would compile the tests, promptsync and the SDKs again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# The tests make hundreds of repositories and databases, which is much faster in memory than on a disk. They
# need half a gigabyte and run programs there.
MEMORY = "/dev/shm"
if (
    HAS_POSIX
    and "TMPDIR" not in os.environ
    and os.access(MEMORY, os.W_OK | os.X_OK)
    and shutil.disk_usage(MEMORY).free > 4 << 30
    and not os.statvfs(MEMORY).f_flag & os.ST_NOEXEC
):
    os.environ["TMPDIR"] = tempfile.tempdir = MEMORY

# What a shell runs in the background ignores Ctrl-C, and every program that a test starts would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    # These may import modules that exist in POSIX only.
    name = collection_path.relative_to(HERE).as_posix() if HERE in collection_path.parents else ""
    return True if not HAS_POSIX and name in POSIX_TESTS else None


def pytest_collection() -> None:
    gc.disable()  # nearly all that a collection of tests makes stays; looking for the rest takes seconds


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        name = item.path.relative_to(HERE).as_posix()
        if item.get_closest_marker("lane") is not None:
            item.add_marker(pytest.mark.timeout(900))
        reason = POSIX_TESTS.get(f"{name}::{getattr(item, 'originalname', item.name)}")
        if reason is not None and not HAS_POSIX:
            item.add_marker(pytest.mark.skip(reason=f"needs POSIX: {reason}"))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """An empty working copy in git with an empty registry; waits between attempts are next to nothing."""
    with made(tmp_path) as world:
        yield world


@pytest.fixture
def local(world: World) -> World:
    """The same with a registry in its private directory, which ``world.call`` does not reach."""
    world.put("promptsync.yaml", 'remotes: {local: {url: "local:"}}\n')
    return world
