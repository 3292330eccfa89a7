"""Random histories of one prompt: what must never happen, and what may happen rarely."""

from __future__ import annotations

from random import Random

import pytest
from seeds import FUZZ
from walk_model import (
    ASKS,
    EQUAL_DIFFER,
    LISTED,
    NOT_LISTED,
    OPERATIONS,
    WRONG_AHEAD,
    WRONG_BEHIND,
    Clone,
    Plan,
    Tally,
    World,
    digest,
    measure,
    random_steps,
    run,
    walk,
)

from promptsync.history.decide import Relation
from promptsync.history.graph import Graph

WALKS, STEPS = 400, 20
FUZZ_WALKS = 5000


def seeds() -> range:
    """The same walks each time; others while fuzzing."""
    first = Random().randrange(1 << 40) if FUZZ else 0
    return range(first, first + (FUZZ_WALKS if FUZZ else WALKS))


def world() -> tuple[World, Clone, Clone, Clone]:
    made = World()
    return made, *made.clones


def edit(made: World, clone: Clone, *, commit: bool) -> int:
    """Add a sentence, and return it."""
    sentence = made.sentence()
    made.write(clone, clone.text | {sentence}, clone.keys, clone.seen)
    if commit:
        made.commit(clone)
    return sentence


def planned(plan: Plan | None) -> Plan:
    assert plan is not None
    return plan


def release_over_a_push() -> tuple[World, Clone, int, int]:
    """W pushes without a commit, and main is released over it. Return W, its sentence and main's."""
    made, a, _, w = world()
    draft = edit(made, w, commit=False)
    made.publish(planned(made.push(w)))
    released = edit(made, a, commit=True)
    made.git_push(a, Random(0))
    made.publish(planned(made.deploy()))
    assert draft not in made.version(made.latest).text
    return made, w, draft, released


# -- what must never happen -------------------------------------------------------------------------------


def test_walks_lose_almost_nothing() -> None:
    walks = seeds()
    found, _ = measure(len(walks), STEPS, walks[0])
    assert_rates(found, f"the first seed is {walks[0]}")


def test_walks_lose_almost_nothing_if_every_version_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    walks = seeds()
    monkeypatch.setattr(World, "knows_all", True)
    found, _ = measure(len(walks), STEPS, walks[0])
    assert_rates(found, f"the first seed is {walks[0]}")


def assert_rates(found: Tally, where: str) -> None:
    """Bound the rates to a few times those that were measured over 20,000 walks."""
    counts, decisions = found.counts, found.decisions
    assert decisions > 2 * WALKS
    assert counts[LISTED] > decisions / 20, "the walks pass over too little to tell anything"
    assert counts[EQUAL_DIFFER] == 0, where
    assert found.lost <= 2 + decisions * 0.0015, where
    assert counts[NOT_LISTED] <= 1 + decisions * 0.0005, where
    assert counts[WRONG_BEHIND] <= 2 + decisions * 0.001, where
    assert counts[WRONG_AHEAD] <= 2 + decisions * 0.001, where
    assert counts[ASKS] <= 5 + decisions * 0.01, where
    assert found.read <= 2.2 * found.asked, where


def test_the_oracle_notices_that_the_order_of_versions_is_not_inclusion(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Graph, "parents", lambda _, number: (number - 1,))
    found, _ = measure(WALKS // 4, STEPS, 0)
    assert found.lost + found.counts[NOT_LISTED] > 20


def test_walks_use_every_operation() -> None:
    assert {name for seed in range(30) for name, _, _ in random_steps(seed, STEPS)} == OPERATIONS.keys()


def test_a_walk_can_be_repeated() -> None:
    assert run(random_steps(7, STEPS)).log == run(random_steps(7, STEPS)).log
    assert walk(7, STEPS) == run(random_steps(7, STEPS)).tally


def test_later_revisions_and_versions_include_what_earlier_ones_do() -> None:
    for seed in seeds()[:: 10 if FUZZ else 8]:
        made = run(random_steps(seed, STEPS))
        for clone in (*made.clones, made.fresh_clone()):
            assert made.answer(is_monotone, clone, made.latest)[0], seed


def is_monotone(graph: Graph) -> bool:
    """Whether each revision, and each version, includes all that those before it do."""
    graph.look_from(1)
    revisions = enumerate(graph.lineage.revisions)
    at = all(graph.at(parent) <= graph.at(place) for place, one in revisions for parent in one.parents)
    included = (
        graph.includes(parent) <= graph.includes(number) and max(graph.includes(number)) == number
        for number in graph.window
        for parent in graph.parents(number)
    )
    return at and all(included)


# -- a release over an uncommitted push -------------------------------------------------------------------


def test_a_pull_refuses_a_release_that_passed_over_a_pushed_version() -> None:
    made, w, draft, _ = release_over_a_push()
    assert made.pull(w).relation is Relation.DIVERGED
    assert draft in w.text


def test_merging_a_release_that_passed_over_a_pushed_version_keeps_both() -> None:
    made, w, draft, released = release_over_a_push()
    made.pull(w, "--merge")
    assert {draft, released} <= w.text
    assert [key.version for key in w.keys] == [3, 2]
    made.publish(planned(made.push(w)))
    assert {draft, released} <= made.version(4).text
    assert made.listed() == set()


def test_a_passed_over_version_is_listed_and_can_be_pulled() -> None:
    made, _, draft, released = release_over_a_push()
    assert made.listed() == {2}
    for clone in made.clones:
        made.pull_passed_over(clone)
        assert {draft, released} <= clone.text, clone.name


def test_a_passed_over_version_pulled_by_another_clone_stays_in_the_first() -> None:
    made, w, draft, released = release_over_a_push()
    made.pull_passed_over(made.clones[0])
    made.publish(planned(made.push(made.clones[0])))
    assert made.pull(w).relation is Relation.BEHIND
    assert {draft, released} <= w.text


def test_deploys_do_not_touch_passed_over_versions() -> None:
    made, w, draft, _ = release_over_a_push()
    before = made.latest
    assert made.deploy() is None
    assert made.latest == before and draft in w.text


# -- races ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [2, 3])
@pytest.mark.parametrize("commit", [True, False], ids=["committed", "uncommitted"])
def test_clones_that_publish_at_once_lose_nothing(number: int, commit: bool) -> None:
    made = World()
    clones = made.clones[:number]
    sentences = {edit(made, clone, commit=commit) for clone in clones}
    for plan in [planned(made.push(clone)) for clone in clones]:
        made.publish(plan)
    assert made.listed() == set(range(2, number + 1))
    for clone in clones:
        made.pull(clone, "--merge")
        if plan := made.push(clone):
            made.publish(plan)
    made.pull_passed_over(clones[-1])
    assert sentences <= clones[-1].text
    assert made.tally.lost == 0


def test_the_same_push_twice_at_once_changes_nothing() -> None:
    made, a, b, _ = world()
    edit(made, a, commit=True)
    plan = planned(made.push(a))
    made.publish(plan)
    made.publish(plan)
    assert made.decide(a, made.latest).relation is Relation.IN_SYNC
    assert made.pull(b).relation is Relation.BEHIND
    assert digest(b.text) == digest(a.text)
    assert made.listed() == set()


def test_a_dashboard_edit_between_plan_and_publish_is_listed() -> None:
    made, a, _, _ = world()
    edit(made, a, commit=True)
    plan = planned(made.push(a))
    first = made.version(1)
    saved = made.sentence()
    made._save(first.text | {saved}, made.oracle.settle(first.text | {saved}, first.seen), None)
    made.publish(plan)
    assert made.listed() == {2}
    made.pull_passed_over(a)
    assert saved in a.text
