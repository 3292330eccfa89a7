"""Two registries that know one document each, the customer's and the vendor's, and nothing else."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote

from scripted_registry import Reply, Seen

Handler = Callable[..., Reply]


def error(status: int, message: str) -> Reply:
    return Reply({"success": False, "message": message}, status=status)


def invalid(*complaints: tuple[str, str]) -> Reply:
    return Reply(
        {"detail": [{"loc": ["body", at], "msg": why, "type": "value_error"} for at, why in complaints]}, 422
    )


@dataclass
class Strict:
    """Prompts in memory, by name. ``seen`` is what was asked, in order."""

    prompts: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    routes: tuple[tuple[str, str, str], ...] = ()
    no_route: Reply = field(default_factory=lambda: Reply({"detail": "Not Found"}, status=404))

    def __call__(self, seen: Seen) -> Reply:
        with self.lock:
            self.seen.append(seen)
            for method, pattern, name in self.routes:
                match = re.fullmatch(pattern, seen.path)
                if match and method == seen.method:
                    handler: Handler = getattr(self, name)
                    return handler(seen, *map(unquote, match.groups()))
            return self.no_route

    def asked(self) -> list[str]:
        return [f"{seen.method} {seen.path}" for seen in self.seen]

    def template_id(self, name: str) -> int:
        return [*self.prompts].index(name) + 1

    def find(self, identifier: str) -> str | None:
        if identifier in self.prompts:
            return identifier
        return next((name for name in self.prompts if str(self.template_id(name)) == identifier), None)

    def add(self, name: str, version: dict[str, Any]) -> int:
        self.prompts.setdefault(name, []).append(version)
        return len(self.prompts[name])

    def list_prompts(self, seen: Seen) -> Reply:
        page = int(parse_qs(seen.target.partition("?")[2])["page"][0])
        items = [self.listed(name) for name in self.prompts] if page == 1 else []
        return Reply(
            {"items": items, "page": page, "pages": 1, "total": len(self.prompts), "has_next": False}
        )

    def listed(self, name: str) -> dict[str, Any]:
        latest = self.prompts[name][-1]
        return {
            "id": self.template_id(name),
            "prompt_name": name,
            "version": len(self.prompts[name]),
            "prompt_template": latest["prompt_template"],
            "commit_message": latest.get("commit_message"),
            "metadata": latest.get("metadata"),
            "tags": latest.get("tags", []),
        }


SNIPPET = re.compile("@@@(.+?)@@@")


class Customer(Strict):
    """Lists, renders and publishes flat bodies; no raw read, no label writes, no archive."""

    def __init__(
        self, *, tells_snippets: bool = True, renders: bool = False, takes_extras: bool = True
    ) -> None:
        super().__init__()
        self.tells_snippets, self.renders, self.takes_extras = tells_snippets, renders, takes_extras
        self.routes = (
            ("GET", "/prompt-templates", "list_prompts"),
            ("POST", "/prompt-templates/([^/]+)", "render"),
            ("POST", "/rest/prompt-templates", "publish"),
            ("GET", "/prompt-templates/labels", "labels"),
        )

    def publish(self, seen: Seen) -> Reply:
        if not isinstance(seen.body.get("prompt_name"), str):
            return error(400, "prompt_name is required")
        if len(seen.body.get("commit_message") or "") > 72:
            return error(422, "commit_message is longer than 72 characters")
        number = self.add(seen.body["prompt_name"], seen.body)
        return Reply({"prompt_name": seen.body["prompt_name"], "version": number}, status=201)

    def render(self, seen: Seen, identifier: str) -> Reply:
        if not self.takes_extras and set(seen.body) - {"version", "label", "provider", "input_variables"}:
            return invalid(("skip_input_variable_rendering", "Extra inputs are not permitted"))
        name = self.find(identifier)
        versions = self.prompts.get(name or "", [])
        number = seen.body.get("version", len(versions))
        if name is None or not 0 < number <= len(versions):
            return error(404, f"no prompt {identifier}")
        used: list[str] = []
        template = self.expanded(versions[number - 1]["prompt_template"], used)
        told = {"snippets": [{"prompt_name": name} for name in used]} if self.tells_snippets else {}
        return Reply(
            {
                "prompt_name": name,
                "version": number,
                "prompt_template": template,
                "metadata": versions[number - 1].get("metadata"),
                "llm_kwargs": None,
                **told,
            }
        )

    def expanded(self, value: Any, used: list[str]) -> Any:
        if isinstance(value, dict):
            return {
                key: item if key == "input_variables" else self.expanded(item, used)
                for key, item in value.items()
            }
        if isinstance(value, list):
            return [self.expanded(item, used) for item in value]
        if not isinstance(value, str):
            return value

        def text(match: re.Match[str]) -> str:
            name, _, number = match[1].partition("@version_number:")
            used.append(name)
            versions = self.prompts[name]
            content = versions[int(number or len(versions)) - 1]["prompt_template"]["content"]
            return str(self.expanded(content[0]["text"], used))

        value = SNIPPET.sub(text, value)
        return re.sub(r"\{\w+\}", "", value) if self.renders else value

    def labels(self, seen: Seen) -> Reply:
        return Reply([{"name": "prod", "version": 1, "id": 4, "prompt_name": name} for name in self.prompts])


class Vendor(Strict):
    """Reads raw, publishes nested bodies and moves labels."""

    def __init__(self) -> None:
        super().__init__()
        self.pointers: dict[int, dict[str, Any]] = {}
        self.routes = (
            ("GET", "/prompt-templates", "list_prompts"),
            ("GET", "/prompt-templates/([^/]+)", "read"),
            ("POST", "/rest/prompt-templates", "publish"),
            ("GET", "/prompt-templates/([^/]+)/labels", "labels"),
            ("POST", "/prompts/([0-9]+)/label", "create_label"),
            ("PATCH", "/prompt-labels/([0-9]+)", "move_label"),
            ("DELETE", "/prompt-labels/([0-9]+)", "delete_label"),
        )

    def publish(self, seen: Seen) -> Reply:
        if set(seen.body) - {"prompt_template", "prompt_version", "release_labels", "external_ids"}:
            return invalid(
                ("prompt_version", "Field required"), ("prompt_name", "Extra inputs are not permitted")
            )
        name, sent = seen.body["prompt_template"]["prompt_name"], seen.body["prompt_version"]
        if "@@@gone@@@" in str(sent):
            return invalid(("prompt_version", "The snippet gone does not exist"))
        number = self.add(name, {**sent, "tags": seen.body["prompt_template"]["tags"]})
        answer = {"id": self.template_id(name), "prompt_name": name, "version_number": number, "tags": []}
        return Reply({**answer, "prompt_version_id": 900, "prompt_template": {}, "external_ids": []})

    def read(self, seen: Seen, identifier: str) -> Reply:
        query = parse_qs(seen.target.partition("?")[2])
        assert query["resolve_snippets"] == ["false"]
        name = self.find(identifier)
        if name is None:
            return error(404, "Prompt template not found")
        number = int(query.get("version", [str(len(self.prompts[name]))])[0])
        sent = self.prompts[name][number - 1]
        return Reply(
            {
                **self.listed(name),
                "success": True,
                "version": number,
                "workspace_id": 9,
                "snippets": [],
                **sent,
            }
        )

    def labels(self, seen: Seen, identifier: str) -> Reply:
        name = self.find(identifier)
        labels = [
            {
                "release_label": pointer["name"],
                "release_label_id": number,
                "prompt_version_id": 900,
                "prompt_version_number": pointer["prompt_version_number"],
            }
            for number, pointer in self.pointers.items()
            if pointer["prompt"] == name
        ]
        return Reply({"release_labels": labels})

    def create_label(self, seen: Seen, number: str) -> Reply:
        self.pointers[len(self.pointers) + 1] = {**seen.body, "prompt": self.find(number)}
        return Reply({"id": len(self.pointers), "name": seen.body["name"]})

    def move_label(self, seen: Seen, number: str) -> Reply:
        self.pointers[int(number)].update(seen.body)
        return Reply({"id": int(number)})

    def delete_label(self, seen: Seen, number: str) -> Reply:
        known = self.pointers.pop(int(number), None)
        return error(404, f"no label {number}") if known is None else Reply("", status=204)
