"""Keys that a registry adds: an oracle inserts them, and what was sent must come out again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import strategies
from hypothesis import given, settings
from hypothesis import strategies as st
from seeds import examples
from vendor_fields import grown

from promptsync.prompt.additions import unknown_fields, without_additions
from promptsync.prompt.canonical import canonical, digest
from promptsync.prompt.prompt import Prompt


@settings(max_examples=examples(60))
@given(strategies.prompts(), st.integers(0, 1 << 30))
def test_what_was_sent_comes_out_again_and_nothing_of_the_file_is_left_out(sent: Prompt, seed: int) -> None:
    """The file may be another text by now: what it has in common with the version must stay comparable."""
    stored = grown(sent, seed)
    assert digest(without_additions(sent, stored)[0]) == digest(sent)
    assert digest(without_additions(sent, stored, stored)[0]) == digest(sent)
    kept, added = without_additions(sent, stored, sent)
    assert (kept.template, kept.metadata, added) == (stored.template, stored.metadata, frozenset())
    assert without_additions(stored, stored) == (stored, frozenset())
    assert without_additions(stored, sent) == (sent, frozenset())
    assert unknown_fields([(sent, sent), (stored, stored)]) == []


def _chat(*messages: Mapping[str, Any], **more: Any) -> Prompt:
    return Prompt("p", {"type": "chat", "messages": list(messages), **more})


SENT = _chat({"role": "user", "content": [{"type": "text", "text": "Hi"}]}, {"role": "assistant", "x": 1})
FIRST, SECOND = SENT.template["messages"]

KEPT: dict[str, Prompt] = {
    "a known key": _chat({**FIRST, "name": "ann"}, SECOND),
    "another value of a key that was sent": _chat(FIRST, {**SECOND, "x": 2}),
    "a message": _chat(FIRST, SECOND, {"role": "user", "content": []}),
    "custom metadata": Prompt("p", SENT.template, {"owner": "ann"}),
    "a key that is gone": _chat(FIRST, {"role": "assistant"}),
}


@pytest.mark.parametrize("what", KEPT)
def test_what_may_be_an_edit_stays_a_difference(what: str) -> None:
    stored = KEPT[what]
    assert without_additions(SENT, stored) == (stored, frozenset())
    assert canonical(stored) != canonical(SENT)


LONGER = {**FIRST, "content": [*FIRST["content"], {"type": "code", "code": "", "z": 1}]}
ADDED = {
    "messages[].y": _chat(FIRST, SECOND, {"role": "user", "content": [], "y": 1}),
    "messages[].content[].z": _chat(LONGER, SECOND),
}


@pytest.mark.parametrize("key", ADDED)
def test_unknown_keys_are_left_out_of_lists_of_another_length(key: str) -> None:
    found, added = without_additions(SENT, ADDED[key])
    assert added == {key} and "'y'" not in repr(found) and "'z'" not in repr(found)
