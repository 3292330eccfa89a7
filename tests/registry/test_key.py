"""The key of the registry: which files and outputs never have it."""

from __future__ import annotations

from worlds import World

LONG = "pl_0123456789abcdef0123456789abcdef"


def test_no_file_and_no_output_has_the_key(world: World) -> None:
    world.write("a")
    world.commit()
    environ = {"PROMPTLAYER_API_KEY": LONG}
    outputs = [world.run("push", **environ)]
    world.publish("a", "Theirs {name}")
    lines = [
        "status -v",
        "pull -v",
        "label set a prod -y",
        "doctor -v",
        "status --json",
        "deploy --label prod -y",
    ]
    outputs += [world.run(*line.split(), **environ) for line in lines]
    assert [done.code for done in outputs[:4]] == [0, 0, 0, 0], "\n".join(map(str, outputs))
    for done in outputs:
        assert LONG not in done.out + done.err
    files = [path for path in world.root.rglob("*") if path.is_file()]
    assert any(".promptsync" in path.parts for path in files)
    for path in files:
        assert LONG.encode() not in path.read_bytes(), path
