from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from checking import SOON, Commanded, failure_of, registry_with, run_agents, silent

from promptsync.checks.agents import AgentOrder, AgentRun, NodeOutput
from promptsync.checks.batch import Patience, Status
from promptsync.checks.catalogue import list_agents
from promptsync.checks.receipt import Standard
from promptsync.errors import RemoteError
from promptsync.registry.protocol import Registry


@pytest.fixture
def model() -> Commanded:
    model = Commanded()
    model.go_on.set()
    return model


@pytest.fixture
def registry(model: Commanded, tmp_path: Path) -> Iterator[Registry]:
    with registry_with(model, tmp_path) as registry:
        yield registry


def run(registry: Registry, *, patience: Patience | None = SOON, label: str | None = None) -> AgentRun:
    orders = [AgentOrder(one, {"question": "why"}, label) for one in list_agents(registry)]
    (found,) = run_agents(registry, orders, patience=patience, progress=silent)
    return found


def test_a_run_has_the_outputs_of_every_node(registry: Registry) -> None:
    found = run(registry, label="prod")
    assert (found.status, failure_of([found])) == (Status.COMPLETED, None)
    assert found.outputs == {name: NodeOutput("why", "SUCCESS") for name in ("first", "last")}


def test_a_failed_node_is_named_with_its_reason(registry: Registry, model: Commanded) -> None:
    model.fail_at = "why"
    found = run(registry)
    assert found.status is Status.FAILED
    error = failure_of([found])
    assert error is not None and error.exit_code == 1
    assert error.message == "bot: node first failed: the model is out of order"


def test_missing_variables_are_a_warning(registry: Registry) -> None:
    orders = [AgentOrder(one) for one in list_agents(registry)]
    (found,) = run_agents(registry, orders, patience=SOON, progress=silent)
    assert "question" in found.warning


def test_an_unknown_label_starts_nothing(registry: Registry) -> None:
    found = run(registry, label="nowhere")
    assert found.status is Status.NOT_STARTED
    assert isinstance(failure_of([found]), RemoteError)


def test_when_the_time_is_up_the_execution_is_named(registry: Registry, model: Commanded) -> None:
    model.go_on.clear()
    found = run(registry, patience=Patience(0.05, 0.01))
    assert Standard().agent_failure(found) == f"timed out; execution {found.execution_id} is still running"


def test_an_interruption_leaves_the_runs_as_they_are(registry: Registry, model: Commanded) -> None:
    def interrupt(what: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    model.go_on.clear()
    orders = [AgentOrder(one) for one in list_agents(registry)]
    (known,) = run_agents(registry, orders, patience=SOON, progress=interrupt)
    assert known.is_under_way and known.execution_id == 1


def test_only_starting_leaves_it_running(registry: Registry, model: Commanded) -> None:
    model.go_on.clear()
    assert run(registry, patience=None).is_under_way
