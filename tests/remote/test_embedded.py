"""The client against the embedded registry: in this process, and over a socket."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from scripted_registry import KEY, template

from promptsync.prompt.canonical import digest
from promptsync.prompt.prompt import Prompt
from promptsync.registry.errors import NotFound, Rejected
from promptsync.registry.promptlayer.client import Registry
from promptsync.registry.promptlayer.transport import local_transport, wsgi_transport
from promptsync.server.app import create_app
from promptsync.server.serve import listening, stop

TONE = Prompt("house/tone", {"type": "completion", "content": [{"type": "text", "text": "Be {how}."}]})
PARENT = Prompt(
    "support/refund: ü @#",
    template("@@@house/tone@@@ Hi {name}"),
    {"model": {"provider": "openai", "name": "gpt-4o"}, "owner": "support"},
    ("billing", "support"),
)


@pytest.fixture(params=["in-process", "socket"])
def registry(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Registry]:
    app = create_app(str(tmp_path / "registry.db"))
    if request.param == "in-process":
        with Registry("local:", None, transport=wsgi_transport(app)) as registry:
            yield registry
        return
    try:
        with listening(app, "127.0.0.1", 0) as server:
            thread = threading.Thread(target=server.run)
            thread.start()
            with Registry(f"http://127.0.0.1:{server.effective_port}/", KEY) as registry:
                yield registry
            stop(server)
            thread.join(5)
    finally:
        app.close()


def test_what_is_published_is_what_is_read_and_costs_one_request(registry: Registry) -> None:
    for number, prompt in enumerate((TONE, PARENT), start=1):
        made = registry.publish(prompt, message=f"m (v{number})", labels=["prod"])
        assert made.version == 1
        found = registry.get(made.template_id, prompt.name)
        assert digest(found.prompt) == digest(prompt)
        assert set(found.prompt.tags) == set(prompt.tags)
        assert found.message == f"m (v{number})"
        assert found.prompt.extra == {}
    assert registry.requests == 4
    assert isinstance(registry.workspace_id, int)


def test_a_list_shows_every_prompt_with_its_raw_body(registry: Registry) -> None:
    registry.publish(TONE, message="m")
    registry.publish(PARENT, message="m")
    listed = {one.name: one for one in registry.list()}
    assert digest(listed[PARENT.name].prompt) == digest(PARENT)
    assert listed[TONE.name].is_snippet and not listed[PARENT.name].is_snippet
    assert [one.name for one in registry.list(tag="billing")] == [PARENT.name]
    assert [one.name for one in registry.list(name="TONE")] == [TONE.name]


def test_labels_move_through_both_ways_of_reading_them(registry: Registry) -> None:
    registry.publish(TONE, message="m", labels=["prod"])
    made = registry.publish(TONE, message="m")
    (prod,) = registry.labels(made.template_id, TONE.name)
    assert (prod.name, prod.version) == ("prod", 1)
    registry.set_label(made.template_id, TONE.name, "prod", 2, prod)
    registry.set_label(made.template_id, TONE.name, "dev", 1, None)
    every = registry.all_labels()
    assert every is not None
    assert {(one.name, one.version, one.prompt_name) for one in every} == {
        ("prod", 2, TONE.name),
        ("dev", 1, TONE.name),
    }
    assert [one.version for one in registry.list(label="prod")] == [2]
    assert registry.get(None, TONE.name, label="dev").version == 1
    registry.delete_label(prod)
    assert [one.name for one in registry.labels(made.template_id, TONE.name)] == ["dev"]


def test_an_archived_prompt_is_gone_from_the_active_list(registry: Registry) -> None:
    made = registry.publish(PARENT.__class__(PARENT.name, template()), message="m")
    registry.archive(made.template_id, False)
    assert registry.list() == []
    assert [one.name for one in registry.list(status="deleted")] == [PARENT.name]


def test_what_is_not_there_is_not_found(registry: Registry) -> None:
    made = registry.publish(TONE, message="m")
    for template_id, name, number in (
        (made.template_id, TONE.name, 9),
        (99, "gone", None),
        (None, "gone", None),
    ):
        with pytest.raises(NotFound):
            registry.get(template_id, name, version=number)


def test_a_missing_snippet_is_named(registry: Registry) -> None:
    with pytest.raises(Rejected, match="house/tone"):
        registry.publish(PARENT, message="m")
    assert registry.list() == []


def test_the_users_of_a_snippet_are_listed_and_prompts_rendered(registry: Registry) -> None:
    tone = registry.publish(TONE, message="m")
    registry.publish(PARENT, message="m")
    usage = registry.snippet_usage(tone.template_id, TONE.name)
    assert [one["prompt_name"] for one in usage["snippet_usage"]] == [PARENT.name]
    rendered = registry.render(PARENT.name, variables={"how": "kind", "name": "Ana"})
    assert "Be kind. Hi Ana" in str(rendered["prompt_template"])


def test_an_all_digit_name_and_the_prompt_with_that_id_are_told_apart(registry: Registry) -> None:
    first = registry.publish(Prompt("greet", template("one")), message="m")
    digits = registry.publish(Prompt(str(first.template_id), template("two")), message="m")
    for made, name in ((first, "greet"), (digits, str(first.template_id))):
        assert registry.get(made.template_id, name).template_id == made.template_id


def test_a_prompt_named_like_a_part_of_a_path_is_a_prompt(registry: Registry) -> None:
    for name in ("labels", "a/labels", "..", "a?b", "%2F", " "):
        made = registry.publish(Prompt(name, template(name)), message="m")
        assert registry.get(made.template_id, name).template_id == made.template_id
        assert registry.get(None, name).prompt.template["messages"][0]["content"][0]["text"] == name


def test_many_threads_publish_and_read_at_once(registry: Registry) -> None:
    names = [f"p{number}" for number in range(120)]
    with ThreadPoolExecutor(8) as pool:
        made = [*pool.map(lambda name: registry.publish(Prompt(name, template()), message="m"), names)]
        read = [
            *pool.map(lambda one: registry.get(one[0].template_id, one[1]), zip(made, names, strict=True))
        ]
    assert [one.prompt.name for one in read] == names
    assert sorted(one.name for one in registry.list()) == sorted(names)
    assert registry.requests == 242


def test_a_wrong_key_is_refused(tmp_path: Path) -> None:
    app = create_app(str(tmp_path / "registry.db"), api_key="pl_right_key")
    transport = wsgi_transport(app)
    with (
        Registry("local:", "pl_wrong_key", transport=transport) as registry,
        pytest.raises(Rejected) as caught,
    ):
        registry.list()
    assert caught.value.status == 401
    assert "pl_wrong_key" not in caught.value.message


def test_a_local_remote_opens_its_database_by_itself(tmp_path: Path) -> None:
    path = tmp_path / "registry.db"
    for count in (1, 2):
        with Registry("local:", None, transport=local_transport(str(path))) as registry:
            registry.publish(TONE, message="m")
            assert [one.version for one in registry.list()] == [count]
    assert path.exists()
