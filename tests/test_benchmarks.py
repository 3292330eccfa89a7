"""``make bench`` counts correctly. How long anything takes is not tested."""

from __future__ import annotations

import importlib
from functools import partial
from operator import attrgetter
from pathlib import Path

from benchmarks import world
from benchmarks.__main__ import PARTS
from benchmarks.instrument import PHASES
from benchmarks.measure import KEY, Run, promptsync
from benchmarks.registry import counted, serving
from promptsync.registry.promptlayer.client import PromptLayer

RUN = Run(seconds=0.2, megabytes=50, out="", cpu=0.1, requests=3)


def test_a_row_is_measured(tmp_path: Path) -> None:
    row = next(PARTS["start"](tmp_path, quick=True))
    assert row.work == "--version"
    assert row.run is not None and row.run.out.startswith("promptsync")


def test_requests_and_reads_of_versions_are_counted(tmp_path: Path) -> None:
    world.publish(tmp_path / "registry.db", world.prompts(3), "Import")
    with (
        serving(tmp_path / "registry.db", 0) as url,
        PromptLayer(url, KEY["PROMPTLAYER_API_KEY"]) as registry,
    ):

        def read() -> Run:
            for one in registry.prompts.list():
                registry.prompts.get(one.template_id, one.name, version=one.version)
            return RUN

        run = counted(url, read)
        assert (run.requests, run.reads) == (4, 3)
        root = world.working_copy(tmp_path / "root", url)
        pulled = counted(url, partial(promptsync, root, "pull"))
        assert pulled.reads == 3 < pulled.requests


def test_the_functions_that_the_profile_measures_exist() -> None:
    for function in (name for names in PHASES.values() for name in names):
        module, _, path = function.partition(":")
        assert callable(attrgetter(path)(importlib.import_module(f"promptsync.{module}"))), function
