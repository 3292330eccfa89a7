"""Prompts with a model, whose variables a registry without a raw read fills in when it gives them."""

from __future__ import annotations

from pathlib import Path

import pytest
from dialect_servers import customer, embedded, vendor
from dialect_world import Kind, beside

MODEL = "model: {provider: openai, name: gpt-4o}\n"
FSTRING = f"{MODEL}messages: [{{role: user, content: 'Hello {{x}} and {{y}}'}}]\n"
JINJA = f"{MODEL}template_format: jinja2\nmessages: [{{role: user, content: 'Hello {{{{x}}}}'}}]\n"


@pytest.mark.parametrize("kind", [embedded, vendor, customer])
def test_a_prompt_with_a_model_and_variables_comes_and_goes(kind: Kind, tmp_path: Path) -> None:
    with beside(kind, tmp_path) as here:
        path = here.root / "prompts/asked.yaml"
        path.write_text(FSTRING)
        here.ok("push", "-y")
        path.write_text(path.read_text().replace("Hello", "Ciao"))
        here.ok("push", "-y")
        path.unlink()
        (here.root / ".promptsync/record.json").unlink()
        pulled = here.run("pull", "asked")
        assert pulled.code == 0, pulled.err
        assert "Ciao {x} and {y}" in path.read_text("utf-8")
        (state,) = here.run("status", "asked", "--json").document["prompts"]
        assert state["state"] == "in-sync"


@pytest.mark.parametrize("text", [FSTRING, JINJA])
def test_a_registry_that_forgets_tags_is_not_taken_for_somebody_who_changed_them(
    tmp_path: Path, text: str
) -> None:
    with beside(customer, tmp_path) as here:
        path = here.root / "prompts/asked.yaml"
        path.write_text(f"tags: [a]\n{text}")
        ran = here.run("push", "-y", "--json")
        # A jinja2 text that was filled in cannot be read back as it was sent.
        unverified = ["asked"] if text is JINJA else []
        assert (ran.code, [prompt["name"] for prompt in ran.document["unverified"]]) == (5, unverified)
        assert ran.document["altered"] == ([] if unverified else [{"name": "asked", "fields": ["tags"]}])
        for state, word in (("altered", "Hello"), ("ahead", "Ciao")):
            path.write_text(path.read_text().replace("Hello", word))
            (found,) = here.run("status", "asked", "--json").document["prompts"]
            assert found["state"] == state


def test_what_only_a_filled_in_form_is_given_of_stops_nobody_else(tmp_path: Path) -> None:
    with beside(customer, tmp_path) as here:
        path = here.root / "prompts/asked.yaml"
        path.write_text(JINJA)
        here.run("push", "-y")
        path.write_text(path.read_text().replace("Hello", "Ciao"))
        ran = here.run("push", "-y", "--json")
        assert ran.document["published"][0]["version"] == 2, ran.out
        assert {one["state"] for one in here.run("status", "--json").document["prompts"]} == {"in-sync"}
        (here.root / "prompts/other.yaml").write_text("content: Other\n")
        here.ok("push", "-y", "other")
