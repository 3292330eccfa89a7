"""The loader in a process of its own: what it imports, threads that hang, exits and forks."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from bundles import response, write_bundle
from scripted_registry import Reply, Scripted, Seen, reusing, serving

from promptsync import runtime

pytest.importorskip("promptlayer")

ROOT = Path(__file__).parents[2]
CLIENT = """
import sys, threading, promptlayer
from promptsync.runtime import Prompts
client = promptlayer.PromptLayer("pl_test", base_url=sys.argv[1])
"""


def outside(script: str, *arguments: str, cwd: Path | None = None, path: str = str(ROOT)) -> str:
    """What a script prints that succeeds; the limit of time is for a process that does not end."""
    command = [sys.executable, "-P", "-W", "ignore", "-c", script, *arguments]
    process = subprocess.run(
        command, cwd=cwd, env={"PYTHONPATH": path}, capture_output=True, text=True, timeout=100, check=False
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


def test_the_import_loads_nothing_but_the_standard_library() -> None:
    script = "import sys; old = set(sys.modules); import promptsync.runtime; print(*set(sys.modules) - old)"
    names = set(outside(script).split())
    others = {name for name in names if name.partition(".")[0] not in sys.stdlib_module_names}
    assert others == {"promptsync", "promptsync.runtime"}
    assert names & {"asyncio", "dataclasses", "email", "http", "inspect", "socket", "ssl"} == set()


def test_a_copy_of_the_file_works_alone(tmp_path: Path) -> None:
    shutil.copy(runtime.__file__, tmp_path / "prompts.py")
    write_bundle(tmp_path / "prompts.json", response(version=7))
    script = """
import sys, promptlayer
import prompts
client = promptlayer.PromptLayer("pl_test", base_url=sys.argv[1])
loader = prompts.Prompts(client)
prompt = loader.get("support/refund", input_variables={"text": "Hi"})
print(prompt.source, prompt["version"], [name for name in sys.modules if name.startswith("promptsync")])
"""
    with reusing(Scripted(Reply(["garbage"]))) as url:
        assert outside(script, url, cwd=tmp_path, path=str(tmp_path)) == "bundle 7 []\n"


def never_answered(script: str, bundle: Path) -> tuple[str, int]:
    """What a script prints whose registry answers no request, and how many it got."""
    seen: list[Seen] = []
    end = threading.Event()

    def react(request: Seen) -> Reply:
        seen.append(request)
        end.wait()
        return Reply()

    with serving(react) as url:
        try:
            return outside(script, url, str(write_bundle(bundle))), len(seen)
        finally:
            end.set()


def test_threads_that_hang_are_bounded_and_an_exit_does_not_wait_for_them(tmp_path: Path) -> None:
    """The server sees at most a request for each thread, and none in the pause."""
    script = f"""{CLIENT}
prompts = Prompts(client, sys.argv[2], timeout=0.2, retry_after=1000)
sources = []
def load(): sources.append(prompts.get("support/refund").source)
threads = [threading.Thread(target=load) for _ in range(100)]
for thread in threads: thread.start()
for thread in threads: thread.join()
before = threading.active_count()
for _ in range(100): assert prompts.get("support/refund").reason == "paused after: no answer in 0.2 s"
print(set(sources), len(sources), threading.active_count() <= before <= 101, prompts.counts["bundle"])
"""
    printed, requests = never_answered(script, tmp_path / "prompts.json")
    assert printed == "{'bundle'} 100 True 200\n" and 1 <= requests <= 100


def test_the_more_calls_hang_the_longer_is_the_pause(tmp_path: Path) -> None:
    script = f"""{CLIENT}
from promptsync import runtime
class Clock:
    now = 1000.0
    def monotonic(self): return self.now
runtime.time = clock = Clock()
prompts = Prompts(client, sys.argv[2], timeout=0.05, retry_after=10)
for seconds in (0, 9, 2, 9, 2, 11, 10):
    clock.now += seconds
    print(prompts.get("support/refund").reason[:6])
"""
    printed, _ = never_answered(script, tmp_path / "prompts.json")
    assert printed.split("\n")[:-1] == ["no ans", "paused", "no ans", "paused", "paused", "no ans", "paused"]


def test_a_fork_is_independent_of_the_threads_of_its_parent(tmp_path: Path) -> None:
    script = f"""{CLIENT}
import os
from promptsync import runtime
prompts = Prompts(client, sys.argv[2])
held, end = threading.Event(), threading.Event()
def hold():
    with runtime._lock:
        held.set()
        end.wait()
threading.Thread(target=hold).start()
held.wait()
child = os.fork()
if child == 0:
    print(prompts.get("support/refund").source, flush=True)
    os._exit(0)
print(os.waitpid(child, 0)[1], flush=True)
end.set()
"""
    with reusing(Scripted(Reply(response()))) as url:
        assert outside(script, url, str(write_bundle(tmp_path / "prompts.json"))) == "registry\n0\n"


def test_a_prompt_can_be_loaded_while_the_process_exits(tmp_path: Path) -> None:
    """Some generations of Python start no thread then; the bundle answers."""
    script = f"""{CLIENT}
import atexit
prompts = Prompts(client, sys.argv[2])
atexit.register(lambda: print(prompts.get("support/refund")["version"]))
"""
    with reusing(Scripted(Reply(response(version=7)))) as url:
        bundle = write_bundle(tmp_path / "prompts.json", response(version=7))
        assert outside(script, url, str(bundle)) == "7\n"
