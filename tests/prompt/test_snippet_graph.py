"""Which prompts say something else because a snippet does."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from promptsync.prompt.snippets import Reference, follows_text, parents

_NAMES = "abcdef"
_REFERENCES = st.builds(
    lambda name, version, label: Reference(name, version, None if version else label),
    st.sampled_from(_NAMES),
    st.sampled_from([None, None, 1]),
    st.sampled_from([None, "prod"]),
)
_TEXTS = st.dictionaries(st.sampled_from(_NAMES), st.lists(_REFERENCES, max_size=3), max_size=6).map(
    # no circles, in which nothing can be rendered
    lambda texts: {name: [one for one in found if one.name > name] for name, found in texts.items()}
)
_CHANGED = st.sets(st.sampled_from(_NAMES), max_size=3)


@given(texts=_TEXTS, changed=_CHANGED)
def test_a_prompt_is_affected_when_anything_that_it_renders_is(
    texts: dict[str, list[Reference]], changed: set[str]
) -> None:
    affected: set[str] = set()
    for _ in _NAMES:  # as deep as it can get
        affected |= {
            name
            for name, references in texts.items()
            for one in references
            if one.name in affected or (one.name in changed and one.version is None)
        }
    found = parents(texts, dict.fromkeys(changed, follows_text))
    assert found.keys() | changed == affected | changed


@given(texts=_TEXTS, changed=_CHANGED)
def test_each_way_follows_references_down_to_a_changed_snippet(
    texts: dict[str, list[Reference]], changed: set[str]
) -> None:
    for name, way in parents(texts, dict.fromkeys(changed, follows_text)).items():
        assert way[-1] in changed
        for user, used in zip((name, *way), way, strict=False):
            last = used == way[-1]
            assert any(one.name == used and not (last and one.version) for one in texts[user])


def test_each_seed_says_which_references_render_something_new() -> None:
    texts = {"a": [Reference("s", label="prod")], "b": [Reference("s")], "c": [Reference("a", version=1)]}
    assert parents(texts, {"s": lambda one: one.label == "prod"}) == {"a": ("s",), "c": ("a", "s")}
