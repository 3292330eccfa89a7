"""A deploy refuses prompts that another repository holds."""

from __future__ import annotations

import shutil

import pytest
from worlds import World


@pytest.mark.parametrize("place", ["prompts", "prompts/shared"])
def test_prompts_of_a_submodule_are_refused(released: World, place: str) -> None:
    released.edit("b", "hello", "welcome")
    (released.root / "prompts/shared").mkdir()
    for name in "ad":
        shutil.move(released.path(name), released.root / "prompts/shared")
    released.commit("Group prompts")
    lib = released.root.parent / "lib"
    shutil.move(released.root / place, lib)
    released.git("-C", str(lib), "init", "-q", "-b", "main")
    released.git("-C", str(lib), "add", "--all")
    released.git("-C", str(lib), "commit", "-qm", "Share")
    released.git("rm", "-rq", "--cached", place)
    released.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(lib), place)
    released.git("config", "submodule.prompts.ignore", "all")
    released.commit("Use a submodule")
    released.forget()
    for arguments in ["deploy"], ["deploy", "--dry-run"], ["deploy", "b"]:
        done = released.run(*arguments)
        assert (done.code, released.writes) == (3, []), str(done)
        assert f"error: {place} is a submodule" in done.err
        assert "hint: move promptsync.yaml into the submodule and run promptsync there\n" in done.err
