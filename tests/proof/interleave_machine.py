"""Hypothesis decides who goes next, who dies, what a call meets and when time passes; and shortens what fails."""

import re
from contextlib import ExitStack
from typing import TYPE_CHECKING

import hypothesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.errors import FlakyFailure
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from tests.proof.interleave_actors import OPERATIONS
from tests.proof.interleave_feed import OPERATIONS as FOLLOWED
from tests.proof.interleave_gates import DIE, SEVER, Actor
from tests.proof.interleave_run import FATES, Run
from tests.proof.inventories import Inventory

if TYPE_CHECKING:
    from tests.proof.interleave_arena import Arena

MOVES = 80
"""Rules that are played in one run."""
HANDS = st.integers(0, 4)
"""Who moves: that many are at something at a time. A hand that is free begins something new."""
TURNS = st.integers(1, 4)
WHICH = st.integers(0, 5)
"""Of several things that could happen, modulo how many there are."""


class Violated(AssertionError):
    """A run that ended in a violation: its text is the run's story."""

    def __init__(self, run: Run) -> None:
        super().__init__(str(run))
        self.story, self.violations = run.story, run.violations


class Interleaving(RuleBasedStateMachine):
    """One run. Every rule makes sense at any moment, so that no run is thrown away for want of something to do.

    :param sought: a regular expression; the run fails where a violation matches it.
    :param inventory: what it is like; None leaves it to chance.
    :param followed: whether it is about the feed and who follows it.
    """

    def __init__(self, arena: "Arena", sought: str, inventory: Inventory | None, followed: bool) -> None:
        super().__init__()
        self._followed = followed
        self._arena, self._sought, self._inventory = arena, sought, inventory
        self._stack = ExitStack()
        self._hands: dict[int, Actor] = {}

    @initialize(keys=st.booleans(), inventory=st.sampled_from([Inventory.ATOMIC, Inventory.PUBLISHED]))
    def inventory_is(self, keys: bool, inventory: Inventory) -> None:
        kind = self._inventory or inventory
        self._play = self._stack.enter_context(Run(self._arena, keys=keys, inventory=kind, followed=self._followed))

    @rule(hand=HANDS, turns=TURNS, data=st.data())
    def goes_on(self, hand: int, turns: int, data: st.DataObject) -> None:
        self._go_on(hand, turns, data)

    @rule(hand=HANDS, fate=st.sampled_from(FATES), data=st.data())
    def calls(self, hand: int, fate: str, data: st.DataObject) -> None:
        self._play.advance(self._play.until(self._at(hand, data), "call"), fate)

    @rule(hand=HANDS, after=st.booleans(), data=st.data())
    def loses_the_database(self, hand: int, after: bool, data: st.DataObject) -> None:
        self._play.advance(self._play.until(self._at(hand, data), "write", after=after), SEVER)

    @rule(hand=HANDS, turns=TURNS, data=st.data())
    def dies(self, hand: int, turns: int, data: st.DataObject) -> None:
        self._play.advance(self._go_on(hand, turns - 1, data), DIE)

    @rule(which=WHICH)
    def time_passes(self, which: int) -> None:
        self._play.let_time_pass(which)

    @rule(which=WHICH)
    def a_late_call_arrives(self, which: int) -> None:
        self._play.deliver(which)

    def teardown(self) -> None:
        with self._stack:
            violations = self._play.finish() if self._hands else []
        if self._hands:
            self._arena.count.update(self._play.count, runs=1)
        if any(re.search(self._sought, violation) for violation in violations):
            raise Violated(self._play)

    def _go_on(self, hand: int, turns: int, data: st.DataObject) -> Actor:
        actor = self._at(hand, data)
        for _ in range(turns):
            self._play.advance(actor)
        return actor

    def _at(self, hand: int, data: st.DataObject) -> Actor:
        """Who is at it there; a hand that is free begins something new."""
        if hand not in self._hands or self._hands[hand].at is None:
            self._hands[hand] = self._play.start(data.draw(FOLLOWED if self._followed else OPERATIONS))
        return self._hands[hand]


def hunt(
    arena: "Arena",
    *,
    seed: int,
    runs: int,
    sought: str = "",
    shorten: bool = True,
    inventory: Inventory | None = None,
    followed: bool = False,
) -> Violated | None:
    """Play so many runs. :returns: the shortest that was found to fail, or None where every one holds.

    :param seed: the same one makes the same runs.
    :param sought: a regular expression; a run fails where a violation matches it.
    :param shorten: whether to look for a shorter one that fails, which can take minutes.
    :param inventory: what it is like; None leaves it to chance.
    :param followed: whether it is about the feed and who follows it.
    """
    phases = (Phase.generate, Phase.shrink) if shorten else (Phase.generate,)
    chosen = settings(
        max_examples=runs, stateful_step_count=MOVES, phases=phases, database=None, deadline=None,
        report_multiple_bugs=False, print_blob=False, suppress_health_check=list(HealthCheck),
    )  # fmt: skip

    def machine() -> Interleaving:
        return Interleaving(arena, sought, inventory, followed)

    try:
        run_state_machine_as_test(hypothesis.seed(seed)(machine), settings=chosen)
    except Violated as violated:
        return violated
    except FlakyFailure as flaky:
        for violated in flaky.exceptions:
            if isinstance(violated, Violated):
                return violated  # it did not happen again; it happened all the same
        raise
    return None
