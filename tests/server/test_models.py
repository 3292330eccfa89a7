"""``models:`` of a registry's fixtures file: which model answers for which prompt."""

from __future__ import annotations

import pytest
from registry_server import chat, completion

from promptsync.files.yaml.load import InvalidFile, text_of
from promptsync.server.app import create_app
from promptsync.server.checks.fixtures import parse_fixtures
from promptsync.server.checks.models import Echo, Endpoint, ModelError, Models, Scripted, models_of

FILE = """
models:
  - {name: tiny, echo: true}
  - name: gpt-*
    answers:
      - {contains: REFUND, answers: [first, second]}
      - {regex: "order \\\\d+", answer: order}
      - {contains: refund, regex: nothing, answer: never}
  - {name: "llama*", url: "https://models.test/v1", model: llama3, key: LLAMA_KEY}
  - {name: plain, url: "http://models.test/v1"}
"""


def named(name: str) -> dict[str, dict[str, str]]:
    return {"model": {"provider": "openai", "name": name}}


@pytest.fixture
def models() -> Models:
    specs = parse_fixtures(FILE.encode(), "registry.yaml").models
    return models_of(specs, Endpoint("http://default.test/v1"), {"LLAMA_KEY": "secret"})


def test_the_name_of_the_prompts_own_model_chooses_the_entry(models: Models) -> None:
    assert isinstance(models.of(named("tiny")), Echo)
    assert isinstance(models.of(named("gpt-4o")), Scripted)
    assert models.of(named("llama-70b")) == Endpoint("https://models.test/v1", "secret", "llama3")
    assert models.of(named("plain")) == Endpoint("http://models.test/v1")
    for metadata in (named("claude"), named(""), {}, None, {"model": None}):
        assert models.of(metadata) is models.default
    specs = parse_fixtures(FILE.encode(), "registry.yaml").models
    with pytest.raises(ModelError, match="LLAMA_KEY is not set"):
        models_of(specs, Echo(), {}).called("llama").answer(chat("Hi"), None)


def test_several_answers_are_taken_in_turn_for_each_text(models: Models) -> None:
    model = models.called("gpt-4o")
    asked = ["a refund", "a Refund", "a refund", "a refund", "order 7", "a Refund"]
    answers = [model.answer(chat(content), None) for content in asked]
    assert answers == ["first", "first", "second", "first", "order", "second"]
    assert model.answer(completion("order 1"), None) == "order"
    with pytest.raises(ModelError, match="No scripted answer fits 'hello'"):
        model.answer(chat("hello"), None)
    # They come one at a time, so that no thread decides their order.
    assert (models.parallel, Models(Endpoint("http://x.test")).parallel) == (1, 4)
    assert Models(Echo(), [("a", Endpoint("http://x.test"))]).parallel == 4


def test_what_is_wrong_with_an_entry_is_named() -> None:
    for entry, says in (
        ("{name: a}", "exactly one of echo, answers and url"),
        ("{name: a, answers: []}", "needs at least one answer"),
        ("{name: a, answers: [{answer: x, answers: [y]}]}", "exactly one of answer and answers"),
        ("{name: a, answers: [{regex: '(', answer: x}]}", "regex:"),
        ("{name: a, url: 'https://x', key: sk-secret}", "key"),
        ("{name: a, url: 'http://localhost:1@models.test', key: A_KEY}", "only sent over https, or to this"),
        ("{name: a, url: 'http://[', key: A_KEY}", "Invalid IPv6 URL"),
    ):
        with pytest.raises(InvalidFile) as caught:
            parse_fixtures(f"models: [{entry}]".encode(), "registry.yaml")
        assert says in " ".join(map(text_of, caught.value.problems)), says
    # A key may be sent to this machine.
    for host in ("127.0.0.1:11434", "localhost", "[::1]:80"):
        entry = f"models: [{{name: a, url: 'http://{host}/v1', key: A_KEY}}]"
        assert len(parse_fixtures(entry.encode(), "registry.yaml").models) == 1


def test_the_models_are_known_after_a_restart_and_the_key_is_never_stored(tmp_path) -> None:
    (tmp_path / "registry.yaml").write_text(FILE)
    for _ in range(2):
        with create_app(
            tmp_path / "r.db", fixtures=tmp_path / "registry.yaml", model_keys={"LLAMA_KEY": "sk-secret"}
        ) as app:
            model = app.runner.models.called("llama")
            assert model == Endpoint("https://models.test/v1", "sk-secret", "llama3")
    assert b"sk-secret" not in b"".join(path.read_bytes() for path in tmp_path.iterdir())
