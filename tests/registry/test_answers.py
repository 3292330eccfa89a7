"""How the body of a response is read, whatever is in it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted_registry import Reply

from promptsync.registry.errors import BadAnswer, Rejected
from promptsync.registry.promptlayer.responses import EXCERPT, Answer, listed_in, shown


def answer(body: Any, status: int = 200) -> Answer:
    content = Reply(body).content
    return Answer("https://registry.example", "read the prompt", "GET /prompt-templates/7", status, content)


ABOUT_THE_ROUTE = [
    *("", "{}", "<html><title>404</title></html>", "404 page not found", {"detail": "Not Found"}),
    {"success": False, "message": "Not found."},
    {"message": "404 Not Found: The requested URL was not found on the server."},
    {"error": "No such route: /prompts/7/label"},
    {"error": "unknown endpoint /x"},
    {"message": "Cannot POST /prompts/7/label"},
    {"message": "This registry does not support PATCH /rest/workflows/7; see docs/compatibility.md."},
]
ABOUT_THE_ITEM = [
    {"message": "Prompt template not found"},
    {"success": False, "message": "There is no prompt template with the id 99."},
    {"error": "Report or dataset not found"},
    {"detail": "version 9 does not exist"},
]


def test_a_404_means_that_the_route_is_missing_unless_it_names_an_item() -> None:
    for body in (*ABOUT_THE_ROUTE, *ABOUT_THE_ITEM):
        assert answer(body, 404).is_about_route() is (body in ABOUT_THE_ROUTE), body
        assert answer(body, 405).is_about_route(), body


def test_nearly_any_response_but_a_web_page_or_a_failure_acknowledges_a_write() -> None:
    for body in ("", "{}", "[]", '{"success": true}', "null", "done"):
        answer(body).acknowledge()
    for body, error in (
        ("<!DOCTYPE html><p>Sign in", BadAnswer),
        ('{"success": false}', Rejected),
        ('{"success": tr', BadAnswer),
    ):
        with pytest.raises(error):
            answer(body).acknowledge()


def test_a_wrong_shape_is_reported_with_what_was_expected_and_what_was_returned() -> None:
    with pytest.raises(BadAnswer) as caught:
        answer("<html>\n  <body>Sign in\x1b[2J</body>").object()
    assert caught.value.message == (
        "https://registry.example cannot read the prompt (GET /prompt-templates/7): expected JSON, "
        "but the registry returned an HTML page (status 200): <html> <body>Sign in\\x1b[2J</body>"
    )


def test_a_list_is_found_alone_or_under_a_key() -> None:
    lists = (([1], [1]), ({"items": [2]}, [2]), ({"rows": [3]}, [3]))
    for body, found in (*lists, ({"rows": {}}, None), ({}, None), ("x", None), (None, None)):
        assert listed_in(body, ("items", "rows")) == found, body


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_shown_text_is_one_short_printable_line(text: str) -> None:
    line = shown(text)
    assert line.isprintable() and len(line) <= EXCERPT * len("\\U0001f600")


@given(st.binary(max_size=300), st.sampled_from([200, 404, 422]))
def test_any_bytes_can_be_read_as_an_error(content: bytes, status: int) -> None:
    response = answer(content, status)
    assert response.reason().isprintable()
    response.is_about_route()
    with pytest.raises(BadAnswer) as caught:
        response.fail("a list")
    assert caught.value.message.isprintable()
