"""When a call is repeated, and when it is given up."""

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from pytest_django import Settings

from integrations import Deadline, PeerUnavailable
from integrations.retry import parse_retry_after, repeat


@pytest.fixture(autouse=True)
def _short_pauses(settings: Settings) -> None:
    settings.MAX_RETRIES = 3
    settings.RETRY_DELAY = 0.001


class Flaky:
    """Fails as often as told, then returns its count of calls."""

    def __init__(self, failures: int, error: Exception) -> None:
        self.calls = 0
        self._failures = failures
        self._error = error

    def __call__(self) -> int:
        self.calls += 1
        if self.calls <= self._failures:
            raise self._error
        return self.calls


def unavailable(retry_after: float | None = None) -> PeerUnavailable:
    return PeerUnavailable("peer", "down", retry_after=retry_after)


def always(_error: BaseException) -> bool:
    return True


def test_a_success_after_failures_is_a_success() -> None:
    assert repeat(Flaky(3, unavailable()), worth=always, deadline=Deadline.after(60)) == 4


def test_nothing_is_tried_more_often_than_the_retries_allow() -> None:
    flaky = Flaky(99, unavailable())
    with pytest.raises(PeerUnavailable, match="down"):
        repeat(flaky, worth=always, deadline=Deadline.after(60))
    assert flaky.calls == 4


def test_without_retries_there_is_one_attempt() -> None:
    flaky = Flaky(1, unavailable())
    with pytest.raises(PeerUnavailable):
        repeat(flaky, worth=always, deadline=Deadline.after(60), retries=False)
    assert flaky.calls == 1


def test_what_is_not_worth_repeating_is_not_repeated() -> None:
    flaky = Flaky(1, ValueError("no"))
    with pytest.raises(ValueError, match="no"):
        repeat(flaky, worth=lambda _error: False, deadline=Deadline.after(60))
    assert flaky.calls == 1


def test_a_longer_retry_after_is_waited_for() -> None:
    began = time.monotonic()
    repeat(Flaky(1, unavailable(retry_after=0.15)), worth=always, deadline=Deadline.after(60))
    assert time.monotonic() - began >= 0.15


def test_a_pause_without_a_peers_word_is_the_exponential_one() -> None:
    began = time.monotonic()
    repeat(Flaky(3, ValueError("odd")), worth=always, deadline=Deadline.after(90))
    assert time.monotonic() - began < 30


@pytest.mark.parametrize(("left", "needs"), [(50, 0), (65, 10)])
def test_a_pause_beyond_the_deadline_is_not_begun(left: float, needs: float) -> None:
    flaky = Flaky(1, unavailable(retry_after=60))
    began = time.monotonic()
    with pytest.raises(PeerUnavailable):
        repeat(flaky, worth=always, deadline=Deadline.after(left), needs=needs)
    assert flaky.calls == 1
    assert time.monotonic() - began < 30


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("0", 0),
        (" 120 ", 120),
        ("-1", None),
        ("1e3", None),
        ("1.5", None),
        ("\xb2", None),
        ("5, 7", None),
        ("3600", 3600),
        ("3601", 3600),
        ("9" * 12, 3600),
        ("9" * 60_000, 3600),
        ("soon", None),
        ("", None),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 0),
        ("Sun Nov  6 08:49:37 1994", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 3600),
        ("Fri, 31 Dec 9999 23:59:59 -2359", None),
        ("Fri, 31 Dec 99999 23:59:59 GMT", None),
        ("Thu, 01 Jan 999999999999999999999 00:00:00 GMT", None),
        ("Mon, 01 Jan 0001 00:00:00 GMT", 0),
        ("Thu, 30 Feb 2040 00:00:00 GMT", None),
        ("Thu, 01 Jan 2026 00:00:00 +999999999999999999", None),
        ("Thu, 01 Jan 2026 " + "0" * 60_000, None),
    ],
)
def test_a_retry_after_header_is_read_as_seconds(value: str | None, seconds: float | None) -> None:
    assert parse_retry_after(value) == seconds


def test_a_retry_after_date_is_read_as_the_seconds_until_then() -> None:
    header = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    assert parse_retry_after(header) == pytest.approx(90, abs=2)
