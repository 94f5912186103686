"""Hypothesis decides who goes next: whatever the order of steps, no unit is lost or sold twice.

And each safeguard of the product is taken out once, to see that the same search then finds what must go wrong.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pymongo.database import Database

from integrations.sandbox import Sandbox
from tests.dose import chosen, dose
from tests.proof import interleave_mutations as mutations
from tests.proof.interleave_actors import changing, parting, placing, settling
from tests.proof.interleave_arena import Arena
from tests.proof.interleave_feed import delivering, replaying, telling
from tests.proof.interleave_gates import DIE, SEVER, Actor
from tests.proof.interleave_machine import Violated, hunt
from tests.proof.interleave_mutations import (
    Patches,
    cursor_before_the_answer,
    cursor_out_of_sight,
    marks_without_looking,
    mutated,
    no_memory_of_the_feed,
    no_unique_sequence,
    numbers_from_a_counter,
)
from tests.proof.interleave_run import Run
from tests.proof.inventories import Inventory

pytestmark = [pytest.mark.slow, pytest.mark.no_cover]


SEARCHED = chosen(
    {
        "no version guard": (mutations.no_version_guard, 1, r"history: \w+ from '\w+' to '\w+', when the order was"),
        "no lease": (mutations.no_lease, 4, "acted 2 times"),
        "no idempotency key": (mutations.no_idempotency_key, 1, "orders were placed by key"),
        "call, then write": (mutations.call_then_write, 1, "release acted 2 times"),
    },
    "no version guard",
    "no idempotency key",
)
"""Safeguards → what the search finds without them, beginning with a seed. That it finds the others takes it longest."""


@pytest.fixture
def arena(running_sandbox: Sandbox, database: Database[dict[str, Any]]) -> Iterator[Arena]:
    running_sandbox.control.reset()
    with Arena(running_sandbox) as arena:
        yield arena
    running_sandbox.control.reset()


@pytest.mark.timeout(600)  # for hypothesis to shorten what fails
def test_whoever_goes_next_and_whoever_dies_every_invariant_holds(arena: Arena) -> None:
    for kind in (Inventory.ATOMIC, Inventory.PUBLISHED):
        found = hunt(arena, seed=1, runs=8, inventory=kind)
        assert found is None, found
    assert arena.count["operations"] > 100
    assert arena.count["faults"] > 10
    assert arena.count["deaths"] > 1


@pytest.mark.timeout(600)  # which run finds it depends on the seed
@pytest.mark.parametrize(("mutation", "seed", "sought"), SEARCHED.values(), ids=SEARCHED)
def test_without_a_safeguard_the_search_finds_what_it_prevents_and_with_it_nothing(
    arena: Arena, mutation: Callable[[], Patches], seed: int, sought: str
) -> None:
    with mutated(mutation):
        seed, found = _hunted(arena, seed, sought, inventory=Inventory.ATOMIC)
    assert found.story[0].startswith("the run: inventory honours")
    assert f"VIOLATED: {found.violations[0]}" in str(found).splitlines()
    healthy = hunt(arena, seed=seed, runs=2, inventory=Inventory.ATOMIC)
    assert healthy is None, healthy


@pytest.mark.timeout(600)
def test_without_turns_the_search_finds_that_units_are_lost_and_with_them_nothing(arena: Arena) -> None:
    sought = r"inventory holds \d of product \d, our orders \d"
    seed, found = _hunted(arena, 1, sought, inventory=Inventory.WITHOUT_LOCKS)
    assert any("has inventory looked" in step for step in found.story)
    healthy = hunt(arena, seed=seed, runs=3, inventory=Inventory.PUBLISHED)
    assert healthy is None, healthy


def _hunted(arena: Arena, first: int, sought: str, **options: Any) -> tuple[int, Violated]:
    """Begin with a seed that exposes it soon, and go on where it no longer does: a new step shifts every story."""
    for seed in range(first, first + 8):
        if found := hunt(arena, seed=seed, runs=30, sought=sought, shorten=False, **options):
            return seed, found
    pytest.fail(f"nothing like {sought!r} was found")


def _reserve_repeated_in_vain(run: Run) -> None:
    """The worker that repeats the call is turned down."""
    run.advance(run.until(run.start(settling()), "call"), "answers 503")


def _claim_of_a_repetition_lost(run: Run) -> None:
    """The worker that is about to repeat the call loses the database at the answer to its claim."""
    run.advance(run.until(run.start(settling()), "write", after=True), SEVER)


@pytest.mark.parametrize("story", [_reserve_repeated_in_vain, _claim_of_a_repetition_lost])
def test_a_worker_that_forgets_that_a_call_may_have_been_made_loses_units(
    arena: Arena, story: Callable[[Run], None]
) -> None:
    def violations() -> list[str]:
        with Run(arena, keys=True) as run:
            run.complete(settling())  # what was owed before
            anna = run.until(run.start(placing("anna", 1, 2, None)), "call", after=True)
            run.advance(anna, DIE)
            run.let_time_pass(0)
            story(run)
            return run.finish()

    with mutated(mutations.no_memory_of_calls):
        assert violations() == ["inventory holds 6 of product 1, our orders 4"]
    assert violations() == []


def test_workers_that_claim_without_a_guard_release_twice(arena: Arena) -> None:
    def violations() -> list[str]:
        with Run(arena, keys=False) as run:
            for _ in range(2):  # both have seen that it is due, and are about to claim it
                run.until(run.start(settling()), "write")
            return run.finish()

    with mutated(mutations.no_guard_on_claims):
        assert any("release acted 2 times" in violation for violation in violations())
    assert violations() == []


def test_a_draft_that_may_be_placed_after_its_rejection_is_placed_without_its_stock(arena: Arena) -> None:
    def violations() -> list[str]:
        with Run(arena, keys=True) as run:
            run.complete(settling())
            run.until(run.start(placing("anna", 1, 2, None)), "call", after=True)
            run.let_time_pass(0)
            run.complete(settling())
            return run.finish()

    wrong = "history: place from 'placing' to 'pending', when the order was 'rejected'"
    with mutated(mutations.too_late_to_reject):
        assert any(wrong in violation for violation in violations())
    assert violations() == []


def _two_refunds_of_one_unit_at_once(run: Run) -> None:
    run.complete(parting("refund", 1, 2))
    for _ in range(2):  # both have seen that it is left, and are about to say that it was given back
        run.until(run.start(parting("refund", 1)), "write")


def _one_unit_cancelled_twice_at_once(run: Run) -> None:
    for _ in range(2):
        run.until(run.start(parting("cancel", 1, 2)), "write")


def _a_part_of_what_is_being_released(run: Run) -> None:
    run.until(run.start(parting("cancel", 1, 2)), "call")
    run.complete(parting("cancel", 1, 1, line=1))


PARTS = {
    "amounts": (
        mutations.no_guard_on_amounts,
        _two_refunds_of_one_unit_at_once,
        "40.00 was refunded, and 37.50 paid",
    ),
    "parts": (mutations.no_guard_on_parts, _one_unit_cancelled_twice_at_once, "the lines come to 62.50"),
    "lines in flight": (
        mutations.lines_in_flight_are_split,
        _a_part_of_what_is_being_released,
        "inventory holds 0 of product 2, our orders 1",
    ),
}


@pytest.mark.parametrize("keys", dose([False, True], 2, "parts"))
@pytest.mark.parametrize("name", PARTS)
def test_without_a_safeguard_of_parts_money_or_stock_is_lost(arena: Arena, name: str, keys: bool) -> None:
    mutation, story, wrong = PARTS[name]

    def violations() -> list[str]:
        with Run(arena, keys=keys) as run:
            story(run)
            return run.finish()

    with mutated(mutation):
        found = violations()
    assert any(wrong in violation for violation in found), found
    assert violations() == []


# --- the feed, and who follows it ----------------------------------------------------------------------------------


@pytest.mark.timeout(600)
def test_whoever_tells_and_delivers_at_once_and_whoever_dies_the_feed_and_its_followers_are_right(arena: Arena) -> None:
    found = hunt(arena, seed=1, runs=8, inventory=Inventory.ATOMIC, followed=True)
    assert found is None, found
    assert arena.count["operations"] > 60
    assert arena.count["deaths"] > 3


def _teller_dies_before_its_marks(run: Run) -> None:
    run.complete(changing("onwards", 0))
    run.advance(run.until(run.start(telling()), "write", after=True), DIE)


def _teller_dies_before_it_appends(run: Run) -> None:
    run.complete(changing("onwards", 0))
    run.advance(_before(run, run.start(telling()), "insert events"), DIE)


def _before(run: Run, actor: Actor, step: str) -> Actor:
    while actor.at and actor.at.name != step:
        run.advance(actor)
    return actor


def _two_tell_the_same(run: Run) -> None:
    """Both ask the feed what it has; then one appends; then the other asks for the last number, and appends."""
    run.complete(changing("onwards", 0))
    first, second = run.start(telling()), run.start(telling())
    for teller in (first, second):
        run.advance(_before(run, teller, "aggregate events"))
    run.until(first, "write", after=True)


def _an_order_goes_on_while_it_is_told(run: Run) -> None:
    run.complete(changing("onwards", 0))
    teller = run.until(run.start(telling()), "write", after=True)
    run.complete(changing("onwards", 0))
    run.advance(teller)


def _deliverer_dies_before_its_call(run: Run) -> None:
    run.complete(changing("onwards", 0))
    run.complete(telling())
    run.advance(run.until(run.start(delivering()), "webhook"), DIE)


def _set_back_between_two_calls(run: Run) -> None:
    for _ in range(2):
        run.complete(changing("onwards", 0))
    run.complete(telling())
    deliverer = run.until(run.start(delivering()), "webhook", after=True)
    run.until(deliverer, "write", after=True)
    run.complete(replaying(0))


FEED_STORIES = {
    "the feed is not asked": (no_memory_of_the_feed, _teller_dies_before_its_marks, "still has something to tell"),
    "no unique sequence": (None, _two_tell_the_same, "1 things were to be told, 2 were"),
    "numbers from a counter": (numbers_from_a_counter, _teller_dies_before_it_appends, "feed: 2 follows 0"),
    "marks without looking": (
        marks_without_looking,
        _an_order_goes_on_while_it_is_told,
        "2 things were to be told, 1 were",
    ),
    "the cursor first": (cursor_before_the_answer, _deliverer_dies_before_its_call, "the consumer was sent"),
    "the cursor out of sight": (cursor_out_of_sight, _set_back_between_two_calls, "the cursor was set back to 0"),
}


@pytest.mark.parametrize("name", FEED_STORIES)
def test_without_a_safeguard_of_the_feed_what_it_prevents_happens(arena: Arena, name: str) -> None:
    mutation, story, wrong = FEED_STORIES[name]

    def violations() -> list[str]:
        with Run(arena, keys=True, followed=True) as run:
            story(run)
            return run.finish()

    with mutated(mutation) if mutation else no_unique_sequence():
        found = violations()
    assert any(wrong in violation for violation in found), found
    assert violations() == []


@pytest.mark.timeout(600)
def test_a_seed_tells_the_same_story_again(arena: Arena) -> None:
    with mutated(mutations.call_then_write):
        seed, first = _hunted(arena, 1, "", inventory=Inventory.ATOMIC)
        again = hunt(arena, seed=seed, runs=30, shorten=False, inventory=Inventory.ATOMIC)
    assert str(first) == str(again)


def test_a_violation_that_does_not_happen_again_is_told_all_the_same(
    arena: Arena, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish, wrong = Run.finish, iter([["a unit is gone"]])
    monkeypatch.setattr(Run, "finish", lambda run: finish(run) + next(wrong, []))
    assert hunt(arena, seed=1, runs=5, sought="a unit is gone") is not None
