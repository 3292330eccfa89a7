"""Random interleavings of everything that people do, against the truth that a model keeps of each text."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

import pytest
from interleaving_model import OPERATIONS, Lost, Step, World, shortest

from promptsync.core.compare import State

INTERLEAVINGS = 3000
STEPS = 20

A, B = 0, 1  # the two working copies


def steps(seed: int, count: int = STEPS) -> list[Step]:
    """An interleaving, the same for the same seed. The newest commits are the most likely targets."""
    source = random.Random(seed)
    names = source.choices(list(OPERATIONS), list(OPERATIONS.values()), k=count)
    return [
        (name, source.randrange(2), source.choice((0, 0, 0, 1, 1, 2, 3, 5)), source.randrange(3))
        for name in names
    ]


def loses(interleaving: Sequence[Step]) -> bool:
    try:
        World().run(interleaving)
    except Lost:
        return True
    return False


def replayed(seeds: range, count: int = STEPS) -> Counter[tuple[State, State]]:
    """Replay the interleavings of ``seeds``; return how often which state was told beside which truth."""
    told: Counter[tuple[State, State]] = Counter()
    for seed in seeds:
        world = World()
        try:
            world.run(steps(seed, count))
        except Lost as lost:
            short = shortest(steps(seed, count), loses)
            pytest.fail(f"seed {seed}: {lost}\n" + "\n".join(map(str, short)))
        told.update(world.seen)
    return told


def test_no_side_is_ever_replaced_that_the_other_had_not_included() -> None:
    told = replayed(range(INTERLEAVINGS))
    assert told.total() > INTERLEAVINGS * STEPS  # both working copies, after nearly every step
    states = Counter(state for state, _ in told.elements())
    common = (State.IN_SYNC, State.AHEAD, State.BEHIND, State.DIVERGED, State.DELETED_LOCALLY)
    assert all(states[state] > INTERLEAVINGS / 2 for state in common), states
    # a rule that called everything diverged would be safe, too
    clear = sum(count for (_, truth), count in told.items() if truth is State.AHEAD)
    assert told[State.AHEAD, State.AHEAD] > 0.9 * clear


@pytest.mark.slow
def test_long_interleavings_lose_nothing_either() -> None:
    assert replayed(range(1_000_000, 1_008_000), 30).total() > 300_000


def test_the_model_notices_a_rule_that_goes_by_digests_that_were_seen_some_time() -> None:
    """The property must be able to fail: a restored text is no proof of what came after it."""
    world = World()
    edits: list[Step] = [("push", A, 0, 0), ("edit", A, 0, 0), ("commit", A, 0, 0), ("push", A, 0, 0)]
    world.run([*edits, ("registry_restore", A, 0, 0), ("edit", A, 0, 0)])
    text, versions = world.copies[A].file.text, [node for node, _ in world.versions]
    assert any(node.value == versions[-1].value for node in text.ancestors())
    assert not world._may_replace((text, versions))


FLOWS: dict[str, tuple[list[str], State]] = {
    "edit, commit": (["push", "edit", "commit"], State.AHEAD),
    "edit, commit, push": (["push", "edit", "commit", "push"], State.IN_SYNC),
    "pull": (["push", "registry_edit", "pull"], State.IN_SYNC),
    "pull, edit": (["push", "registry_edit", "pull", "edit"], State.AHEAD),
    "pull, commit, edit, commit, push": (
        ["push", "registry_edit", "pull", "commit", "edit", "commit", "push"],
        State.IN_SYNC,
    ),
    "edit, push, edit": (["push", "edit", "push", "edit"], State.AHEAD),
    "edit, push, edit, push": (["push", "edit", "push", "edit", "push", "edit"], State.AHEAD),
    "edit, push, commit, edit": (["push", "edit", "push", "commit", "edit"], State.AHEAD),
    "edit, push, edit, commit": (["push", "edit", "push", "edit", "commit"], State.AHEAD),
    "pull, edit, push, edit, commit": (
        ["push", "registry_edit", "pull", "edit", "push", "edit", "commit"],
        State.AHEAD,
    ),
    "edit, push, commit, fresh clone, edit": (
        ["push", "edit", "push", "commit", "clone", "edit"],
        State.AHEAD,
    ),
    "edit, push, lost record, commit, edit": (
        ["push", "edit", "push", "lose_record", "commit", "edit"],
        State.AHEAD,
    ),
    "fresh clone": (["push", "edit", "commit", "push", "clone"], State.IN_SYNC),
    "fresh clone, edit": (["push", "edit", "commit", "push", "clone", "edit"], State.AHEAD),
    "pull, commit, fresh clone, edit": (
        ["push", "registry_edit", "pull", "commit", "clone", "edit"],
        State.AHEAD,
    ),
    "revert": (["push", "edit", "commit", "push", "revert"], State.AHEAD),
    "revert, push": (["push", "edit", "commit", "push", "revert", "push"], State.IN_SYNC),
    "revert, push, edit": (["push", "edit", "commit", "push", "revert", "push", "edit"], State.AHEAD),
    "revert, revert": (["push", "edit", "commit", "push", "revert", "push", "revert"], State.AHEAD),
    "revert of a pull": (["push", "registry_edit", "pull", "commit", "revert"], State.AHEAD),
    "revert of a push before its commit": (["push", "edit", "push", "commit", "revert"], State.AHEAD),
    "restore": (["push", "edit", "commit", "push", "registry_restore"], State.BEHIND),
    "restore, pull": (["push", "edit", "commit", "push", "registry_restore", "pull"], State.IN_SYNC),
    "restore, pull, edit": (
        ["push", "edit", "commit", "push", "registry_restore", "pull", "edit"],
        State.AHEAD,
    ),
    "restore, edit": (["push", "edit", "commit", "push", "registry_restore", "edit"], State.DIVERGED),
    "registry edit": (["push", "registry_edit"], State.BEHIND),
    "registry edit, edit": (["push", "registry_edit", "edit"], State.DIVERGED),
    "registry edit, revert": (
        ["push", "edit", "commit", "push", "registry_edit", "revert"],
        State.DIVERGED,
    ),
    "conflict, ours": (["push", "registry_edit", "edit", "pull_ours"], State.AHEAD),
    "conflict, ours, push": (["push", "registry_edit", "edit", "pull_ours", "push"], State.IN_SYNC),
    "conflict, ours, commit, fresh clone": (
        ["push", "registry_edit", "edit", "pull_ours", "commit", "clone"],
        State.AHEAD,
    ),
    "conflict of a commit, ours, push, commit, fresh clone, edit": (
        ["push", "registry_edit", "edit", "commit", "pull_ours", "push", "commit", "clone", "edit"],
        State.AHEAD,
    ),
    "conflict, theirs, edit": (["push", "registry_edit", "edit", "pull_theirs", "edit"], State.AHEAD),
    "old version put there": (["push", "edit", "commit", "push", "materialise"], State.BEHIND),
    "old version put there and committed": (
        ["push", "edit", "commit", "push", "materialise", "commit"],
        State.AHEAD,
    ),
    "old version put there and pulled again": (
        ["push", "edit", "commit", "push", "materialise", "pull"],
        State.IN_SYNC,
    ),
    "pulled version put back over what came later": (
        ["push", "registry_edit", "pull", "commit", "edit", "commit", "push", "materialise_2"],
        State.BEHIND,
    ),
    "old version put there, edit": (
        ["push", "edit", "commit", "push", "materialise", "edit"],
        State.DIVERGED,
    ),
    "tags": (["push", "edit_tags"], State.AHEAD),
    "tags, commit, push": (["push", "edit_tags", "commit", "push"], State.IN_SYNC),
    "tags in the registry": (["push", "registry_tags"], State.BEHIND),
    "tags in the registry, pull": (["push", "registry_tags", "pull"], State.IN_SYNC),
    "tags in the registry, edit": (["push", "registry_tags", "edit"], State.DIVERGED),
    "delete": (["push", "delete"], State.DELETED_LOCALLY),
    "delete, commit": (["push", "delete", "commit"], State.DELETED_LOCALLY),
    "delete, registry edit": (["push", "delete", "commit", "registry_edit"], State.DIVERGED),
    "stash": (["push", "registry_edit", "pull", "stash_push"], State.BEHIND),
    "stash, pop": (["push", "registry_edit", "pull", "stash_push", "stash_pop"], State.IN_SYNC),
    "stash, pop, edit": (["push", "registry_edit", "pull", "stash_push", "stash_pop", "edit"], State.AHEAD),
    "push, discard": (["push", "edit", "push", "discard"], State.BEHIND),
    "without git: pull, edit": (["push", "leave_git", "registry_edit", "pull", "edit"], State.AHEAD),
    "without git: push, edit": (["leave_git", "push", "edit"], State.AHEAD),
    "without git: registry edit, edit": (["leave_git", "push", "registry_edit", "edit"], State.DIVERGED),
}


@pytest.mark.parametrize("flow", FLOWS)
def test_an_honest_flow_comes_out_as_what_it_is(flow: str) -> None:
    names, expected = FLOWS[flow]
    world = World()
    world.run([(name.removesuffix("_2"), A, int(name.endswith("_2")), 0) for name in names])
    assert world.state(world.copies[A]) is expected


BRANCHES: dict[str, tuple[list[tuple[str, int, int]], State]] = {
    # name, working copy, which commit counted back from the newest
    "branch pushed, squashed": (
        [("edit", B, 0), ("commit", B, 0), ("push", B, 0), ("squash", A, 0)],
        State.IN_SYNC,
    ),
    "branch pushed, squashed, edit": (
        [("edit", B, 0), ("commit", B, 0), ("push", B, 0), ("squash", A, 0), ("edit", A, 0)],
        State.AHEAD,
    ),
    "branch pushed twice, squashed, edit": (
        [
            *[("edit", B, 0), ("commit", B, 0), ("push", B, 0)] * 2,
            ("squash", A, 0),
            ("edit", A, 0),
        ],
        State.AHEAD,
    ),
    "branch pushed, merged, edit": (
        [("edit", B, 0), ("commit", B, 0), ("push", B, 0), ("merge", A, 0), ("edit", A, 0)],
        State.AHEAD,
    ),
    "branch pushed, not merged": ([("edit", B, 0), ("commit", B, 0), ("push", B, 0)], State.BEHIND),
    "branch pushed, not merged, edit": (
        [("edit", B, 0), ("commit", B, 0), ("push", B, 0), ("edit", A, 0)],
        State.DIVERGED,
    ),
    "old commit checked out": (
        [("edit", A, 0), ("commit", A, 0), ("push", A, 0), ("checkout", A, 1)],
        State.BEHIND,
    ),
    "old commit checked out, edit": (
        [("edit", A, 0), ("commit", A, 0), ("push", A, 0), ("checkout", A, 1), ("edit", A, 0)],
        State.DIVERGED,
    ),
    "old text forced from an old commit": (
        [("edit", A, 0), ("commit", A, 0), ("push", A, 0), ("force", B, 0)],
        State.BEHIND,
    ),
    "forced over the registry's edit, then edit": (
        [("edit", A, 0), ("commit", A, 0), ("registry_edit", A, 0), ("force", A, 0), ("edit", A, 0)],
        State.AHEAD,
    ),
    "forced over the registry's edit, fresh clone, edit": (
        [
            *[("edit", A, 0), ("commit", A, 0), ("registry_edit", A, 0), ("force", A, 0)],
            *[("edit", A, 0), ("commit", A, 0), ("clone", A, 0)],
        ],
        State.AHEAD,
    ),
    "rebased after a push": (
        [
            *[("edit", A, 0), ("commit", A, 0), ("push", A, 0)],
            *[("edit_tags", B, 0), ("commit", B, 0), ("rebase", A, 0), ("edit", A, 0)],
        ],
        State.DIVERGED,
    ),
    "a colleague's draft": ([("edit", B, 0), ("push", B, 0)], State.BEHIND),
    "a colleague's draft, edit": ([("edit", B, 0), ("push", B, 0), ("edit", A, 0)], State.DIVERGED),
    "pulled by both, pushed by one": (
        [("registry_edit", A, 0), ("pull", A, 0), ("pull", B, 0), ("edit", B, 0), ("push", B, 0)],
        State.BEHIND,
    ),
}


@pytest.mark.parametrize("flow", BRANCHES)
def test_a_flow_over_branches_and_working_copies_comes_out_as_what_it_is(flow: str) -> None:
    moves, expected = BRANCHES[flow]
    world = World()
    world.run([("push", A, 0, 0), *((name, copy, back, 0) for name, copy, back in moves)])
    assert world.state(world.copies[A]) is expected
