"""The Python in docs/applications.md, run as it stands there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from bundles import response, write_bundle
from registry_server import chat
from scripted_registry import HTML, Reply, Scripted, reusing

pytest.importorskip("promptlayer")

PAGE = Path(__file__).parents[2] / "docs" / "applications.md"
REFUND = response(template=chat("{question}"), version=7)


@pytest.mark.parametrize(("reply", "source"), [(Reply(REFUND), "registry"), (HTML, "bundle")])
def test_the_examples_run(
    reply: Reply, source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    write_bundle(tmp_path / "prompts.json", REFUND)
    monkeypatch.chdir(tmp_path)
    with reusing(Scripted(reply)) as url:
        monkeypatch.setenv("PROMPTLAYER_API_KEY", "pl_test")
        monkeypatch.setenv("PROMPTLAYER_BASE_URL", url)
        blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
        assert blocks
        for block in blocks:
            exec(block, {})
    assert f" {source} " in capsys.readouterr().out
