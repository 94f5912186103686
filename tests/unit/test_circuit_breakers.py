"""A breaker opens after repeated faults, and lets one call at a time find out whether the peer is back."""

import time

import pytest
from pytest_django import Settings

from integrations.circuit_breakers import PROBE_WAIT, Breaker, Breakers

RECOVERY = 0.2


@pytest.fixture
def breaker() -> Breaker:
    return Breaker("peer", "call", threshold=2, recovery=RECOVERY)


def open_it(breaker: Breaker) -> None:
    for _ in range(2):
        assert breaker.admit() is None
        breaker.record(True)


def recover() -> None:
    time.sleep(RECOVERY * 1.5)


def test_it_is_closed_below_the_threshold(breaker: Breaker) -> None:
    breaker.record(True)
    assert breaker.admit() is None


def test_it_opens_at_the_threshold_and_says_for_how_long(breaker: Breaker) -> None:
    open_it(breaker)
    wait = breaker.admit()
    assert wait is not None
    assert 0 < wait <= 1


def test_an_answer_in_between_starts_the_count_again(breaker: Breaker) -> None:
    breaker.record(True)
    breaker.record(False)
    breaker.record(True)
    assert breaker.admit() is None


def test_a_call_that_says_nothing_of_the_peer_does_not_count(breaker: Breaker) -> None:
    breaker.record(True)
    breaker.record(None)
    assert breaker.admit() is None
    breaker.record(True)
    assert breaker.admit() is not None


def test_half_open_it_lets_one_call_through_at_a_time(breaker: Breaker) -> None:
    open_it(breaker)
    recover()
    assert breaker.admit() is None
    assert breaker.admit() == PROBE_WAIT


def test_an_answer_to_the_probe_closes_it(breaker: Breaker) -> None:
    open_it(breaker)
    recover()
    breaker.admit()
    breaker.record(False)
    assert [breaker.admit(), breaker.admit()] == [None, None]


def test_a_failed_probe_opens_it_again_at_once(breaker: Breaker) -> None:
    open_it(breaker)
    recover()
    breaker.admit()
    breaker.record(True)
    assert breaker.admit() is not None


def test_a_probe_that_says_nothing_makes_room_for_the_next(breaker: Breaker) -> None:
    open_it(breaker)
    recover()
    breaker.admit()
    breaker.record(None)
    assert breaker.admit() is None


def test_a_call_has_one_breaker_an_address_and_settings(settings: Settings) -> None:
    breakers = Breakers()
    settings.BREAKER_THRESHOLD, settings.BREAKER_RECOVERY = 5, 10.0
    first = breakers.of("peer", "look", "http://one")
    assert breakers.of("peer", "look", "http://one") is first
    assert breakers.of("peer", "change", "http://one") is not first
    assert breakers.of("other", "look", "http://one") is not first
    assert breakers.of("peer", "look", "http://two") is not first
    settings.BREAKER_THRESHOLD = 6
    assert breakers.of("peer", "look", "http://one") is not first


def test_states_are_told_by_peer_and_call_under_the_present_settings(settings: Settings) -> None:
    breakers = Breakers()
    settings.BREAKER_THRESHOLD, settings.BREAKER_RECOVERY = 1, 10.0
    breakers.of("peer", "look", "http://one")
    breakers.of("peer", "change", "http://one").record(True)
    assert breakers.states() == {"peer.look": "closed", "peer.change": "open"}
    settings.BREAKER_THRESHOLD = 2
    assert breakers.states() == {}


def test_a_forgotten_breaker_is_closed(settings: Settings) -> None:
    settings.BREAKER_THRESHOLD, settings.BREAKER_RECOVERY = 1, 10.0
    breakers = Breakers()
    breakers.of("peer", "call", "http://one").record(True)
    assert breakers.of("peer", "call", "http://one").admit() is not None
    breakers.forget()
    assert breakers.of("peer", "call", "http://one").admit() is None
