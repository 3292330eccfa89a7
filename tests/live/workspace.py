"""The registry behind a run: reads and writes of its own names only, and their removal.

Every request names what it is about. A name without the random part of this run raises ``Foreign`` before
anything is sent.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx

from promptsync.errors import PromptsyncError
from promptsync.prompt.prompt import Label, Version
from promptsync.registry.errors import Unsupported
from promptsync.registry.open import open_registry
from promptsync.registry.protocol import Timeouts

PREFIX = "promptsync-verify"
TABLES = "/api/public/v2/tables"
RAW = "?resolve_snippets=false"
UNKNOWN_SHAPE = (LookupError, ValueError, TypeError, AttributeError, StopIteration)
"""What reading an answer of an unknown shape can raise."""


class Differs(Exception):
    """The registry or promptsync did something else than a step needs."""


class RegistryFailed(Exception):
    """Nothing more can be found out: no connection, a rejected key, or a registry out of order."""


class Foreign(Exception):
    """A request would have been about something that this run has not created."""


class Answer(NamedTuple):
    """What a request got: ``fields`` is its JSON object, empty if ``body`` is something else."""

    status: int
    body: Any
    raw: str

    @property
    def fields(self) -> dict[str, Any]:
        return self.body if isinstance(self.body, dict) else {}


class Workspace:
    """The names of one run in the workspace of a key. ``note`` gets a line about each request."""

    def __init__(
        self,
        url: str,
        key: str,
        run: str,
        *,
        note: Callable[[str], None],
        protected: str = "",
        timeouts: Timeouts | None = None,
    ) -> None:
        self.names = f"{PREFIX}/{run}/"
        self.label = f"verify-{run}"
        self._protected = protected
        self._note = note
        self.registry = open_registry(url, key, timeouts=timeouts)
        headers = {"X-API-KEY": key, "User-Agent": f"{PREFIX}/1", "Cache-Control": "no-cache"}
        headers["Content-Type"] = "application/json"
        self._http = httpx.Client(base_url=url.rstrip("/"), headers=headers, timeout=30)

    def close(self) -> None:
        self._http.close()
        self.registry.close()

    def name(self, word: str) -> str:
        """Return the name of a prompt or a table of this run."""
        return self.names + word

    def _path(self, word: str) -> str:
        return f"/prompt-templates/{quote(self.name(word), safe='')}"

    # -- requests about one prompt of this run, or for one table --------------------------------------------

    def get(self, word: str, query: str = RAW) -> Answer:
        return self._send("GET", f"{self._path(word)}{query}")

    def render(self, word: str, body: dict[str, Any]) -> Answer:
        """Read a prompt as an application does."""
        return self._send("POST", self._path(word), body)

    def list(self, target: str) -> Answer:
        """Read a list, which has other names, too: its body is in no report."""
        return self._send("GET", target, is_shown=False)

    def publish(self, word: str, template: dict[str, Any], message: str = "m", **fields: Any) -> Answer:
        """Publish a version as PromptLayer's SDK does, with ``tags``, ``labels`` and other ``fields``."""
        tags = {"tags": fields.pop("tags")} if "tags" in fields else {}
        labels = fields.pop("labels", None)
        version = {"prompt_template": template, "commit_message": message, **fields}
        wrapped = {"prompt_name": self.name(word), **tags}
        body = {"prompt_template": wrapped, "prompt_version": version, "release_labels": labels}
        return self._send("POST", "/rest/prompt-templates", body)

    def publish_flat(self, word: str, template: dict[str, Any]) -> Answer:
        """Publish a version in the other form."""
        body = {"prompt_name": self.name(word), "prompt_template": template, "commit_message": "m"}
        return self._send("POST", "/rest/prompt-templates", body)

    def create_label(self, word: str, label: str, version: int) -> Answer:
        if not label.startswith(self.label) and label != self._protected:
            raise Foreign(label)
        body = {"name": label, "prompt_version_number": version}
        return self._send("POST", f"/prompts/{self.prompt(word).template_id}/label", body)

    def move_label(self, word: str, label: str, version: int) -> Answer:
        body = {"prompt_version_number": version}
        return self._send("PATCH", f"/prompt-labels/{self._label_id(word, label)}", body)

    def delete_label(self, word: str, label: str) -> Answer:
        return self._send("DELETE", f"/prompt-labels/{self._label_id(word, label)}")

    def archive(self, word: str) -> Answer:
        prompt = self.prompt(word)
        entities = [{"id": prompt.template_id, "type": "SNIPPET" if prompt.is_snippet else "PROMPT"}]
        return self._send("DELETE", "/api/public/v2/folders/entities", {"entities": entities})

    def create_table(self, word: str) -> Answer:
        """Create a table without a sheet."""
        return self._send("POST", TABLES, {"title": self.name(word), "create_default_sheet": False})

    def _send(self, method: str, target: str, body: Any = None, *, is_shown: bool = True) -> Answer:
        content = None if body is None else json.dumps(body)
        for wait in (2.0, 8.0, 30.0, 0.0):
            try:
                response = self._http.request(method, target, content=content)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                raise RegistryFailed(f"{method} {target}: no connection: {error}") from None
            except httpx.HTTPError as error:
                raise Differs(f"{method} {target}: {type(error).__name__} {error}") from None
            # A request that was limited was not executed.
            if response.status_code != 429 or not wait:
                break
            time.sleep(wait)
        try:
            parsed = response.json()
        except ValueError:
            parsed = None
        excerpt = f" {response.text[:2000]}" if is_shown else ""
        self._note(f"{method} {target} -> {response.status_code}{excerpt}")
        if response.status_code == 401:
            raise RegistryFailed(f"the registry rejects the key: {method} {target} -> 401")
        return Answer(response.status_code, parsed, response.text)

    # -- what is there of this run --------------------------------------------------------------------------

    def prompts(self) -> list[Version]:
        """Return the prompts of this run that are not archived."""
        listed = self.registry.prompts.list(name=self.names)
        return [version for version in listed if version.name.startswith(self.names)]

    def prompt(self, word: str) -> Version:
        name = self.name(word)
        found = next((version for version in self.prompts() if version.name == name), None)
        if found is None:
            raise Foreign(f"there is no prompt {name}")
        return found

    def labels(self, word: str) -> dict[str, int]:
        """Return the versions of the labels of a prompt."""
        return {label.name: label.version for label in self._labels(self.prompt(word))}

    def tables(self) -> list[dict[str, Any]]:
        try:
            listed = self.registry.tables.titled(self.names)
        except Unsupported:
            return []
        return [table for table in listed if str(table.get("title", "")).startswith(self.names)]

    def _labels(self, prompt: Version) -> list[Label]:
        return self.registry.labels.of(prompt.template_id, prompt.name)

    def _label_id(self, word: str, name: str) -> int:
        for label in self._labels(self.prompt(word)):
            if label.name == name and label.label_id is not None:
                return label.label_id
        raise Foreign(f"label {name} of {self.name(word)}")

    # -- cleaning up ----------------------------------------------------------------------------------------

    def clean(self) -> list[str]:
        """Delete the labels and tables of this run and archive its prompts; return what is left."""
        errors: dict[str, str] = {}
        # A request that was under way at Ctrl-C may be executed after the first look.
        for _ in range(3):
            errors.clear()
            with _kept(errors, f"prompts and tables {self.names}…"):
                # A snippet goes after the prompts that use it.
                for prompt in sorted(self.prompts(), key=lambda version: version.is_snippet):
                    with _kept(errors, f"labels of {prompt.name}"):
                        for label in self._labels(prompt):
                            self.registry.labels.delete(label)
                    with _kept(errors, f"prompt {prompt.name}"):
                        self.registry.prompts.archive(prompt.template_id, prompt.is_snippet)
                for table in self.tables():
                    with _kept(errors, f"table {table['title']}"):
                        self._delete_table(table)
                # A label that stays is named, even if its prompt is archived by now.
                if not self.prompts() and not self.tables():
                    break
        return [f"{what}: {error}" for what, error in errors.items()]

    def _delete_table(self, table: dict[str, Any]) -> None:
        answer = self._send("DELETE", f"{TABLES}/{quote(str(table['id']), safe='')}")
        if answer.status >= 300 and answer.status != 404:
            raise RegistryFailed(f"{table['title']}: {answer.status} {answer.raw[:200]}")


@contextlib.contextmanager
def _kept(errors: dict[str, str], what: str) -> Iterator[None]:
    """Keep the error of a removal, so that the next one is tried as well."""
    try:
        yield
    except (PromptsyncError, RegistryFailed, Differs) as error:
        errors[what] = str(error)
    except UNKNOWN_SHAPE as error:
        errors[what] = f"{type(error).__name__}: {error}"
