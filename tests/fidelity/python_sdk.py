"""Calls every public method of the installed official SDK for Python and prints what became of it, as JSON.

``python python_sdk.py URL`` needs the registry of ``operation_tries.world``. It runs with any generation of
the SDK, so it imports only the SDK, the clients of two providers and the standard library.
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
from functools import partial
from operator import attrgetter
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "sdk"))

from provider_fakes import provider_fake

NAVIGATION = {"tables.sheets": ("1",), "tables.sheets.for_sheet": ("1",)}
"""Calls that only return the manager of a part, with their arguments; its methods are called, too."""

ATTRIBUTES = {"api_key", "base_url", "throw_on_error", "tracer", "tracer_provider"}
UNANSWERED = "does not support"
"""Part of the message for an operation that the registry does not have."""

CHAT = {"type": "chat", "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi {name}"}]}]}
ANSWER = {"role": "assistant", "content": [{"type": "text", "text": "Hello"}]}
TURNS = [{"role": "user", "content": "Hi"}]
ANA = {"input_variables": {"name": "Ana"}}
CLAUDE = {"provider": "anthropic", "model": "claude-sonnet-4"}
CSV = base64.b64encode(b"question,answer\nRefund?,yes\n").decode()
REQUESTS = []
"""The paths and bodies that arrived at the providers."""


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
        return self.wait(lambda: attrgetter(name)(self.client)(*arguments, **options))

    def wait(self, call):
        async def awaited():
            answer = call()
            answer = await answer if inspect.isawaitable(answer) else answer
            return [item async for item in answer] if hasattr(answer, "__aiter__") else answer

        return call() if self.kind == "sync" else asyncio.run(awaited())

    def log(self):
        """Log a request and return its number."""
        about = {"provider": "openai", "model": "gpt-4o", "prompt_name": "greeting"}
        times = {"request_start_time": 1.5, "request_end_time": 2.5}
        output = {"type": "chat", "messages": [ANSWER]}
        return self.do("log_request", input=CHAT, output=output, **about, **times)["id"]


PROBES = {
    "log_request": lambda sdk: sdk.log() > 0,
    "group.create": lambda sdk: sdk.do("group.create") > 0,
    "track.prompt": lambda sdk: sdk.do("track.prompt", sdk.log(), "greeting", {"name": "Ana"}),
    "track.score": lambda sdk: all(sdk.do("track.score", sdk.log(), 90, *name) for name in ((), ("tone",))),
    "track.metadata": lambda sdk: sdk.do("track.metadata", sdk.log(), {"user": "7"}),
    "track.group": lambda sdk: sdk.do("track.group", sdk.log(), sdk.do("group.create")),
}
"""By method, what calls it. If the method does not work, it fails or returns a false value but ``None``."""


def probe(*names):
    def registered(function):
        PROBES.update(dict.fromkeys(names, function))
        return function

    return registered


# -- prompts and runs ---------------------------------------------------------------------------------------


def text_of(template):
    return template["prompt_template"]["messages"][0]["content"][0]["text"]


@probe("templates.get")
def _get(sdk):
    for how, expected in (({}, "Hi Ana"), ({"version": 1}, "Hello Ana"), ({"label": "prod"}, "Hello Ana")):
        answer = sdk.do("templates.get", "greeting", how | ANA)
        assert text_of(answer) == expected, answer
    assert answer["llm_kwargs"]["model"] == "gpt-4o"
    answer = sdk.do("templates.get", "greeting", CLAUDE | ANA)
    assert answer["metadata"]["model"]["provider"] == "anthropic", answer["metadata"]
    assert answer["llm_kwargs"]["model"] == "claude-sonnet-4", answer["llm_kwargs"]


@probe("templates.all")
def _all(sdk):
    assert "greeting" in [item["prompt_name"] for item in sdk.do("templates.all", per_page=100)]
    labelled = {item["prompt_name"]: item["version"] for item in sdk.do("templates.all", label="prod")}
    assert labelled["greeting"] == 1, labelled


@probe("templates.publish")
def _publish(sdk):
    body = {"prompt_name": "published", "prompt_template": CHAT, "tags": ["t"], "release_labels": ["prod"]}
    first = sdk.do("templates.publish", body)
    second = sdk.do("templates.publish", {**body, "commit_message": "second"})
    assert second["version_number"] == first["version_number"] + 1
    assert sdk.do("templates.get", "published", {"label": "prod"})["commit_message"] == "second"


def _invalidate(name, sdk):
    cached, publisher, prompt = sdk.with_options(cache_ttl_seconds=60), Sdk("sync", sdk.url), f"cached {name}"
    for text, expected in (("one", "one"), ("two", "one")):
        turn = {"role": "user", "content": [{"type": "text", "text": text}]}
        template = {"type": "chat", "messages": [turn]}
        publisher.do("templates.publish", {"prompt_name": prompt, "prompt_template": template})
        assert text_of(cached.do("templates.get", prompt)) == expected
    cached.do(name, prompt)
    assert text_of(cached.do("templates.get", prompt)) == "two"


for name in ("templates.invalidate", "invalidate"):
    PROBES[name] = partial(_invalidate, name)


@probe("run")
def _run(sdk):
    def run(**options):
        return sdk.do("run", "greeting", **ANA, **options)

    answer = run(tags=["t"], metadata={"user": "7"}, group_id=sdk.do("group.create"))
    assert answer["request_id"], answer
    assert answer["raw_response"].choices[0].message.content == "Hello"
    turns = answer["prompt_blueprint"]["prompt_template"]["messages"]
    assert [turn["role"] for turn in turns] == ["user", "assistant"], turns
    assert REQUESTS[-1][1]["temperature"] == 0
    run(model_parameter_overrides={"temperature": 1})
    assert REQUESTS[-1][1]["temperature"] == 1, REQUESTS[-1]
    run(provider="openai", model="gpt-4")
    assert REQUESTS[-1][1]["model"] == "gpt-4", REQUESTS[-1]
    assert run(prompt_version=1, **CLAUDE)["raw_response"].content[0].text == "Hello"
    assert REQUESTS[-1][0].endswith("/v1/messages"), REQUESTS[-1]
    assert list(run(stream=True))[-1]["request_id"]


@probe("run_workflow")
def _run_workflow(sdk):
    for how in ({}, {"workflow_version": 1}, {"workflow_label_name": "prod"}):
        answer = sdk.do("run_workflow", "echo-agent", **ANA, **how)
        assert answer == "Hi Ana", answer
    answer = sdk.do("run_workflow", "echo-agent", **ANA, return_all_outputs=True)
    assert answer["answer"]["status"] == "SUCCESS", answer


def _wrapped(name, sdk):
    """Call the wrapped client of a provider, which logs what it sends."""
    provider = getattr(sdk.client, name.lower())
    made = getattr(provider, name if sdk.kind == "sync" else f"Async{name}")()
    options = {"model": "gpt-4o", "messages": TURNS, "return_pl_id": True}
    create = made.chat.completions.create if name == "OpenAI" else partial(made.messages.create, max_tokens=9)
    answer, request_id = sdk.wait(lambda: create(**options))
    message = answer.choices[0].message.content if name == "OpenAI" else answer.content[0].text
    assert (message, request_id > 0) == ("Hello", True), answer


for name in ("OpenAI", "Anthropic"):
    PROBES[name.lower()] = partial(_wrapped, name)


# -- traces -------------------------------------------------------------------------------------------------


def _send(provider):
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


def _traced(name, sdk):
    client = sdk.with_options(enable_tracing=True).client
    assert getattr(client, name)(name="step")(len)("ab") == 2
    _send(client.tracer_provider)


for name in ("traceable", "traceTool"):
    PROBES[name] = partial(_traced, name)


@probe("configure_tracing")
def _configure_tracing(sdk):
    provider = sdk.module.configure_tracing(api_key="pl_test", base_url=sdk.url, providers=())
    provider.get_tracer("fidelity").start_span("step").end()
    _send(provider)


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
        sdk.wait(lambda: create(model="gpt-4o", messages=TURNS))
    OpenAIInstrumentor().uninstrument()
    _send(provider)
    url = f"{sdk.url}/api/public/v2/traces/{step.get_span_context().trace_id:032x}"
    with urllib.request.urlopen(urllib.request.Request(url, headers={"X-API-KEY": "pl_test"})) as answer:
        names = sorted(span["name"] for span in json.load(answer)["spans"])
    assert names == ["chat gpt-4o", "step"], names


# -- skills and evaluations ---------------------------------------------------------------------------------


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
    beside = {"commit_message": "change", "release_label": "prod"}
    assert sdk.do("skills.update", skill, file_updates=updates, **beside)["version"]
    assert "# Changed" in json.dumps(sdk.do("skills.pull", skill, label="prod"))


def _evaluation(sdk):
    is_new = "expected" in inspect.signature(sdk.module.contains_scorer).parameters
    scorer = sdk.module.contains_scorer(**{"expected" if is_new else "value": "Ana"})
    return {"dataset": [{"input": {"q": "1"}}], "runner": lambda row: row, "scorers": [scorer]}


@probe("evals.run")
def _evals_run(sdk):
    sdk.do("evals.run", {"name": "quality", **_evaluation(sdk)})


@probe("evaluate")
def _evaluate(sdk):
    function = sdk.module.evaluate if sdk.kind == "sync" else sdk.module.aevaluate
    sdk.wait(lambda: function("quality", **_evaluation(sdk)))


# -- tables -------------------------------------------------------------------------------------------------


class Sheet:
    """A new table's sheet. ``do`` calls a method of its managers, ``of_table`` one of all sheets."""

    def __init__(self, sdk):
        self.sdk = sdk
        self.table = sdk.do("tables.create", {"title": "refunds"})["table"]["id"]
        self.sheets = sdk.client.tables.sheets(self.table)
        source = {"type": "file", "file_name": "cases.csv", "file_content_base64": CSV}
        self.id = self.of_table("create", {"title": "cases", "source": source})["sheet"]["id"]
        self.columns = {column["title"]: column["id"] for column in self.do("columns.list")["data"]}

    def of_table(self, name, *arguments):
        return self.sdk.wait(lambda: attrgetter(name)(self.sheets)(*arguments))

    def do(self, name, *arguments):
        return self.sdk.wait(lambda: attrgetter(name)(self.sheets.for_sheet(self.id))(*arguments))

    def score(self, name, *arguments):
        """Call a method of its scorecard."""
        return self.sdk.do(f"tables.sheets.scorecards.{name}", self.table, self.id, *arguments)

    def cell(self, title="answer"):
        return self.do("rows.list")["data"][0]["cells"][self.columns[title]]

    def calculation(self):
        """Configure a scorecard, and start a calculation."""
        config = {"source": self.columns["answer"], "value": "YES"}
        step = {"title": "yes", "primitive_type": "CONTAINS", "primitive_config": config}
        body = {"name": "quality", "aggregation": {"method": "weighted_mean"}, "steps": [step]}
        assert self.score("configure", body)["scorecard"]["status"] == "ready"
        return self.score("recalculate")

    def computed(self):
        """Add a computed column, and return it."""
        edges = [{"column_id": column_id} for column_id in self.columns.values()]
        config = {"sources": list(self.columns.values())}
        body = {"title": "same", "type": "COMPARE", "config": config, "dependencies": edges}
        return self.do("columns.create", body)["column"]


def probe_all(prefix, names):
    return probe(*(f"{prefix}.{name}" for name in names.split()))


@probe_all("tables", "create list get update delete")
def _tables(sdk):
    table = sdk.do("tables.create", {"title": f"table {sdk.kind}"})["table"]
    assert table["sheet_count"] == 1, table
    listed = sdk.do("tables.list", {"name": f"TABLE {sdk.kind}", "limit": 1})["data"]
    assert [item["id"] for item in listed] == [table["id"]], listed
    assert sdk.do("tables.update", table["id"], {"title": "new"})["table"]["title"] == "new"
    assert sdk.do("tables.get", table["id"])["table"]["title"] == "new"
    assert sdk.do("tables.delete", table["id"]) is True
    assert sdk.do("tables.list", {"name": "new"})["data"] == []


@probe_all("tables.sheets", "create list for_sheet.get for_sheet.update for_sheet.delete")
def _sheets(sdk):
    sheet = Sheet(sdk)
    assert sheet.do("get")["sheet"]["row_count"] == 1
    assert sheet.do("update", {"title": "new"})["sheet"]["title"] == "new"
    assert sheet.of_table("create", {"title": "empty"})["sheet"]["title"] == "empty"
    listed = sheet.of_table("list")["data"]
    assert [item["title"] for item in listed] == ["Sheet 1", "new", "empty"], listed
    assert sheet.do("delete") is True
    assert len(sheet.of_table("list")["data"]) == 2


@probe_all(
    "tables.sheets.for_sheet", "columns.create columns.list columns.update columns.delete status_counts"
)
def _columns(sdk):
    sheet = Sheet(sdk)
    column = sheet.computed()
    counts = sheet.do("status_counts")
    assert (counts["total_cells"], counts["status_counts"]["STALE"]) == (1, 1), counts
    changed = sheet.do("columns.update", column["id"], {"title": "new"})
    assert (changed["column"]["title"], changed["requires_recalculation"]) == ("new", False), changed
    listed = [item["title"] for item in sheet.do("columns.list")["data"]]
    assert listed == ["question", "answer", "new"], listed
    assert sheet.do("columns.delete", column["id"]) is True
    assert len(sheet.do("columns.list")["data"]) == 2


@probe_all("tables.sheets.for_sheet", "rows.add rows.list cells.get cells.update")
def _rows(sdk):
    sheet = Sheet(sdk)
    added = sheet.do("rows.add", {"count": 1, "values": [{sheet.columns["answer"]: "x"}]})
    assert added["row_indices"] == [1], added
    rows = sheet.do("rows.list")
    assert [row["row_index"] for row in rows["data"]] == [0, 1], rows
    cell = sheet.cell()
    assert (cell["value"], cell["status"]) == ("yes", "COMPLETED"), cell
    edited = sheet.do("cells.update", cell["id"], {"value": "no"})
    assert edited["cell"]["display_value"] == "no", edited
    assert sheet.do("cells.get", cell["id"])["cell"] == edited["cell"]


@probe_all("tables.sheets.for_sheet.cells", "recalculate batch_recalculate")
def _recalculations(sdk):
    sheet = Sheet(sdk)
    sheet.columns["same"] = sheet.computed()["id"]
    cell_id = sheet.cell("same")["id"]
    assert sheet.do("cells.recalculate", cell_id)["cell_count"] == 1
    started = sheet.do("cells.batch_recalculate", {"cell_ids": [cell_id, sheet.cell()["id"]]})
    assert (started["cell_count"], started["selected_cell_count"]) == (1, 2), started


@probe_all("tables.sheets.scorecards", "configure recalculate cancel")
def _scorecards(sdk):
    sheet = Sheet(sdk)
    assert sheet.calculation()["status"] == "queued"
    assert sheet.score("cancel")["success"]


@probe_all("tables.sheets.scorecards", "get get_calculation list_rows get_row delete")
def _scores(sdk):
    sheet = Sheet(sdk)
    number = sheet.calculation()["calculation_id"]
    calculation = {"status": "queued"}
    while calculation["status"] == "queued":
        calculation = sheet.score("get_calculation", number)["calculation"]
    assert (calculation["status"], calculation["aggregate_score"]) == ("completed", 1.0), calculation
    assert sheet.score("get")["latest_calculation"] == calculation
    (row,) = sheet.score("list_rows", {"verdict": "pass"})["rows"]
    (result,) = sheet.score("get_row", row["row_index"])["step_results"].values()
    assert (result["title"], result["raw_value"]) == ("yes", True), result
    assert sheet.score("delete") == {"success": True}


@probe("tables.imports.add_trace")
def _add_trace(sdk):
    client = sdk.with_options(enable_tracing=True).client
    with client.tracer.start_as_current_span("step") as span:
        trace_id = f"{span.get_span_context().trace_id:032x}"
    _send(client.tracer_provider)
    sheet = Sheet(sdk)
    body = {"trace_id": trace_id, "sheet_id": sheet.id, "table_id": sheet.table}
    row = sdk.do("tables.imports.add_trace", body)["row"]
    assert "step" in {cell["value"]["name"] for cell in row["cells"].values() if cell["value"]}, row


# -- all methods --------------------------------------------------------------------------------------------


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
            answer = called(sdk)
            assert answer or answer is None, answer
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
