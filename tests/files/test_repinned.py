"""Pins in prompt files are changed in place: every other byte stays."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from promptsync.files.prompt_file import parse, render_edit
from promptsync.prompt import snippets
from promptsync.prompt.snippets import Reference, pins

PIN = "@@@tone@version_number:1@@@"
NEW = "@@@tone@version_number:12@@@"


def repinned(text: str, *, name: str = "tone", moved: tuple[int, ...] = (1,), version: int = 12) -> str:
    file = parse(text.encode(), "p.yaml", "p")
    template = snippets.repinned(file.prompt.template, name, moved, version)
    return render_edit(file, replace(file.prompt, template=template), file.local)


IN_PLACE = {
    "Windows line ends": "name: p\r\ncontent: |\r\n  Hi {pin}\r\n  Bye\r\n",
    "flow": "{{name: p, messages: [{{role: user, content: 'Hi {pin}'}}]}}\n",
    "several": "name: p\ncontent: |\n  {pin} {pin}\n  @@@tone@@@ @@@tone@label:prod@@@ {pin}\n",
    "comments that have the pin": f"# {PIN}\nname: p\ncontent: |  # {PIN}\n  {{pin}}\n# {PIN}\n",
}


@pytest.mark.parametrize("text", IN_PLACE.values(), ids=list(IN_PLACE))
def test_only_the_number_changes(text: str) -> None:
    assert repinned(text.format(pin=PIN)) == text.format(pin=NEW)


CALL = "tool_calls: [{id: c, type: function, function: {name: f, arguments: 'PIN'}}]".replace("PIN", PIN)


@pytest.mark.parametrize(
    "text",
    [
        f"name: p\ncontent: Hi\nexamples: [{{x: '{PIN}'}}]\nmetadata: {{note: '{PIN}'}}\n",
        "name: p\ncontent: '@@@tone@version_number:3@@@ @@@tones@version_number:1@@@'\n",
        "name: p\ncontent: '@@@other@@@tone@version_number:1@@@'\n",
        f"name: p\nmessages:\n- role: assistant\n  content: hi\n  {CALL}\n",
    ],
)
def test_other_pins_and_those_that_are_not_rendered_stay(text: str) -> None:
    assert repinned(text) == text


def test_a_reference_that_is_spelled_with_escapes_is_changed_too() -> None:
    text = 'name: p\n# why\ncontent: "Hi \\x40@@tone@version_number:1@@@"  # beside\nmetadata: {a: 1}\n'
    found = repinned(text)
    assert pins(parse(found.encode(), "p.yaml", "p").prompt.template) == {"tone": {12}}
    assert "# why\n" in found and "# beside" in found and found.endswith("metadata: {a: 1}\n")


def test_several_versions_move_and_the_others_stay() -> None:
    text = "name: p\ncontent: '{} {} {}'\n"
    old, new = ([str(Reference("tone", version=at)) for at in numbers] for numbers in ((1, 2, 5), (3, 3, 5)))
    assert repinned(text.format(*old), moved=(1, 2), version=3) == text.format(*new)
    zeros = "name: p\ncontent: '@@@tone@version_number:001@@@'\n"
    assert repinned(zeros) == zeros.replace("001", "12")
