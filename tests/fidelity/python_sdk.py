"""Calls every public method of the installed official SDK for Python and prints what became of it, as JSON.

``python python_sdk.py URL`` needs a registry with the prompts and the agent of ``world.py``. It runs with any
generation of the SDK, so it imports only the SDK, the clients of two providers and the standard library.
"""

from __future__ import annotations

import asyncio
import base64
import importlib.metadata
import inspect
import io
import json
import logging
import os
import sys
import urllib.request
import zipfile
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "sdk"))

from provider_fakes import provider_fake

NAVIGATION = {"tables.sheets": ("1",), "tables.sheets.for_sheet": ("1",)}
"""Calls that only return the manager of a part, with their arguments; its methods are called, too."""

ATTRIBUTES = {"api_key", "base_url", "throw_on_error", "tracer", "tracer_provider"}
UNANSWERED = "does not support"
"""Part of the message for an operation that the registry does not have."""

TURN = {"role": "user", "content": [{"type": "text", "text": "Hi {name}"}]}
CHAT = {"type": "chat", "messages": [TURN]}
OPENAI = {"model": {"provider": "openai", "name": "gpt-4o", "parameters": {"temperature": 0}}}
OUTPUT = {"type": "chat", "messages": [{"role": "assistant", "content": [{"type": "text", "text": "Hello"}]}]}
NAME = {"name": "Ana"}
CSV = {
    "file_name": "cases.csv",
    "file_content_base64": base64.b64encode(b"question,answer\nRefund?,yes\n").decode(),
}


REQUESTS = []
"""The paths and bodies that arrived at the providers."""


def sent():
    """Return the body of the last request to a provider."""
    return REQUESTS[-1][1]


class Sdk:
    """One of the two clients; ``do`` calls a method by its dotted name, and waits for it if necessary."""

    def __init__(self, kind, url, **options):
        import promptlayer

        self.kind, self.url, self.module = kind, url, promptlayer
        made = promptlayer.PromptLayer if kind == "sync" else promptlayer.AsyncPromptLayer
        self.client = made(api_key="pl_test", base_url=url, **options)

    def with_options(self, **options):
        return Sdk(self.kind, self.url, **options)

    def do(self, name, /, *arguments, **options):
        method = self.client
        for part in name.split("."):
            method = getattr(method, part)
        return self.wait(lambda: method(*arguments, **options))

    def wait(self, call):
        async def awaited():
            answer = call()
            if hasattr(answer, "__aiter__"):
                return [item async for item in answer]
            if not inspect.isawaitable(answer):
                return answer
            answer = await answer
            return [item async for item in answer] if hasattr(answer, "__aiter__") else answer

        return call() if self.kind == "sync" else asyncio.run(awaited())

    def logged(self):
        return self.do(
            "log_request",
            provider="openai",
            model="gpt-4o",
            input=CHAT,
            output=OUTPUT,
            request_start_time=1.5,
            request_end_time=2.5,
            prompt_name="greeting",
        )["id"]


PROBES = {}


def probe(name):
    def registered(function):
        PROBES[name] = function
        return function

    return registered


def text_of(template):
    return template["prompt_template"]["messages"][0]["content"][0]["text"]


@probe("templates.get")
def _get(sdk):
    for how, expected in (({}, "Hi Ana"), ({"version": 1}, "Hello Ana"), ({"label": "prod"}, "Hello Ana")):
        answer = sdk.do("templates.get", "greeting", {**how, "input_variables": NAME})
        assert text_of(answer) == expected, answer
    assert answer["llm_kwargs"]["model"] == "gpt-4o"
    other = {"provider": "anthropic", "model": "claude-sonnet-4", "input_variables": NAME}
    answer = sdk.do("templates.get", "greeting", other)
    assert answer["metadata"]["model"]["provider"] == "anthropic", answer["metadata"]
    assert answer["llm_kwargs"]["model"] == "claude-sonnet-4", answer["llm_kwargs"]


@probe("templates.all")
def _all(sdk):
    names = [item["prompt_name"] for item in sdk.do("templates.all", per_page=100)]
    assert "greeting" in names, names
    labelled = {item["prompt_name"]: item["version"] for item in sdk.do("templates.all", label="prod")}
    assert labelled["greeting"] == 1, labelled


@probe("templates.publish")
def _publish(sdk):
    body = {"prompt_name": "published", "prompt_template": CHAT, "tags": ["t"], "release_labels": ["prod"]}
    first = sdk.do("templates.publish", body)
    second = sdk.do("templates.publish", {**body, "commit_message": "second"})
    assert second["version_number"] == first["version_number"] + 1
    assert sdk.do("templates.get", "published", {"label": "prod"})["commit_message"] == "second"


@probe("templates.invalidate")
def _invalidate_templates(sdk):
    _cached(sdk, "templates.invalidate")


@probe("invalidate")
def _invalidate(sdk):
    _cached(sdk, "invalidate")


def _cached(sdk, name):
    cached = sdk.with_options(cache_ttl_seconds=60)
    publisher = Sdk("sync", sdk.url)
    for text in ("one", "two"):
        turn = {"role": "user", "content": [{"type": "text", "text": text}]}
        template = {"type": "chat", "messages": [turn]}
        publisher.do("templates.publish", {"prompt_name": f"cached {name}", "prompt_template": template})
        if text == "one":
            assert text_of(cached.do("templates.get", f"cached {name}")) == "one"
    assert text_of(cached.do("templates.get", f"cached {name}")) == "one"
    cached.do(name, f"cached {name}")
    assert text_of(cached.do("templates.get", f"cached {name}")) == "two"


@probe("run")
def _run(sdk):
    group = sdk.do("group.create")
    answer = sdk.do(
        "run", "greeting", input_variables=NAME, tags=["t"], metadata={"user": "7"}, group_id=group
    )
    assert answer["request_id"], answer
    assert answer["raw_response"].choices[0].message.content == "Hello"
    turns = answer["prompt_blueprint"]["prompt_template"]["messages"]
    assert [turn["role"] for turn in turns] == ["user", "assistant"], turns
    assert sent()["temperature"] == 0
    answer = sdk.do("run", "greeting", input_variables=NAME, model_parameter_overrides={"temperature": 1})
    assert sent()["temperature"] == 1, sent()
    sdk.do("run", "greeting", input_variables=NAME, provider="openai", model="gpt-4")
    assert sent()["model"] == "gpt-4", sent()
    answer = sdk.do(
        "run",
        "greeting",
        input_variables=NAME,
        provider="anthropic",
        model="claude-sonnet-4",
        prompt_version=1,
    )
    assert answer["raw_response"].content[0].text == "Hello"
    assert REQUESTS[-1][0].endswith("/v1/messages"), REQUESTS[-1]
    pieces = list(sdk.do("run", "greeting", input_variables=NAME, stream=True))
    assert pieces[-1]["request_id"], pieces[-1]


@probe("run_workflow")
def _run_workflow(sdk):
    for how in ({}, {"workflow_version": 1}, {"workflow_label_name": "prod"}):
        answer = sdk.do("run_workflow", "echo-agent", input_variables=NAME, **how)
        assert answer == "Hi Ana", answer
    answer = sdk.do("run_workflow", "echo-agent", input_variables=NAME, return_all_outputs=True)
    assert answer["answer"]["status"] == "SUCCESS", answer


@probe("log_request")
def _log_request(sdk):
    assert sdk.logged() > 0


@probe("group.create")
def _group(sdk):
    assert sdk.do("group.create") > 0


@probe("track.prompt")
def _track_prompt(sdk):
    assert sdk.do("track.prompt", sdk.logged(), "greeting", NAME)


@probe("track.score")
def _track_score(sdk):
    assert sdk.do("track.score", sdk.logged(), 90)
    assert sdk.do("track.score", sdk.logged(), 90, "tone")


@probe("track.metadata")
def _track_metadata(sdk):
    assert sdk.do("track.metadata", sdk.logged(), {"user": "7"})


@probe("track.group")
def _track_group(sdk):
    assert sdk.do("track.group", sdk.logged(), sdk.do("group.create"))


@probe("traceable")
def _traceable(sdk):
    client = sdk.with_options(enable_tracing=True).client
    assert client.traceable(name="step")(len)("ab") == 2
    _sent(client.tracer_provider)


@probe("traceTool")
def _trace_tool(sdk):
    client = sdk.with_options(enable_tracing=True).client
    assert client.traceTool(name="step")(len)("ab") == 2
    _sent(client.tracer_provider)


@probe("configure_tracing")
def _configure_tracing(sdk):
    provider = sdk.module.configure_tracing(api_key="pl_test", base_url=sdk.url, providers=())
    provider.get_tracer("fidelity").start_span("step").end()
    _sent(provider)


@probe("instrument_openai")
def _instrument_openai(sdk):
    from openai import AsyncOpenAI, OpenAI
    from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor
    from opentelemetry.sdk.trace import TracerProvider

    # Clients with enable_tracing have instrumented OpenAI's client already.
    OpenAIInstrumentor().uninstrument()
    provider = TracerProvider()
    sdk.module.instrument_openai(api_key="pl_test", base_url=sdk.url, tracer_provider=provider)
    create = (OpenAI() if sdk.kind == "sync" else AsyncOpenAI()).chat.completions.create
    with provider.get_tracer("fidelity").start_as_current_span("step") as step:
        sdk.wait(lambda: create(model="gpt-4o", messages=[{"role": "user", "content": "Hi"}]))
    OpenAIInstrumentor().uninstrument()
    _sent(provider)
    url = f"{sdk.url}/api/public/v2/traces/{step.get_span_context().trace_id:032x}"
    with urllib.request.urlopen(urllib.request.Request(url, headers={"X-API-KEY": "pl_test"})) as answer:
        names = sorted(span["name"] for span in json.load(answer)["spans"])
    assert names == ["chat gpt-4o", "step"], names


def _sent(provider):
    """Send the spans that ended, and fail for anything that is logged meanwhile."""
    problems = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: problems.append(record.getMessage())
    logging.getLogger().addHandler(handler)
    try:
        assert provider.force_flush()
    finally:
        logging.getLogger().removeHandler(handler)
    assert problems == [], problems


@probe("openai")
def _openai(sdk):
    openai = sdk.client.openai
    made = openai.OpenAI if sdk.kind == "sync" else openai.AsyncOpenAI
    turns = [{"role": "user", "content": "Hi"}]
    create = made().chat.completions.create
    answer, request_id = sdk.wait(lambda: create(model="gpt-4o", messages=turns, return_pl_id=True))
    assert answer.choices[0].message.content == "Hello"
    assert request_id > 0


@probe("anthropic")
def _anthropic(sdk):
    anthropic = sdk.client.anthropic
    made = anthropic.Anthropic if sdk.kind == "sync" else anthropic.AsyncAnthropic
    turns = [{"role": "user", "content": "Hi"}]
    create = made().messages.create
    answer, request_id = sdk.wait(
        lambda: create(model="claude-sonnet-4", max_tokens=9, messages=turns, return_pl_id=True)
    )
    assert answer.content[0].text == "Hello"
    assert request_id > 0


def _skill(sdk, name):
    files = [{"path": "SKILL.md", "content": "# Refunds"}]
    body = {"name": f"{name} {sdk.kind}", "provider": "openai", "files": files}
    return sdk.do("skills.publish", body)["skill_collection"]["id"]


@probe("skills.publish")
def _skills_publish(sdk):
    assert _skill(sdk, "published")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("SKILL.md", "# Zipped")
    body = {"name": f"zipped {sdk.kind}", "provider": "openai"}
    assert sdk.do("skills.publish", body, zip=archive.getvalue())["success"]


@probe("skills.pull")
def _skills_pull(sdk):
    skill = _skill(sdk, "pulled")
    assert "# Refunds" in json.dumps(sdk.do("skills.pull", skill))
    with zipfile.ZipFile(io.BytesIO(sdk.do("skills.pull", skill, format="zip"))) as file:
        assert file.namelist() != []


@probe("skills.update")
def _skills_update(sdk):
    skill = _skill(sdk, "updated")
    updates = [{"path": "SKILL.md", "content": "# Changed"}]
    answer = sdk.do(
        "skills.update", skill, file_updates=updates, commit_message="change", release_label="prod"
    )
    assert answer["version"], answer
    assert "# Changed" in json.dumps(sdk.do("skills.pull", skill, label="prod"))


@probe("evals.run")
def _evals_run(sdk):
    sdk.do("evals.run", {"name": "quality", **_evaluation(sdk)})


@probe("evaluate")
def _evaluate(sdk):
    function = sdk.module.evaluate if sdk.kind == "sync" else sdk.module.aevaluate
    sdk.wait(lambda: function("quality", **_evaluation(sdk)))


def _evaluation(sdk):
    is_new = "expected" in inspect.signature(sdk.module.contains_scorer).parameters
    scorer = sdk.module.contains_scorer(**{"expected" if is_new else "value": "Ana"})
    return {"dataset": [{"input": {"q": "1"}}], "runner": lambda row: row, "scorers": [scorer]}


class Sheet:
    """A new table's sheet, with the managers of the SDK for both."""

    def __init__(self, sdk):
        self.sdk = sdk
        self.table = sdk.do("tables.create", {"title": "refunds"})["table"]["id"]
        self.sheets = sdk.client.tables.sheets(self.table)
        body = {"title": "cases", "source": {"type": "file", **CSV}}
        self.id = self.wait(self.sheets.create, body)["sheet"]["id"]
        self.one = self.sheets.for_sheet(self.id)
        self.columns = {column["title"]: column["id"] for column in self.wait(self.one.columns.list)["data"]}

    def wait(self, method, *arguments):
        return self.sdk.wait(lambda: method(*arguments))

    def cell(self, title="answer"):
        return self.wait(self.one.rows.list)["data"][0]["cells"][self.columns[title]]

    def calculation(self):
        """Configure a scorecard, and start a calculation."""
        scorecards = self.sdk.client.tables.sheets.scorecards
        config = {"source": self.columns["answer"], "value": "YES"}
        step = {"title": "yes", "primitive_type": "CONTAINS", "primitive_config": config}
        body = {"name": "quality", "aggregation": {"method": "weighted_mean"}, "steps": [step]}
        assert self.wait(scorecards.configure, self.table, self.id, body)["scorecard"]["status"] == "ready"
        return self.wait(scorecards.recalculate, self.table, self.id)

    def computed(self):
        """Add a computed column, and return it."""
        edges = [{"column_id": column_id} for column_id in self.columns.values()]
        config = {"sources": list(self.columns.values())}
        body = {"title": "same", "type": "COMPARE", "config": config, "dependencies": edges}
        return self.wait(self.one.columns.create, body)["column"]


@probe("tables.create")
@probe("tables.list")
@probe("tables.get")
@probe("tables.update")
@probe("tables.delete")
def _tables(sdk):
    table = sdk.do("tables.create", {"title": f"table {sdk.kind}"})["table"]
    assert table["sheet_count"] == 1, table
    listed = sdk.do("tables.list", {"name": f"TABLE {sdk.kind}", "limit": 1})["data"]
    assert [item["id"] for item in listed] == [table["id"]], listed
    assert sdk.do("tables.update", table["id"], {"title": "new"})["table"]["title"] == "new"
    assert sdk.do("tables.get", table["id"])["table"]["title"] == "new"
    assert sdk.do("tables.delete", table["id"]) is True
    assert sdk.do("tables.list", {"name": "new"})["data"] == []


@probe("tables.sheets.create")
@probe("tables.sheets.list")
@probe("tables.sheets.for_sheet.get")
@probe("tables.sheets.for_sheet.update")
@probe("tables.sheets.for_sheet.delete")
def _sheets(sdk):
    sheet = Sheet(sdk)
    assert sheet.wait(sheet.one.get)["sheet"]["row_count"] == 1
    assert sheet.wait(sheet.one.update, {"title": "new"})["sheet"]["title"] == "new"
    assert sheet.wait(sheet.sheets.create, {"title": "empty"})["sheet"]["title"] == "empty"
    listed = sheet.wait(sheet.sheets.list)["data"]
    assert [item["title"] for item in listed] == ["Sheet 1", "new", "empty"], listed
    assert sheet.wait(sheet.one.delete) is True
    assert len(sheet.wait(sheet.sheets.list)["data"]) == 2


@probe("tables.sheets.for_sheet.columns.create")
@probe("tables.sheets.for_sheet.columns.list")
@probe("tables.sheets.for_sheet.columns.update")
@probe("tables.sheets.for_sheet.columns.delete")
@probe("tables.sheets.for_sheet.status_counts")
def _columns(sdk):
    sheet = Sheet(sdk)
    column = sheet.computed()
    counts = sheet.wait(sheet.one.status_counts)
    assert (counts["total_cells"], counts["status_counts"]["STALE"]) == (1, 1), counts
    changed = sheet.wait(sheet.one.columns.update, column["id"], {"title": "new"})
    assert (changed["column"]["title"], changed["requires_recalculation"]) == ("new", False), changed
    listed = [item["title"] for item in sheet.wait(sheet.one.columns.list)["data"]]
    assert listed == ["question", "answer", "new"], listed
    assert sheet.wait(sheet.one.columns.delete, column["id"]) is True
    assert len(sheet.wait(sheet.one.columns.list)["data"]) == 2


@probe("tables.sheets.for_sheet.rows.add")
@probe("tables.sheets.for_sheet.rows.list")
@probe("tables.sheets.for_sheet.cells.get")
@probe("tables.sheets.for_sheet.cells.update")
def _rows(sdk):
    sheet = Sheet(sdk)
    added = sheet.wait(sheet.one.rows.add, {"count": 1, "values": [{sheet.columns["answer"]: "x"}]})
    assert added["row_indices"] == [1], added
    rows = sheet.wait(sheet.one.rows.list)
    assert [row["row_index"] for row in rows["data"]] == [0, 1], rows
    cell = sheet.cell()
    assert (cell["value"], cell["status"]) == ("yes", "COMPLETED"), cell
    edited = sheet.wait(sheet.one.cells.update, cell["id"], {"value": "no"})
    assert edited["cell"]["display_value"] == "no", edited
    assert sheet.wait(sheet.one.cells.get, cell["id"])["cell"] == edited["cell"]


@probe("tables.sheets.for_sheet.versions.create")
@probe("tables.sheets.for_sheet.versions.list")
@probe("tables.sheets.for_sheet.versions.get")
def _versions(sdk):
    sheet = Sheet(sdk)
    saved = sheet.wait(sheet.one.versions.create, {"name": "first"})["version"]
    listed = sheet.wait(sheet.one.versions.list)["data"]
    assert [version["name"] for version in listed] == ["first"], listed
    assert sheet.wait(sheet.one.versions.get, saved["id"])["version"] == saved


@probe("tables.sheets.for_sheet.cells.recalculate")
@probe("tables.sheets.for_sheet.cells.batch_recalculate")
def _recalculations(sdk):
    sheet = Sheet(sdk)
    sheet.columns["same"] = sheet.computed()["id"]
    cell_id = sheet.cell("same")["id"]
    assert sheet.wait(sheet.one.cells.recalculate, cell_id)["cell_count"] == 1
    started = sheet.wait(sheet.one.cells.batch_recalculate, {"cell_ids": [cell_id, sheet.cell()["id"]]})
    assert (started["cell_count"], started["selected_cell_count"]) == (1, 2), started


@probe("tables.sheets.scorecards.configure")
@probe("tables.sheets.scorecards.recalculate")
@probe("tables.sheets.scorecards.cancel")
def _scorecards(sdk):
    sheet = Sheet(sdk)
    assert sheet.calculation()["status"] == "queued"
    assert sheet.wait(sdk.client.tables.sheets.scorecards.cancel, sheet.table, sheet.id)["success"]


@probe("tables.sheets.scorecards.get")
@probe("tables.sheets.scorecards.get_calculation")
@probe("tables.sheets.scorecards.list_rows")
@probe("tables.sheets.scorecards.get_row")
@probe("tables.sheets.scorecards.delete")
def _scores(sdk):
    sheet, scorecards = Sheet(sdk), sdk.client.tables.sheets.scorecards
    number = sheet.calculation()["calculation_id"]

    def read(method, *arguments):
        return sheet.wait(method, sheet.table, sheet.id, *arguments)

    calculation = {"status": "queued"}
    while calculation["status"] == "queued":
        calculation = read(scorecards.get_calculation, number)["calculation"]
    assert (calculation["status"], calculation["aggregate_score"]) == ("completed", 1.0), calculation
    assert read(scorecards.get)["latest_calculation"] == calculation
    (row,) = read(scorecards.list_rows, {"verdict": "pass"})["rows"]
    (result,) = read(scorecards.get_row, row["row_index"])["step_results"].values()
    assert (result["title"], result["raw_value"]) == ("yes", True), result
    assert read(scorecards.delete) == {"success": True}


@probe("tables.imports.add_trace")
def _add_trace(sdk):
    client = sdk.with_options(enable_tracing=True).client
    with client.tracer.start_as_current_span("step") as span:
        trace_id = f"{span.get_span_context().trace_id:032x}"
    _sent(client.tracer_provider)
    sheet = Sheet(sdk)
    body = {"trace_id": trace_id, "sheet_id": sheet.id, "table_id": sheet.table}
    row = sdk.do("tables.imports.add_trace", body)["row"]
    assert "step" in {cell["value"]["name"] for cell in row["cells"].values() if cell["value"]}, row


def methods(sdk):
    """Yield the name of each public method of a client, and of functions beside it that make requests."""
    yield from _methods(sdk.client, "")
    yield from (("openai", None), ("anthropic", None))
    for name in ("evaluate", "configure_tracing", "instrument_openai"):
        if hasattr(sdk.module, name):
            yield name, None


def _methods(owner, prefix):
    for name in sorted({*vars(owner), *dir(type(owner))}):
        if name.startswith("_") or (not prefix and name in ATTRIBUTES):
            continue
        value, dotted = getattr(owner, name), prefix + name
        if dotted in NAVIGATION:
            yield from _methods(value(*NAVIGATION[dotted]), f"{dotted}.")
        elif inspect.isroutine(value):
            yield dotted, value
        # A manager can be called as well as have methods.
        if type(value).__module__.startswith("promptlayer"):
            yield from _methods(value, f"{dotted}.")


def outcome(sdk, name, method):
    """Return ``works``, ``missing`` if the registry says so, ``not installed``, or what failed."""
    called = PROBES.get(name)
    try:
        if called is not None:
            called(sdk)
        else:
            parameters = inspect.signature(method).parameters.values()
            required = [parameter for parameter in parameters if parameter.default is parameter.empty]
            arguments = [{} if parameter.name in ("body", "params") else "1" for parameter in required]
            sdk.wait(lambda: method(*arguments))
    except ModuleNotFoundError:
        return "not installed"
    except BaseException as error:
        return "missing" if UNANSWERED in str(error) else f"{type(error).__name__}: {error}"
    return "works" if called is not None else "answered, but nothing here checks the answer"


def main(url):
    logging.disable(logging.NOTSET)
    os.environ.update(OPENAI_API_KEY="sk-test", ANTHROPIC_API_KEY="sk-test")
    os.environ.update(PROMPTLAYER_BASE_URL=url, PROMPTLAYER_API_KEY="pl_test")
    outcomes = {}
    with provider_fake() as providers:
        providers.requests = REQUESTS
        os.environ.update(OPENAI_BASE_URL=f"{providers.url}/v1", ANTHROPIC_BASE_URL=providers.url)
        for kind in ("sync", "async"):
            sdk = Sdk(kind, url)
            for name, method in methods(sdk):
                outcomes.setdefault(name, {})[kind] = outcome(sdk, name, method)
    version = importlib.metadata.version("promptlayer")
    sys.stdout.write(json.dumps({"language": "Python", "version": version, "methods": outcomes}) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
