"""The page of what works is true: each operation and each method of the installed SDK does what it says."""

from __future__ import annotations

import re
import sys

import pytest
import table
from operation_tries import TRIES
from operations import ALL
from vendor_spec import SPEC, spec

from promptsync.server.routes import ROUTES


def pattern(method: str, path: str) -> str:
    return f"{method} {re.sub(r'<[^>]+>|{[^}]+}', '*', path)}"


OPERATIONS = {pattern(*operation.split()) for operation in ALL}


WRITTEN = table.Compatibility.read()


def test_the_data_say_what_each_operation_does() -> None:
    assert table.call_operations() == WRITTEN.operations


def test_the_page_is_made_of_the_data() -> None:
    assert table.PAGE.read_text("utf-8") == WRITTEN.page()


@pytest.mark.lane
def test_the_data_say_what_each_method_of_the_installed_sdk_does() -> None:
    pytest.importorskip("promptlayer")
    column, outcomes = table.called(table.python(sys.executable))
    written = WRITTEN.methods.get(column)
    if written is None:
        pytest.skip(f"the page has no column for {column}")
    # It needs a package that is installed only to write the page.
    assert outcomes == {name: outcome for name, outcome in written.items() if name != "instrument_openai"}


def test_every_sdk_has_a_column() -> None:
    assert all(WRITTEN.methods.values())


def test_every_route_is_an_operation_that_is_tried() -> None:
    routes = {pattern(route.method, route.path) for route in ROUTES}
    assert routes <= OPERATIONS
    assert routes <= {pattern(*attempt.operation.split()) for attempt in TRIES}


def test_the_operations_are_those_of_the_specification() -> None:
    if not SPEC.exists():
        pytest.skip("the vendor's specification is not available")
    declared = {
        pattern(method.upper(), path) for path, methods in spec()["paths"].items() for method in methods
    }
    assert declared <= OPERATIONS
