"""Puts the helpers of tests/registry and tests/prompt, which other tests share, on the import path."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

sys.path += [str(Path(__file__).parent / room) for room in ("registry", "prompt")]

from worlds import World, made

# How long an example takes says more about the machine than about what is tested. The suite decides what
# lands, so it tries the same examples each time; make fuzz tries others.
settings.register_profile("fuzz", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("suite", settings.get_profile("fuzz"), derandomize=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))

# What somebody configured for their own git is no part of a test.
os.environ |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}

# What a shell runs in the background ignores Ctrl-C, and every program that a test starts would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """An empty working copy in git with an empty registry; waits between attempts are next to nothing."""
    with made(tmp_path) as world:
        yield world
