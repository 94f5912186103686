"""When requests are answered one by one, and when side by side."""

from orders_project.gunicorn_turns import MEASURED, PAUSE, Hold, Pace

ONE = 0.01
ENOUGH = round(MEASURED / ONE) + 2


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def answered(pace: Pace, clock: Clock, *, share: float, pause: float = 0.0) -> None:
    """Requests of ONE second's hundredth that compute for this share of it, with pauses between them."""
    for _ in range(ENOUGH):
        clock.now += ONE + pause
        pace.count(ONE, share * ONE)


def test_requests_that_compute_are_answered_one_by_one() -> None:
    pace = Pace(clock := Clock())
    answered(pace, clock, share=0.6)
    assert not pace.side_by_side()


def test_requests_that_wait_are_answered_side_by_side_for_a_while() -> None:
    pace = Pace(clock := Clock())
    assert not pace.side_by_side()
    answered(pace, clock, share=0.1)
    assert pace.side_by_side()
    clock.now += PAUSE
    assert not pace.side_by_side(), "it is looked at again"


def test_where_nobody_waits_for_another_it_does_not_matter() -> None:
    pace = Pace(clock := Clock())
    answered(pace, clock, share=0.1, pause=2 * ONE)
    assert not pace.side_by_side()


def test_it_is_looked_at_again_and_again() -> None:
    pace = Pace(clock := Clock())
    for _ in range(3):
        answered(pace, clock, share=0.1)
        assert pace.side_by_side()
        clock.now += PAUSE
        assert not pace.side_by_side()
    answered(pace, clock, share=0.9)
    assert not pace.side_by_side()


def test_a_hold_ends_once() -> None:
    hold = Hold()
    took, worked = hold.cost()
    assert worked >= 0
    assert took >= 0
    assert [hold.end(), hold.end()] == [True, False]
