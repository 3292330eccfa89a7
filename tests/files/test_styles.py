"""Files whose scalars are in styles of all kinds, and edits of single texts in them.

PyYAML writes the files, and its emitter is the judge of which styles can hold a text.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from random import Random
from typing import Any

import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from seeds import examples
from strategies import texts
from yaml.emitter import Emitter
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from promptsync.files.prompt_file import PromptFile, parse, render_edit
from promptsync.files.yaml.layout import is_ambiguous
from promptsync.files.yaml.load import InvalidFile
from promptsync.prompt.canonical import to_document, to_prompt

WORDS = ["You", "answer", "questions", "about", "refunds.", "Be brief", "don't", '"so"', "{{ x }}", "naïve"]
LINES = ["", "", "  indented more", "- a list", "# heading", "\ttab", "👩‍👩‍👧 family", "ends in a blank "]
STYLES = ["", "'", '"', "|", ">"]

_sentences = st.lists(st.sampled_from(WORDS), min_size=1, max_size=30).map(" ".join)
_paragraphs = st.builds(
    lambda lines, end: "\n".join(lines) + end,
    st.lists(_sentences | st.sampled_from(LINES), min_size=1, max_size=5),
    st.sampled_from(["", "\n", "\n\n"]),
)
_values = st.one_of(_sentences, _paragraphs, _paragraphs, texts())
_numbers = st.sampled_from([600, 1.5, 0, True, None, -2.25])


def changed(text: str, random: Random) -> str:
    """A text with one change of the kinds that people make."""
    words = text.split(" ")
    at = random.randrange(len(words))
    new = random.choice(
        ["short", "as long as it takes to answer everything", "it's", '"no"', "a\nb", "#", ""]
    )
    kind = random.randrange(4)
    if kind == 0:
        words[at] = new
    elif kind == 1:
        words.insert(at, new)
    elif kind == 2:
        del words[at]
    else:
        lines = text.split("\n")
        lines.insert(random.randrange(len(lines) + 1), random.choice(["", "One more line.", "  indented"]))
        return "\n".join(lines)
    return " ".join(words)


def written(document: Any, random: Random) -> str:
    """A document in YAML: each scalar and each collection in a random style, with comments."""

    def node(value: Any) -> Node:
        made: Node = yaml.Dumper("").represent_data(value)
        if isinstance(made, ScalarNode) and isinstance(value, str):
            made.style = random.choice(STYLES)
        if isinstance(value, dict):
            pairs = [(ScalarNode("tag:yaml.org,2002:str", key), node(item)) for key, item in value.items()]
            return MappingNode(made.tag, pairs, flow_style=random.random() < 0.2)
        if isinstance(value, list):
            return SequenceNode(made.tag, [node(item) for item in value], flow_style=random.random() < 0.2)
        return made

    root = node(document)
    root.flow_style = False
    width = random.choice([20, 40, 80, 1000])
    text = yaml.serialize(root, allow_unicode=True, width=width, indent=random.choice([2, 4]))
    lines = []
    for line in text.splitlines(keepends=True):
        if line.startswith(tuple(f"{key}:" for key in document)) and random.random() < 0.5:
            lines.append(f"# about {line.partition(':')[0]}\n")
        lines.append(line)
    return "".join(lines)


def scalars(text: str) -> dict[tuple[Any, ...], tuple[str, str]]:
    """The style and the source of each scalar, by its path."""

    def walk(node: Node, path: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], tuple[str, str]]]:
        if isinstance(node, MappingNode):
            for key, value in node.value:
                yield from walk(value, (*path, key.value))
        elif isinstance(node, SequenceNode):
            for index, item in enumerate(node.value):
                yield from walk(item, (*path, index))
        else:
            source = text[node.start_mark.index : node.end_mark.index].rstrip()
            yield path, (node.style or "", source)

    return dict(walk(yaml.compose(text), ()))


def can_live(style: str, old: str, new: str) -> bool:
    """Whether a text can live in a style, by PyYAML's rules."""
    found = Emitter(None).analyze_scalar(new)
    if style in ("|", ">"):
        return bool(found.allow_block and new.strip())
    if "\n" in new and "\n" not in old:
        return False
    if style == "":
        return bool(found.allow_flow_plain and not found.multiline and not is_ambiguous(new))
    return style == '"' or bool(found.allow_single_quoted and not found.multiline)


def opened(
    metadata: dict[str, Any], contents: list[str], random: Random
) -> tuple[dict[str, Any], PromptFile]:
    """A document with these values, and its file in random styles and line ends."""
    messages = [{"role": "user", "content": content} for content in contents]
    document: dict[str, Any] = {"name": "p", "metadata": metadata, "messages": messages}
    text = written(document, random)
    if random.random() < 0.2 and "\r" not in text:
        text = text.replace("\n", "\r\n")
    try:
        file = parse(text.encode(), "p.yaml", "p")
    except InvalidFile:
        assume(False)  # PyYAML writes some texts so that they do not read back.
    assume(to_document(file.prompt, file.local) == to_document(*to_prompt(document, "p")))
    return document, file


Scalars = dict[tuple[Any, ...], tuple[str, str]]


def edited(file: PromptFile, wanted: dict[str, Any]) -> tuple[Scalars, Scalars]:
    """The scalars of a file before and after an edit, which must say what is wanted and keep comments."""
    text = render_edit(file, *to_prompt(wanted, "p"))
    found = parse(text.encode(), "p.yaml", "p")
    assert to_document(found.prompt, found.local) == to_document(*to_prompt(wanted, "p"))
    comments = [
        [line for line in lines.splitlines() if line.startswith("# about")] for lines in (file.text, text)
    ]
    assert comments[0] == comments[1]
    return scalars(file.text.replace("\r\n", "\n")), scalars(text.replace("\r\n", "\n"))


_metadata = st.dictionaries(st.sampled_from("abcdef"), _values | _numbers, min_size=2, max_size=4)
_contents = st.lists(_values, min_size=1, max_size=5, unique=True)


@given(_metadata, _contents, st.randoms(use_true_random=False))
@settings(max_examples=examples(200), deadline=None)
def test_an_edited_text_keeps_its_style_and_the_others_their_bytes(
    metadata: dict[str, Any], contents: list[str], random: Random
) -> None:
    document, file = opened(metadata, contents, random)
    places: list[Any] = [("messages", at, "content") for at in range(len(contents))]
    places += [("metadata", key) for key, value in metadata.items() if isinstance(value, str)]
    place = random.choice(places)
    holder = wanted = copy.deepcopy(document)
    for part in place[:-1]:
        holder = holder[part]
    old = holder[place[-1]]
    new = holder[place[-1]] = changed(old, random)
    assume(new not in contents)  # Which of two equal messages is which is anybody's guess.
    before, after = edited(file, wanted)
    style = before[place][0]
    if can_live(style, old, new):
        assert after[place][0] in (style, "|" if style == ">" else style)
        del before[place], after[place]
        assert after == before


@given(_metadata, _contents, st.randoms(use_true_random=False))
@settings(max_examples=examples(200), deadline=None)
def test_what_stays_keeps_its_bytes_where_others_come_go_and_move(
    metadata: dict[str, Any], contents: list[str], random: Random
) -> None:
    document, file = opened(metadata, contents, random)
    places: list[int | None] = [*range(len(contents))]
    if random.random() < 0.7:
        places.insert(random.randrange(len(places)), places.pop(random.randrange(len(places))))
    if random.random() < 0.5:
        places.pop(random.randrange(len(places)))
    if random.random() < 0.5:
        places.insert(random.randrange(len(places) + 1), None)
    new = {"role": "system", "content": "New."}
    messages = [new if place is None else document["messages"][place] for place in places]
    gone = random.choice([*metadata, ""])
    values = {key: value for key, value in metadata.items() if key != gone}
    values |= {"new": "value"} if random.random() < 0.5 else {}
    before, after = edited(file, {"name": "p", "metadata": values, "messages": messages})
    for key in values.keys() & metadata.keys():
        assert after["metadata", key] == before["metadata", key]
    for to, place in enumerate(places):
        if place is not None:
            assert after["messages", to, "content"] == before["messages", place, "content"]
