"""A scheduler decides who goes next: whatever the order of steps, no unit is lost or sold twice.

And each safeguard of the product is taken out once, to see that the same search then finds what goes wrong.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from pymongo.database import Database

from integrations.sandbox import Sandbox
from tests.proof.interleave import Arena
from tests.proof.interleave_mutations import MUTATIONS, mutated

FOUND_BY = {
    "no_version_guard": 6,
    "no_lease": 1,
    "no_guard_on_claims": 37,
    "no_idempotency_key": 3,
    "call_then_write": 7,
    "too_late_to_reject": 39,
}
"""A seed that exposed each mutation; the search begins shortly before it, to be short, and goes on where it no longer
does: another command in a service shifts every story."""


@pytest.fixture
def arena(running_sandbox: Sandbox, database: Database[dict[str, Any]]) -> Iterator[Arena]:
    running_sandbox.control.reset()
    with Arena(running_sandbox) as arena:
        yield arena
    running_sandbox.control.reset()


def test_whoever_goes_next_and_whoever_dies_every_invariant_holds(arena: Arena) -> None:
    found = arena.search(range(100, 110))
    assert found is None, f"seed {found[0]}:\n{found[1]}"


@pytest.mark.parametrize("name", MUTATIONS)
def test_without_a_safeguard_the_search_finds_a_violation_and_with_it_none(arena: Arena, name: str) -> None:
    with mutated(name):
        found = arena.search(range(FOUND_BY[name] - 1, FOUND_BY[name] + 80))
    assert found is not None
    seed, _ = found
    healthy = arena.search(range(seed - 1, seed + 1))
    assert healthy is None, f"seed {healthy[0]}:\n{healthy[1]}"


def test_a_seed_tells_the_same_story_again_and_so_do_its_choices(arena: Arena) -> None:
    first, again = arena.play(35), arena.play(35)
    assert first.story == again.story
    assert arena.play(given=first.choices).story == first.story


def test_what_fails_is_shortened_to_a_story_that_fails_too(arena: Arena) -> None:
    with mutated("no_idempotency_key"):
        long = arena.play(FOUND_BY["no_idempotency_key"])
        short = arena.shortest(long, tries=20)
    assert any("were placed by key" in violation for violation in short.violations)
    assert len([choice for choice in short.choices if choice]) < len([choice for choice in long.choices if choice]) / 2
    assert str(short).splitlines()[-1].startswith("VIOLATED: ")
