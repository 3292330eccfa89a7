"""Tags, which the vendor's lists do not promise and the customer's document does not name."""

from __future__ import annotations

from pathlib import Path

import pytest
from dialect_servers import embedded, vendor
from dialect_world import Kind, beside

TAGGED = "name: tagged\ntags: [billing]\nmessages: [{role: user, content: T}]\n"


@pytest.mark.parametrize("kind", [embedded, vendor])
def test_tags_are_compared_published_and_pulled_where_only_single_reads_tell_them(
    kind: Kind, tmp_path: Path
) -> None:
    with beside(kind, tmp_path) as here:
        here.publish("tagged", "T", tags=["billing"])
        here.publish("theirs", "T", tags=["support"])
        (here.root / "prompts/tagged.yaml").write_text(TAGGED)
        (here.root / "prompts/new.yaml").write_text("tags: [b, a]\ncontent: New\n")
        here.ok("push", "-y")
        here.ok("pull")
        assert "support" in (here.root / "prompts/theirs.yaml").read_text()
        states = {one["state"] for one in here.run("status", "--json").document["prompts"]}
        assert states == {"in-sync"}
        (here.root / "prompts/tagged.yaml").write_text(TAGGED.replace("billing", "refunds"))
        (changed,) = here.run("diff", "--json").document["changes"]
        assert [field["path"] for field in changed["fields"]] == ["tags"]
