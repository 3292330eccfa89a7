"""Recorded answers of PromptLayer against those of the embedded registry.

``python tests/fidelity/recorded.py FOLDER`` replays the requests in a folder of VCR recordings, such as the
one in the repository of the official SDK, and prints a line for each answer. What a recording needs is
published first, from its own answers. Ids, times, tokens and the wording of messages may differ; all other
differences must be those in ``KNOWN``. The exit code is 1 if they are not.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
import time
import urllib.parse
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from registry_server import Answer, Caller

from promptsync.server.app import create_app

SERVERS = ("localhost", "api.promptlayer.com")
"""Hosts of recordings that are PromptLayer. The others are those of model providers."""

UNCOMPARED = re.compile(r"id|.*_id|.*_at|.*_time|message|token|expires|issued|.*_hash", re.ASCII)
"""Keys whose values may differ."""

ID_IN_TARGET = re.compile(r"(?<=[/=])\d+|(?<=workflows%3A)\d+")
ID_IN_CHANNEL = re.compile(r"(?<=workflows:)\d+")

NODE, PROMPT = "Node 1", "recorded answer"
NEWER = "The recording is of 2025; the current specification has it."
RECORDED_LATER = "The recording is of 2025; the one of 2026 has it."
FLAT = "The current specification has a flat agent; the recorded nested one is beside it."
CENTRIFUGO = "Python 1.0.85 and 1.5.0 and JavaScript 1.3.6 call Ably without it; the recording is older."
ECHO = "It names what answered, because an echo is not a model."
KNOWN: tuple[tuple[str, str, str], ...] = (
    (".*", r"(.*\.)?content\[\*\]\.(id|annotations): only here", RECORDED_LATER),
    (".*", r"(.*\.)?metadata\.model\.(api_type|base_model|display_params): only here", RECORDED_LATER),
    (".*", r"(.*\.)?metadata\.model\.model_config_display_name: only here", RECORDED_LATER),
    (
        "POST /(prompt-templates/.*|track-request|log-request)",
        r"(prompt_blueprint\.|prompt_version\.)?(custom_provider|provider_id|request_id): only here",
        RECORDED_LATER,
    ),
    ("GET /prompt-templates", r"items\[\*\]\.(external_ids|is_snippet): only here", NEWER),
    ("POST /rest/prompt-templates", "(external_ids|prompt_version_id|version_number): only here", NEWER),
    ("POST /(library-)?track-(score|metadata|group)", "message: only here", NEWER),
    ("POST /log-request", "(error_message|error_type|status): only here", NEWER),
    ("POST /log-request", "(request_id|success): only here", "The customer's document has it."),
    ("POST /log-request", "(group_id|latency|prompt_name): only here", "A search returns it, too."),
    ("GET /workflows/[^/]+", "[a-z_]+: only here", FLAT),
    ("POST /ws-token-request-library", "messaging_backend: only here", CENTRIFUGO),
    ("GET /workflow-version-execution-results", rf"{NODE}\.model: only here", ECHO),
)
"""Patterns of a request and of a difference, and why it differs. ``[*]`` stands for any index."""

FIXTURES = """
agents:
  - {{name: {agent}, nodes: [{{name: {node}, prompt: {{name: {prompt}}}, output: true}}]}}
"""


@dataclass(frozen=True)
class Recording:
    """One request and its recorded answer."""

    name: str
    method: str
    target: str
    sent: Any
    status: int
    body: Any

    @property
    def request(self) -> str:
        """Method and path."""
        return f"{self.method} {self.target.partition('?')[0]}"


def recordings(folder: Path) -> Iterator[list[Recording]]:
    """Yield the recordings of each file that holds requests to PromptLayer."""
    for path in sorted(folder.glob("*.yaml")):
        recorded = []
        for item in yaml.safe_load(path.read_text("utf-8"))["interactions"]:
            request, response = item["request"], item["response"]
            url = urllib.parse.urlsplit(request["uri"])
            if url.hostname in SERVERS:
                target = url._replace(scheme="", netloc="").geturl()
                sent = json.loads(request["body"]) if request["body"] else None
                status, body = response["status"]["code"], json.loads(response["body"]["string"])
                recorded.append(Recording(path.stem, request["method"], target, sent, status, body))
        if recorded:
            yield recorded


# -- replaying ----------------------------------------------------------------------------------------------


@dataclass
class Replay:
    """A new registry that one file is replayed against. ``ids`` maps recorded ids to those here."""

    call: Caller
    ids: dict[int, int] = field(default_factory=dict)
    published: set[str] = field(default_factory=set)

    def answer(self, recording: Recording) -> Answer:
        """Send the request, after what it needs."""
        self._prepare(recording)
        sent = recording.sent
        if isinstance(sent, dict):
            sent = {key: self._id(value) if key.endswith("_id") else value for key, value in sent.items()}
        answer = self.call(recording.method, re.sub(ID_IN_TARGET, self._id_in_target, recording.target), sent)
        self._learn(recording.body, answer.body)
        return answer

    def _id(self, value: Any) -> Any:
        return self.ids.get(value, value) if isinstance(value, int) else value

    def _id_in_target(self, match: re.Match[str]) -> str:
        return str(self._id(int(match[0])))

    def _learn(self, recorded: Any, here: Any) -> None:
        if isinstance(recorded, dict) and isinstance(here, dict):
            for key, value in recorded.items():
                if (key == "id" or key.endswith("_id")) and isinstance(value, int) and key in here:
                    self.ids[value] = here[key]
                self._learn(value, here.get(key))

    def _prepare(self, recording: Recording) -> None:
        if recording.request.startswith("POST /prompt-templates/"):
            self._publish(recording.body)
        elif recording.request == "GET /prompt-templates":
            for item in sorted(recording.body["items"], key=lambda item: item["id"]):
                self._publish(item)
        elif recording.request == "POST /rest/prompt-templates":
            self.published.add(recording.body["prompt_name"])
        elif recording.request == "GET /workflow-version-execution-results":
            self._run(recording)

    def _publish(self, stored: dict[str, Any]) -> None:
        name = stored["prompt_name"]
        version = {key: stored[key] for key in ("prompt_template", "metadata", "commit_message")}
        body = {"prompt_template": {"prompt_name": name, "tags": stored["tags"]}, "prompt_version": version}
        for _ in range(0 if name in self.published else stored["version"]):
            created = self.call("POST", "/rest/prompt-templates", body)
            assert created.status == 201, created.body
        self.published.add(name)

    def _run(self, recording: Recording) -> None:
        value = recording.body[NODE]["value"] if isinstance(recording.body, dict) else recording.body
        text = {"type": "completion", "content": [{"type": "text", "text": value}]}
        self.call("POST", "/rest/prompt-templates", {"prompt_name": PROMPT, "prompt_template": text})
        started = self.call("POST", "/workflows/1/run", {}).body["workflow_version_execution_id"]
        recorded = re.search(r"execution_id=(\d+)", recording.target)
        assert recorded is not None
        self.ids[int(recorded[1])] = started
        deadline = time.monotonic() + 30
        target = f"/workflow-version-execution-results?workflow_version_execution_id={started}"
        while self.call("GET", target).status == 202 and time.monotonic() < deadline:
            time.sleep(0.01)


def replayed(exchanges: list[Recording]) -> Iterator[tuple[Recording, list[str]]]:
    """Replay the recordings of one file; yield each with its differences."""
    reads = (recording for recording in exchanges if recording.request.startswith("GET /workflows/"))
    agents = [recording.body["workflow"]["name"] for recording in reads]
    with tempfile.TemporaryDirectory() as folder:
        fixtures = Path(folder, "registry.yaml")
        fixtures.write_text(FIXTURES.format(agent=[*agents, "agent"][0], node=NODE, prompt=PROMPT))
        with create_app(Path(folder, "registry.db"), fixtures=fixtures) as app:
            replay = Replay(Caller(app))
            for recording in exchanges:
                answer = replay.answer(recording)
                different = differences(recording.status, answer.status, "status")
                bodies = (ID_IN_CHANNEL.sub("", json.dumps(body)) for body in (recording.body, answer.body))
                yield recording, [*different, *differences(*map(json.loads, bodies))]


# -- comparing ----------------------------------------------------------------------------------------------


def differences(recorded: Any, here: Any, where: str = "") -> Iterator[str]:
    """Yield where two JSON values differ, and how."""
    if isinstance(recorded, dict) and isinstance(here, dict):
        for key in recorded.keys() | here.keys():
            place = f"{where}.{key}" if where else key
            if key not in here or key not in recorded:
                yield f"{place}: only {'recorded' if key in recorded else 'here'}"
            elif not UNCOMPARED.fullmatch(key):
                yield from differences(recorded[key], here[key], place)
    elif isinstance(recorded, list) and isinstance(here, list) and len(recorded) == len(here):
        for pair in zip(recorded, here, strict=True):
            yield from differences(*pair, f"{where}[*]")
    elif (type(recorded), recorded) != (type(here), here):
        texts = [json.dumps(value, ensure_ascii=False) for value in (recorded, here)]
        texts = [text if len(text) <= 60 else f"{text[:57]}..." for text in texts]
        yield f"{where or 'the body'}: {texts[0]} recorded, {texts[1]} here"


def main(folder: Path) -> int:
    """Print a line for each answer and its differences, and return the exit code."""
    counts: Counter[str] = Counter()
    unused = set(KNOWN)
    for recording, differing in (pair for file in recordings(folder) for pair in replayed(file)):
        known = {
            text: {
                (request, pattern, why)
                for request, pattern, why in KNOWN
                if re.fullmatch(request, recording.request) and re.fullmatch(pattern, text)
            }
            for text in sorted(set(differing))
        }
        unused -= set().union(*known.values())
        outcome = "matches" if not known else "as known" if all(known.values()) else "differs"
        counts[outcome] += 1
        print(f"{outcome:8}  {recording.name}  {recording.request}")
        for text, lines in known.items():
            print(f"          {text}", *(f"({why})" for _, _, why in lines))
    for request, difference, _ in sorted(unused):
        print(f"Nothing differs in this way any more, so remove it from KNOWN: {request} {difference}")
    print(f"{counts.total()} answers:", ", ".join(f"{count} {outcome}" for outcome, count in counts.items()))
    return int(bool(counts["differs"] or unused or not counts))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
