"""The plainest programs that do the same work: ``python -m benchmarks.plain WHAT ARGUMENT...``.

Each prints the seconds that its work took, without the start of Python. The loops over the official SDK run
for SAMPLE prompts, and print the seconds that all of them would take.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

_Item = TypeVar("_Item")

BARE = """
import click

@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option("1.0", "--version", prog_name="bare")
@click.option("-v", "--verbose", count=True)
def main(verbose):
    "A program that does nothing."

@main.command()
@click.option("--label")
def status(label):
    "Do nothing."

@main.command()
@click.argument("names", nargs=-1)
def push(names):
    "Do nothing."
"""
"""A click program without anything else, to compare the start with."""


def lint(root: str) -> None:
    """Load every file with the C loader and parse every text with jinja2."""
    import jinja2
    import yaml

    began = time.perf_counter()
    environment = jinja2.Environment()
    for path in sorted(Path(root).rglob("*.yaml")):
        loaded = yaml.load(path.read_bytes(), yaml.CSafeLoader)
        for message in loaded.get("messages", ()):
            if isinstance(message["content"], str):
                environment.parse(message["content"])
    _tell(began)


def status(root: str, url: str) -> None:
    """Load every file with the C loader, digest it, list the registry."""
    import yaml

    from benchmarks.measure import KEY
    from promptsync.prompt.canonical import digest, to_prompt
    from promptsync.registry.promptlayer.client import PromptLayer

    began = time.perf_counter()
    digests = {}
    for path in sorted(Path(root, "prompts").rglob("*.yaml")):
        prompt, _ = to_prompt(yaml.load(path.read_bytes(), yaml.CSafeLoader), path.stem)
        digests[prompt.name] = digest(prompt)
    with PromptLayer(url, KEY["PROMPTLAYER_API_KEY"]) as registry:
        listed = {item.name: digest(item.prompt) for item in registry.prompts.list()}
    assert listed == digests
    _tell(began)


def sdk_status(root: str, url: str, sample: str, label: str | None = None) -> None:
    """Get every prompt with the official SDK, one after the other, and compare it with its file."""
    sdk = _sdk(url)
    at = {"label": label} if label else None

    def compare(one: tuple[str, dict[str, Any]]) -> None:
        name, loaded = one
        found = sdk.templates.get(name, at)["prompt_template"]
        # only the first message: variables in the other one are filled in
        assert _text(found["messages"][0]) == loaded["messages"][0]["content"]

    began = time.perf_counter()
    _tell(began, _rest(compare, _files(root), sample))


def sdk_pull(root: str, url: str, sample: str) -> None:
    """List all prompts with the official SDK, get each, and dump it into a file."""
    import yaml

    sdk = _sdk(url)

    def get(item: dict[str, Any]) -> None:
        got = sdk.templates.get(item["prompt_name"])
        path = Path(root, f"{item['prompt_name']}.yaml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.dump(got["prompt_template"], Dumper=yaml.CSafeDumper), "utf-8")

    began = time.perf_counter()
    page, found = 1, []
    while items := sdk.templates.all(page=page, per_page=100):
        found += items
        page += 1
    _tell(began, _rest(get, found, sample))


def sdk_push(root: str, url: str, sample: str) -> None:
    """Publish every file with the official SDK, one after the other."""
    sdk = _sdk(url)

    def publish(one: tuple[str, dict[str, Any]]) -> None:
        name, loaded = one
        messages = [
            {**message, "content": [{"type": "text", "text": message["content"]}]}
            for message in loaded["messages"]
        ]
        template = {"type": "chat", "messages": messages}
        sdk.templates.publish({"prompt_name": name, "prompt_template": template})

    began = time.perf_counter()
    _tell(began, _rest(publish, _files(root), sample))


def sdk_rollback(root: str, url: str, sample: str, version: str) -> None:
    """Get an old version of every prompt with the official SDK, and publish it again under the label.

    The SDK has no other way to move a label.
    """
    sdk = _sdk(url)

    def release(one: tuple[str, dict[str, Any]]) -> None:
        name, _ = one
        old = sdk.templates.get(name, {"version": int(version)})["prompt_template"]
        sdk.templates.publish({"prompt_name": name, "prompt_template": old, "release_labels": ["prod"]})

    began = time.perf_counter()
    _tell(began, _rest(release, _files(root), sample))


def _rest(do: Callable[[_Item], None], items: Sequence[_Item], sample: str) -> float:
    """Do something with the first items; return the seconds that all others would have taken in addition."""
    some = items[: int(sample)]
    began = time.perf_counter()
    for item in some:
        do(item)
    return (time.perf_counter() - began) * (len(items) / len(some) - 1)


def _sdk(url: str) -> Any:
    import promptlayer

    return promptlayer.PromptLayer(api_key="pl_benchmark", base_url=url)


def _files(root: str) -> list[tuple[str, dict[str, Any]]]:
    import yaml

    paths = sorted(Path(root, "prompts").rglob("*.yaml"))
    loaded = [yaml.load(path.read_bytes(), yaml.CSafeLoader) for path in paths]
    return [(one["name"], one) for one in loaded]


def _text(message: dict[str, Any]) -> str:
    (block,) = message["content"]
    return str(block["text"])


def _tell(began: float, more: float = 0) -> None:
    sys.stdout.write(f"{time.perf_counter() - began + more}\n")


_WORK: dict[str, Callable[..., None]] = {
    "lint": lint,
    "status": status,
    "sdk-status": sdk_status,
    "sdk-pull": sdk_pull,
    "sdk-push": sdk_push,
    "sdk-rollback": sdk_rollback,
}

if __name__ == "__main__":
    _WORK[sys.argv[1]](*sys.argv[2:])
