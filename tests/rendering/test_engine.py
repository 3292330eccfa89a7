"""Hostile templates: whatever they do, rendering ends with a reason, and memory stays within its limit."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import json_values

from promptsync import rendering
from promptsync.prompt.limits import MEGABYTES
from promptsync.prompt.template import is_bounded
from promptsync.prompt.template import render as render_here
from promptsync.rendering import Engine, render_template

F, J = "f-string", "jinja2"
SECONDS = 0.5
MEMORY = f"rendering needs more than {MEGABYTES} MB of memory"
TIME = f"rendering takes longer than {SECONDS:g} seconds"
LENGTH = "it renders to more than 5,000,000 characters"

HOSTILE = {
    "a list of long texts": (J, "{{ ['a'*1000000]*100000 }}"),
    "a join": (J, "{{ (['a'*1000]*100000)|join('b'*100000) }}"),
    "nested loops": (J, "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"),
    "a list of a range": (J, "{{ range(10**9)|list }}"),
    "center": (J, "{{ 'a'.center(10**10) }}"),
    "center as a constant": (J, "{{ 'a'|center(10000000000) }}"),
    "a width of printf": (J, "{{ '%1000000000d' % 1 }}"),
    "a width of format_map": (J, "{{ '{x:>{w}}'.format_map({'w': w, 'x': 1}) }}"),
    "a power": (J, "{% set x = 10**8 %}{{ x**x }}"),
    "a repeated text": (J, "{{ 'x' * w }}"),
    "a loop over text": (J, "{% for i in range(99999) %}{{ 'long' * 9999 }}{% endfor %}"),
    "a recursive macro": (J, "{% macro m() %}{{ m() }}{{ m() }}{% endmacro %}{{ m() }}"),
    "a recursive loop": (J, "{% for x in [[1]] recursive %}{{ loop([[1]]) }}{% endfor %}"),
    "wordwrap": (J, "{{ ('a '*10**8)|wordwrap(1) }}"),
    "tojson": (J, "{{ {'a': 1}|tojson(indent=10**10) }}"),
    "replace": (J, "{{ ('a' * 99999)|replace('a', 'b' * 99999) }}"),
    "doubling": (
        J,
        "{% set n = namespace(x='ab') %}{% for i in range(99) %}{% set n.x = n.x ~ n.x %}{% endfor %}",
    ),
    "a list in itself": (J, "{% set n = [1] %}{% for i in range(99) %}{% set _ = n.extend(n) %}{% endfor %}"),
    "a block": (J, "{% set z %}{% for i in range(99999) %}{{ 'long' * 999 }}{% endfor %}{% endset %}{{ z }}"),
    "a width of an f-string": (F, "{x:>999999999}"),
    "a width of an f-string from values": (F, "{w}{x:>{w}}"),
    "a hidden conversion": (F, "{long!r:.0}" * 10),
    "a long value in an f-string": (F, "{long}" * 10),
}
VALUES = {"x": 1, "w": 999_999_999, "long": "long" * 200_000}
REASONS = (
    MEMORY,
    TIME,
    LENGTH,
    "it nests too deeply",
    "it uses a number over 100,000 as a width",
    "Range too big. The sandbox blocks ranges larger than MAX_RANGE (100000).",
)


@pytest.mark.parametrize(("written", "text"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_template_stays_unrendered_with_a_reason(written: str, text: str) -> None:
    rendered = Engine(SECONDS)(text, written, VALUES)
    assert rendered.text == text
    assert rendered.error in REASONS
    assert bool(rendered.hint) == (rendered.error not in REASONS[3:4] + REASONS[5:])


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the memory of a process")
def test_the_memory_of_both_processes_stays_within_the_limit() -> None:
    names = ("a list of long texts", "doubling", "a block")
    code = f"""
import resource
from promptsync import rendering
from promptsync.rendering import Engine
for text in {[HOSTILE[name][1] for name in names]!r}:
    print(Engine({SECONDS})(text, "jinja2", {{}}).error)
while not rendering._idle.empty():
    if (idle := rendering._idle.get()) is not None:
        rendering._stop(idle)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // {UNIT} + {PEAK})
"""
    *errors, peak = measured(code)
    assert len(errors) == len(names) and {*errors} <= {*REASONS}
    assert int(peak) < MEGABYTES + 100


def test_reading_a_template_computes_nothing() -> None:
    code = f"""
import resource
from promptsync.prompt.template import read
text = "{{% set a = b %}}{{{{ 'x'|center(900000000) }}}}{{{{ 'x' * 900000000 }}}}{{{{ '%900000000d' % 1 }}}}"
assert read(text, "jinja2").variables.keys() == {{"b"}} and read(text, "jinja2").error is None
print({PEAK})
"""
    (peak,) = measured(code)
    assert int(peak) < 200


UNIT = 2**20 if sys.platform == "darwin" else 2**10
PEAK = f"resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // {UNIT}"


def measured(code: str) -> list[str]:
    """Run code in a process that is started by a small one: the peak of its parent would count as its own."""
    start = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]], check=True)"
    command = [sys.executable, "-c", start, code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def test_the_texts_of_one_prompt_share_their_time() -> None:
    engine = Engine(SECONDS)
    for text in (HOSTILE["nested loops"][1], "{{ 1 + 1 }}"):
        assert engine(text, J, {}).error == TIME
    assert engine("{{ x }}", J, {"x": 1}).text == "1"
    assert Engine()("{{ 1 + 1 }}", J, {}).text == "2"


def test_waiting_for_a_free_process_takes_none_of_that_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now, waited = time.monotonic, [0]

    class Late(queue.LifoQueue):
        def get(self, **options: object) -> object:
            waited[0] += 100
            return super().get()

    idle: Late = Late()
    idle.put(None)
    monkeypatch.setattr(time, "monotonic", lambda: now() + waited[0])
    monkeypatch.setattr(rendering, "_idle", idle)
    engine = Engine()
    assert [engine("{{ 1 + 1 }}", J, {}).text for _ in range(3)] == ["2"] * 3
    rendering._stop(idle.get())


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[queue.LifoQueue]:
    """One place for a process, in which none runs yet."""
    idle: queue.LifoQueue = queue.LifoQueue()
    idle.put(None)
    monkeypatch.setattr(rendering, "_idle", idle)
    yield idle
    if (started := idle.get()) is not None:
        rendering._stop(started)


def test_what_waits_too_long_says_so_and_a_process_that_ended_is_replaced(alone: queue.LifoQueue) -> None:
    taken = alone.get()
    assert "other texts take long to render" in Engine(seconds=0.01)("{{ 1 + 1 }}", J, {}).error
    alone.put(taken)
    assert Engine()("{{ 1 + 1 }}", J, {}).text == "2"
    assert Engine()("{{ 1 + 1 }}", J, {}).text == "2"
    rendering._stop(alone.queue[0])
    assert Engine()("{{ 1 + 2 }}", J, {}).text == "3"


def test_the_process_gets_no_keys(monkeypatch: pytest.MonkeyPatch, alone: queue.LifoQueue) -> None:
    monkeypatch.setenv("PROMPTLAYER_API_KEY", "pl_secret")
    assert Engine()("{{ 1 + 1 }}", J, {}).text == "2"
    environ = Path(f"/proc/{alone.queue[0].pid}/environ")
    if environ.exists():
        assert b"PATH=" in environ.read_bytes() and b"pl_secret" not in environ.read_bytes()


def test_without_a_python_the_text_stays_with_a_reason(
    monkeypatch: pytest.MonkeyPatch, alone: queue.LifoQueue
) -> None:
    for executable in (None, "", "/nonexistent/python", "/bin/echo", "/bin/true"):
        monkeypatch.setattr(sys, "executable", executable)
        rendered = Engine()("{{ 1 + 1 }}", J, {})
        assert rendered.text == "{{ 1 + 1 }}"
        assert rendered.error.startswith("the process that renders ")


def test_the_texts_of_one_prompt_share_their_length() -> None:
    block = {"type": "text", "text": "{long}"}
    template = {"type": "completion", "content": [block] * 10}
    rendered, warnings = render_template(template, VALUES)
    assert [len(block["text"]) for block in rendered["content"]] == [800_000] * 6 + [6] * 4
    assert warnings == [f"The text of the content was left unrendered: {LENGTH}."]


def test_values_that_are_inserted_whole_count_as_well() -> None:
    placeholder, media = {"role": "placeholder", "name": "it"}, {"type": "media_variable", "name": "it"}
    for template, value in (
        ({"type": "chat", "messages": [placeholder] * 50}, {"role": "user", "content": "x" * 200_000}),
        ({"type": "completion", "content": [media] * 50}, "x" * 200_000),
    ):
        rendered, warnings = render_template(template, {"it": [value]})
        assert len(rendered.get("messages") or rendered["content"]) == 24
        assert warnings == ["Messages and media of more than 5,000,000 characters were left out."]


@pytest.mark.parametrize(("line", "code"), [("", 0), (HOSTILE["nested loops"][1], 1)])
def test_a_process_whose_parent_died_ends_with_its_input_and_with_its_time(line: str, code: int) -> None:
    command = [sys.executable, "-m", "promptsync.rendering"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as started:
        assert started.stdin is not None
        if line:
            request = {"text": line, "format": J, "values": {}, "seconds": 0.2}
            started.stdin.write(json.dumps(request).encode() + b"\n")
            started.stdin.flush()
        else:
            started.stdin.close()
        assert started.wait(60) == code


def test_threads_render_at_once_and_each_gets_its_own_answer() -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(lambda number: Engine()("{{ a * 2 }}", J, {"a": number}).text, range(40))
        assert list(answers) == [str(number * 2) for number in range(40)]


def test_only_texts_that_insert_values_are_rendered_in_this_process() -> None:
    for text, bounded in (
        ("plain", True),
        ("{{ a }} {{ b.c }} {{ d['e'] }} {{ f[0] }}", True),
        ("{% if a and not b %}{{ a }}{% elif c is defined %}x{% else %}y{% endif %}", True),
        ("{{ broken", True),
        ("{{ a | upper }}", False),
        ("{{ a + b }}", False),
        ("{{ a() }}", False),
        ("{{ a ~ b }}", False),
        ("{{ a[1:] }}", False),
        ("{% if a == b %}{% endif %}", False),
        ("{% if a is divisibleby 3 %}{% endif %}", False),
        ("{% for a in b %}{{ a }}{% endfor %}", False),
        ("{% set a = b %}", False),
        ("{{ x }}" * 20_000, False),
        ("{{ " + "(" * 5000, False),
    ):
        assert is_bounded(text, J) == bounded, text
        assert is_bounded(text, F), text


@given(
    st.sampled_from(
        ["{{ a ~ '' }}", "{{ a|tojson }}{{ b }}", "{% for x in a %}{{ x }}{% endfor %}", "{{ 1/0 }}"]
    ),
    st.dictionaries(st.sampled_from(["a", "b"]), json_values()),
)
def test_the_other_process_renders_the_same(text: str, values: dict) -> None:
    assert Engine()(text, J, values) == render_here(text, J, values)
