from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptsync.prompt.snippets import (
    MAX_NESTED,
    Malformed,
    Reference,
    SnippetCycle,
    SnippetError,
    expand,
    find_cycle,
    follows_text,
    map_texts,
    parents,
    publish_order,
    references,
    rendered_in,
    scan,
)


def completion(text: str) -> dict:
    return {"type": "completion", "content": [{"type": "text", "text": text}]}


def chat(*texts: str) -> dict:
    return {
        "type": "chat",
        "messages": [{"role": "user", "content": [{"type": "text", "text": t}]} for t in texts],
    }


def expanded(text: str, **bodies: str) -> dict:
    """The template of a text, expanded with the bodies of snippets by name."""
    return expand(completion(text), lambda reference: completion(bodies[reference.name]))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a @@@house tone@@@ b", [Reference("house tone")]),
        ("@@@a@label:prod@@@", [Reference("a", label="prod")]),
        ("@@@a@@@@@@b@@@", [Reference("a"), Reference("b")]),
        ("@@@me@example.com@@@", [Reference("me@example.com")]),
        ("@@@a/b:c@label:x@y@@@", [Reference("a/b:c", label="x@y")]),
        ("@@@名前@@@", [Reference("名前")]),
        ("@@@a", [Malformed("@@@ without a closing @@@")]),
        ("x @@@@@@", [Malformed("a reference without a name")]),
        ("@@@a@version_number:x@@@", [Malformed("'x' after @version_number: is not a version number")]),
        ("@@@a@version_number:٣@@@", [Malformed("'٣' after @version_number: is not a version number")]),
        ("@@@a@label:@@@", [Malformed("nothing after @label:")]),
        ("@@@a@label:x@version_number:1@@@", [Malformed("a reference takes a version or a label, not both")]),
        ("@@@a@@@ @@@", [Reference("a"), Malformed("@@@ without a closing @@@")]),
    ],
)
def test_each_pair_of_fences_is_a_reference(text, found):
    assert [token for token, _ in scan(text) if token] == found
    assert references(text) == [item for item in found if isinstance(item, Reference)]


_PIECES = st.sampled_from(["@@@", "@label:", "@version_number:1", f"@version_number:{'9' * 5000}"])


@given(st.lists(st.text() | _PIECES).map("".join))
def test_references_print_as_the_text_they_were_read_from(text):
    assert "".join(source for _, source in scan(text)) == text
    for token, source in scan(text):
        if isinstance(token, Reference):
            assert references(str(token)) == [token]
            assert token.version is not None or str(token) == source


def test_the_references_in_the_texts_of_a_template_are_listed_once_and_in_order():
    tools = [{"function": {"description": "@@@c@label:x@@@"}}]
    template = chat("@@@b@@@ @@@a@@@", "@@@b@@@") | {"tools": tools}
    assert rendered_in(template) == [Reference("b"), Reference("a")]


def test_prompts_are_published_after_what_they_reference():
    found = publish_order({"a": {"b", "c"}, "b": {"c"}, "c": set(), "d": set()})
    assert [*found.items()] == [("c", 0), ("d", 0), ("b", 1), ("a", 2)]


@pytest.mark.parametrize(
    ("graph", "path"),
    [
        ({"a": {"b"}, "b": {"x"}}, None),
        ({"a": {"a"}}, ["a", "a"]),
        ({"a": {"b"}, "b": {"a"}}, ["a", "b", "a"]),
    ],
)
def test_cycles_are_found(graph, path):
    assert find_cycle(graph) == path
    if path:
        with pytest.raises(SnippetCycle, match=" -> ".join(path)) as caught:
            publish_order(graph | {"d": {"a"}})
        assert caught.value.path == tuple(path)


def test_long_chains_need_no_recursion():
    graph = {str(number): {str(number + 1)} for number in range(20_000)}
    assert find_cycle(graph) is None
    assert len({*publish_order(graph).values()}) == 20_000


def test_texts_are_expanded_recursively_and_each_snippet_is_read_once_in_their_order():
    template = chat("@@@a@@@ @@@b@label:prod@@@ @@@a@@@ @@@a") | {"tools": [{"description": "@@@a@@@"}]}
    before = copy.deepcopy(template)
    a, b, c = Reference("a"), Reference("b", label="prod"), Reference("c", version=2)
    snippets, read = {a: completion(f"[{c}|{c}]"), b: completion("b"), c: completion("c")}, []
    found = expand(template, lambda used: read.append(used) or snippets[used])
    assert found["messages"] == chat("[c|c] b [c|c] @@@a")["messages"]
    assert (found["tools"], read, template) == (before["tools"], [a, c, b], before)


def test_circles_and_deep_and_exponential_nesting_are_refused():
    deep = {f"s{n}": f"@@@s{n + 1}@@@" for n in range(MAX_NESTED)} | {f"s{MAX_NESTED}": "end"}
    assert expanded("@@@s1@@@", **deep) == completion("end")
    with pytest.raises(SnippetError, match="deeper than 32"):
        expanded("@@@s0@@@", **deep)
    with pytest.raises(SnippetCycle, match="a -> b -> a"):
        expanded("@@@a@@@", a="@@@b@@@", b="@@@a@@@")
    bomb = {f"s{n}": f"@@@s{n + 1}@@@" * 10 for n in range(20)} | {"s20": "boom"}
    with pytest.raises(SnippetError, match="characters"):
        expanded("@@@s0@@@", **bomb)


@pytest.mark.parametrize("odd", [None, 3, "text", [], [None], [{"content": None}], {"a": 1}])
def test_odd_shapes_pass_through(odd):
    template = {"type": "chat", "messages": odd, "content": odd}
    assert map_texts(template, lambda text: text.text) == template


# -- which prompts say something else because a snippet does -------------------------------------------------

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
def test_a_prompt_is_affected_when_anything_that_it_renders_is_and_knows_the_way(
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
    for name, way in found.items():
        assert way[-1] in changed
        for user, used in zip((name, *way), way, strict=False):
            last = used == way[-1]
            assert any(one.name == used and not (last and one.version) for one in texts[user])


def test_each_seed_says_which_references_render_something_new() -> None:
    texts = {"a": [Reference("s", label="prod")], "b": [Reference("s")], "c": [Reference("a", version=1)]}
    assert parents(texts, {"s": lambda one: one.label == "prod"}) == {"a": ("s",), "c": ("a", "s")}
