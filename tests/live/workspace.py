"""The registry behind a run: reads and writes of its own names only, and their removal.

Every request names what it is about. A name without the random part of this run raises ``Foreign`` before
anything is sent.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx
from findings import Differs, RegistryFailed

from promptsync.errors import PromptsyncError
from promptsync.prompt.prompt import Label, Version
from promptsync.registry.errors import Unsupported
from promptsync.registry.open import open_registry
from promptsync.registry.protocol import Timeouts

PREFIX = "promptsync-verify"
TABLES = "/api/public/v2/tables"
ENTITIES = "/api/public/v2/folders/entities"
WAIT = 30.0
RAW = "?resolve_snippets=false"
UNKNOWN_SHAPE = (LookupError, ValueError, TypeError, AttributeError, StopIteration)
"""What reading an answer of an unknown shape can raise."""


class Foreign(Exception):
    """A request would have been about something that this run has not created."""


@dataclass(frozen=True)
class Answer:
    """What a request got: ``body`` is the parsed JSON, ``None`` if it was none."""

    status: int
    body: Any
    raw: str

    @property
    def fields(self) -> dict[str, Any]:
        """The body if it is an object, otherwise nothing."""
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
        self._http = httpx.Client(base_url=url.rstrip("/"), headers=headers, timeout=WAIT)

    def close(self) -> None:
        """Close all connections."""
        self._http.close()
        self.registry.close()

    def name(self, word: str) -> str:
        """Return the name of a prompt or a table of this run."""
        return self.names + word

    # -- requests -------------------------------------------------------------------------------------------

    def get(self, word: str, query: str = RAW) -> Answer:
        """Read a prompt of this run."""
        return self._send("GET", f"/prompt-templates/{self._quoted(word)}{query}")

    def render(self, word: str, body: dict[str, Any]) -> Answer:
        """Read a prompt of this run as an application does."""
        return self._send("POST", f"/prompt-templates/{self._quoted(word)}", body)

    def list(self, target: str) -> Answer:
        """Read a list, which has other names, too: its body is in no report."""
        return self._send("GET", target, is_shown=False)

    def publish(self, word: str, template: dict[str, Any], message: str = "m", **fields: Any) -> Answer:
        """Publish a version as PromptLayer's SDK does, with ``labels`` and other ``fields``."""
        beside = {key: fields.pop(key) for key in ("tags", "folder_id") if key in fields}
        labels = fields.pop("labels", None)
        version = {"prompt_template": template, "commit_message": message, **fields}
        wrapped = {"prompt_name": self._own(self.name(word)), **beside}
        body = {"prompt_template": wrapped, "prompt_version": version, "release_labels": labels}
        return self._send("POST", "/rest/prompt-templates", body)

    def publish_flat(self, word: str, template: dict[str, Any]) -> Answer:
        """Publish a version in the other form."""
        body = {"prompt_name": self._own(self.name(word)), "prompt_template": template, "commit_message": "m"}
        return self._send("POST", "/rest/prompt-templates", body)

    def create_label(self, word: str, label: str, version: int) -> Answer:
        """Create a label on a prompt of this run."""
        if not label.startswith(self.label) and label != self._protected:
            raise Foreign(label)
        prompt = self.prompt(word)
        return self._send(
            "POST", f"/prompts/{prompt.template_id}/label", {"name": label, "prompt_version_number": version}
        )

    def move_label(self, word: str, label: str, version: int) -> Answer:
        """Move a label of a prompt of this run."""
        return self._send(
            "PATCH", f"/prompt-labels/{self._label_id(word, label)}", {"prompt_version_number": version}
        )

    def delete_label(self, word: str, label: str) -> Answer:
        """Delete a label of a prompt of this run."""
        return self._send("DELETE", f"/prompt-labels/{self._label_id(word, label)}")

    def archive(self, word: str) -> Answer:
        """Archive a prompt of this run."""
        prompt = self.prompt(word)
        kind = "SNIPPET" if prompt.is_snippet else "PROMPT"
        entities = [{"id": prompt.template_id, "type": kind}]
        return self._send("DELETE", ENTITIES, {"entities": entities, "cascade": False})

    def create_table(self, word: str) -> Answer:
        """Create a table without a sheet."""
        body = {"title": self._own(self.name(word)), "create_default_sheet": False}
        return self._send("POST", TABLES, body)

    def _send(self, method: str, target: str, body: Any = None, *, is_shown: bool = True) -> Answer:
        response = self._answered(method, target, body)
        try:
            parsed = response.json()
        except ValueError:
            parsed = None
        answer = Answer(response.status_code, parsed, response.text)
        excerpt = f" {answer.raw[:2000]}" if is_shown else ""
        self._note(f"{method} {target} -> {answer.status}{excerpt}")
        if answer.status == 401:
            raise RegistryFailed(f"the registry rejects the key: {method} {target} -> {answer.status}")
        return answer

    def _answered(self, method: str, target: str, body: Any) -> httpx.Response:
        content = None if body is None else json.dumps(body)
        headers = {} if body is None else {"Content-Type": "application/json"}
        for wait in (2.0, 8.0, 30.0, 0.0):
            try:
                response = self._http.request(method, target, content=content, headers=headers)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                raise RegistryFailed(f"{method} {target}: no connection: {error}") from None
            except httpx.HTTPError as error:
                raise Differs(f"{method} {target}: {type(error).__name__} {error}") from None
            # A request that was limited was not executed.
            if response.status_code != 429 or not wait:
                break
            time.sleep(wait)
        return response

    # -- what is there of this run --------------------------------------------------------------------------

    def prompts(self) -> list[Version]:
        """Return the prompts of this run that are not archived."""
        listed = self.registry.prompts.list(name=self.names)
        return [version for version in listed if version.name.startswith(self.names)]

    def prompt(self, word: str) -> Version:
        """Return a prompt of this run. Raises ``Foreign``."""
        name = self.name(word)
        found = next((version for version in self.prompts() if version.name == name), None)
        if found is None:
            raise Foreign(f"there is no prompt {name}")
        return found

    def labels(self, word: str) -> dict[str, int]:
        """Return the versions of the labels of a prompt of this run."""
        return {label.name: label.version for label in self._labels(self.prompt(word))}

    def tables(self) -> list[dict[str, Any]]:
        """Return the tables of this run."""
        try:
            listed = self.registry.tables.titled(self.names)
        except Unsupported:
            return []
        return [table for table in listed if str(table.get("title", "")).startswith(self.names)]

    def _labels(self, prompt: Version) -> list[Label]:
        return self.registry.labels.of(prompt.template_id, self._own(prompt.name))

    def _label_id(self, word: str, name: str) -> int:
        for label in self._labels(self.prompt(word)):
            if label.name == name and label.label_id is not None:
                return label.label_id
        raise Foreign(f"label {name} of {self.name(word)}")

    def _own(self, name: str) -> str:
        if not name.startswith(self.names):
            raise Foreign(name)
        return name

    def _quoted(self, word: str) -> str:
        return quote(self._own(self.name(word)), safe="")

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
                    self._remove(prompt, errors)
                for table in self.tables():
                    with _kept(errors, f"table {table['title']}"):
                        self._delete_table(table)
                # A label that stays is named, even if its prompt is archived by now.
                if not self.prompts() and not self.tables():
                    break
        return [f"{what}: {error}" for what, error in errors.items()]

    def _remove(self, prompt: Version, errors: dict[str, str]) -> None:
        with _kept(errors, f"labels of {prompt.name}"):
            for label in self._labels(prompt):
                self.registry.labels.delete(label)
        with _kept(errors, f"prompt {prompt.name}"):
            self.registry.prompts.archive(prompt.template_id, prompt.is_snippet)

    def _delete_table(self, table: dict[str, Any]) -> None:
        title = self._own(str(table["title"]))
        answer = self._send("DELETE", f"{TABLES}/{quote(str(table['id']), safe='')}")
        if answer.status >= 300 and answer.status != 404:
            raise RegistryFailed(f"{title}: {answer.status} {answer.raw[:200]}")


@contextlib.contextmanager
def _kept(errors: dict[str, str], what: str) -> Iterator[None]:
    """Keep the error of a removal, so that the next one is tried as well."""
    try:
        yield
    except (PromptsyncError, RegistryFailed, Differs) as error:
        errors[what] = str(error)
    except UNKNOWN_SHAPE as error:
        errors[what] = f"{type(error).__name__}: {error}"
