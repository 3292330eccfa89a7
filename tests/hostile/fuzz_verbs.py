"""Runs every verb on hostile inputs in this process, and prints a line of JSON for each.

``PYTHONPATH=tests:tests/registry python tests/hostile/fuzz_verbs.py SEED``. The process limits its own
memory, so that a verb that takes too much fails.
"""

from __future__ import annotations

import contextlib
import faulthandler
import io
import json
import re
import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path
from random import Random

import materials
from evaluation_files import contains, declared, evaluation
from scripted_registry import KEY, Reply, Seen
from worlds import World, made

from promptsync.cli import run
from promptsync.registry.protocol import Timeouts

MEGABYTES = 1_500
"""Address space, with all threads of the registry on the other side."""
SECONDS = 60
"""For one verb. It is a ceiling that only an endless loop meets, not a measurement."""

VERBS = re.split(
    "; |\n",
    """\
status; status -v --json; status --offline; mv support/refund support/return; diff --since HEAD~1
status --label prod; diff; diff --format markdown; diff support/refund@1; lint; lint --format github
types --lang python; log support/refund -p; ls-remote --status all; search -i refund
open support/refund; show support/refund; render support/refund --var name=x; render ask --from-registry
push -n; pull -n; pull; pull --merge; pull --markers --merge --partial; pull --passed-over --partial
pull --theirs ask; pull --prune -y; pull --version 1; pull --output out; push; push --partial
push ask --force -y; push --prune -y; push --label x; deploy -n; deploy -y
promote prod live; rollback --label prod --to HEAD; rollback ask --label prod; bump support/tone
bundle --label prod; bundle --from HEAD; bundle --check bundle.json; label list; label set ask x
label move ask prod; label delete ask x; eval list; eval run --changed; agent list; agent run helper
dataset list; track request request.json; track metadata 1 a=b; doctor; schema prompt; init
init --from-remote; completion bash""",
)

KINDS = ("files", "registry", "git", "private", "environment")

FIXTURES = declared(
    "agents: [{name: helper, nodes: [{name: answer, prompt: {name: ask}, output: true}]}]",
    evaluation("quality", "ask", [{"name": "x", "expect": "y"}], contains(column="expect")),
)


def main(seed: int) -> None:
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    resource.setrlimit(resource.RLIMIT_AS, (MEGABYTES * 2**20,) * 2)
    random = Random(seed)
    with tempfile.TemporaryDirectory() as directory, made(Path(directory), fixtures=FIXTURES) as world:
        world.timeouts = Timeouts(answer=2, first_retry=0.001, read_back=0.01)
        _fill(world)
        before = _names(directory)
        for verb in VERBS:
            _one(world, random, verb)
        _say(outside=_names(directory) == before, peak=_peak())


def _say(**values: object) -> None:
    sys.stdout.write(json.dumps(values) + "\n")


def _names(directory: str) -> list[str]:
    return sorted(path.name for path in Path(directory).iterdir())


def _fill(world: World) -> None:
    world.write("support/refund", "Refund @@@support/tone@@@ {name}", tags=["a"], evaluations=["quality"])
    world.write("support/tone", content="Be kind.")
    world.write("ask", "Ask {name}", template_format="jinja2", agents=["helper"], examples=[{"name": "Ann"}])
    (world.root / "request.json").write_text('{"provider": "openai", "model": "x"}')
    world.commit()
    world.ok("push")
    world.ok("label", "set", "ask", "prod")
    world.ok("bundle", "--label", "prod", "-o", "bundle.json")
    world.edit("ask", "Ask", "Please ask")
    world.commit()
    world.publish("support/refund", "Theirs {name}")
    world.ok("status")


def _one(world: World, random: Random, verb: str) -> None:
    """Run a verb in a copy of the working copy in which something is broken."""
    whole = world.root
    world.root = whole.parent / "broken" / "copy"
    shutil.copytree(whole, world.root, symlinks=True)
    kinds = random.sample(KINDS, random.choice((1, 1, 1, 2, len(KINDS))))
    environ = {"PROMPTLAYER_API_KEY": KEY, "HOME": str(whole.parent)}
    try:
        if "git" in kinds:
            materials.break_git(random, world.root, world.git)
        if "files" in kinds:
            materials.break_files(random, world.root)
        if "private" in kinds:
            materials.break_private_files(random, world.root)
        if "environment" in kinds:
            environ |= materials.environment(random)
        if "registry" in kinds:
            answers = Random(random.randrange(1 << 30))
            share = random.choice((0.1, 0.5, 1.0))

            def hostile(seen: Seen, forward: object) -> Reply | None:
                if answers.random() > share:
                    return None
                reply = world.forward(seen)
                status, content, headers = materials.broken_answer(answers, reply.status, reply.content)
                return Reply(content, status, headers)

            world.faults.append(hostile)
        _say(verb=verb, kinds=kinds, **_run(world, verb, environ))
    finally:
        world.faults.clear()
        shutil.rmtree(world.root.parent)
        world.root = whole


def _run(world: World, verb: str, environ: dict[str, str]) -> dict[str, object]:
    out, err = io.StringIO(), io.StringIO()
    began = time.monotonic()
    faulthandler.dump_traceback_later(SECONDS, exit=True)
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), contextlib.chdir(world.root):
        code = run(verb.split(), environ, timeouts=world.timeouts)
    faulthandler.cancel_dump_traceback_later()
    return {
        "code": code,
        "seconds": round(time.monotonic() - began, 2),
        "traceback": "Traceback" in err.getvalue(),
        "said": err.getvalue()[-300:] if code in (2, 3, 4, 5, 70) else "",
    }


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


if __name__ == "__main__":
    main(int(sys.argv[1]))
