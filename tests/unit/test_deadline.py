"""A deadline is one fixed moment."""

from integrations import Deadline


def test_a_deadline_ahead_has_time_left() -> None:
    deadline = Deadline.after(60)
    assert 59 < deadline.remaining() <= 60
    assert not deadline.expired


def test_a_deadline_that_has_passed_has_no_time_left_and_never_less() -> None:
    deadline = Deadline.after(-5)
    assert deadline.remaining() == 0
    assert deadline.expired


def test_the_sooner_of_two_deadlines_counts() -> None:
    deadline = Deadline.after(60)
    assert deadline.sooner(5).remaining() <= 5
    assert deadline.sooner(600) == deadline
