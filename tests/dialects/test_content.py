"""Models, variables and tags, which some registries fill in, forget or tell only for a single prompt."""

from __future__ import annotations

from pathlib import Path

import pytest
from dialect_servers import customer, embedded, vendor
from dialect_world import Kind, beside, for_each, in_each_dialect, listed

MODEL = "model: {provider: openai, name: gpt-4o}\n"
FSTRING = f"{MODEL}messages: [{{role: user, content: 'Hello {{x}} and {{y}}'}}]\n"
JINJA = f"{MODEL}template_format: jinja2\nmessages: [{{role: user, content: 'Hello {{{{x}}}}'}}]\n"
TAGGED = "name: tagged\ntags: [billing]\nmessages: [{role: user, content: T}]\n"


@in_each_dialect
def test_a_prompt_with_a_model_and_variables_comes_and_goes(kind: Kind, tmp_path: Path) -> None:
    with beside(kind, tmp_path) as here:
        path = here.put("prompts/asked.yaml", FSTRING)
        here.ok("push", "-y")
        here.edit("asked", "Hello", "Ciao")
        here.ok("push", "-y")
        path.unlink()
        (here.root / ".promptsync/record.json").unlink()
        here.ok("pull", "asked")
        assert "Ciao {x} and {y}" in path.read_text("utf-8")
        assert here.states()["asked"] == "in-sync"


@pytest.mark.parametrize("text", [FSTRING, JINJA])
def test_a_registry_that_forgets_tags_is_not_taken_for_somebody_who_changed_them(
    tmp_path: Path, text: str
) -> None:
    with beside(customer, tmp_path) as here:
        here.put("prompts/asked.yaml", f"tags: [a]\n{text}")
        ran = here.exits(5, "push", "-y", "--json").document
        # A jinja2 text that was filled in cannot be read back as it was sent.
        unverified = ["asked"] if text is JINJA else []
        assert [prompt["name"] for prompt in ran["unverified"]] == unverified
        assert ran["altered"] == ([] if unverified else [{"name": "asked", "fields": ["tags"]}])
        assert here.states()["asked"] == "altered"
        here.edit("asked", "Hello", "Ciao")
        assert here.states()["asked"] == "ahead"


def test_what_only_a_filled_in_form_is_given_of_stops_nobody_else(tmp_path: Path) -> None:
    with beside(customer, tmp_path) as here:
        here.put("prompts/asked.yaml", JINJA)
        here.run("push", "-y")
        here.edit("asked", "Hello", "Ciao")
        ran = here.run("push", "-y", "--json")
        assert ran.document["published"][0]["version"] == 2, ran.out
        assert set(here.states().values()) == {"in-sync"}
        here.put("prompts/other.yaml", "content: Other\n")
        here.ok("push", "-y", "other")


@for_each(embedded, vendor)
def test_tags_are_compared_published_and_pulled_where_only_single_reads_tell_them(
    kind: Kind, tmp_path: Path
) -> None:
    with beside(kind, tmp_path) as here:
        here.publish("tagged", "T", tags=["billing"])
        here.publish("theirs", "T", tags=["support"])
        here.put("prompts/tagged.yaml", TAGGED)
        here.put("prompts/new.yaml", "tags: [b, a]\ncontent: New\n")
        here.ok("push", "-y")
        here.ok("pull")
        assert "support" in here.path("theirs").read_text()
        assert {prompt["state"] for prompt in listed(here)} == {"in-sync"}
        here.put("prompts/tagged.yaml", TAGGED.replace("billing", "refunds"))
        (changed,) = here.run("diff", "--json").document["changes"]
        assert [field["path"] for field in changed["fields"]] == ["tags"]
