"""Answers that a backend is given without anybody being asked, and what it makes of them."""

import json
from collections.abc import Iterable
from typing import Any

import pytest

from integrations.backends import Answer, Change, Done, HttpCall, LookUp, Outcome, Refused, Unavailable, Unknown

UNREADABLE = (b"", b"<html><title>Welcome</title></html>", b'{"id": "1", "name": "cut of')
"""Bodies of a 200 that no service of any shape means as an answer: of a proxy, of a log-in page, cut off."""
SAYS_NOTHING = (*UNREADABLE, b"{}", b'{"detail": "Try again later"}', b'{"message": "ok"}', b'{"status": "success"}')
"""The same, of which one might think that they say yes, or no."""
OUTAGES = (401, 403, 408, 429, 500, 502, 503, 504)
"""Statuses that say nothing about a user, a product or an order."""


def require_no_answer(question: LookUp[Any], bodies: Iterable[bytes] = SAYS_NOTHING) -> None:
    """Assert that a look-up takes none of these for an answer, neither a yes nor a no."""
    for answer in _canned(question, bodies):
        try:
            made = _over_http(question).read(answer)
        except Exception:  # noqa: S112 - whatever it raises is no answer
            continue
        assert isinstance(made, Unavailable), f"{answer} was taken for {made!r}"


def require_unknown(question: Change) -> None:
    """Assert that a change takes none of these for done, refused or not carried out: nobody can know."""
    for answer in _canned(question, SAYS_NOTHING):
        made: Outcome
        try:
            made = _over_http(question).read(answer)
        except Exception:  # noqa: S112 - whatever it raises leaves the outcome unknown
            continue
        assert isinstance(made, Done | Refused | Unavailable | Unknown), f"{made!r} is no outcome"
        not_acted = answer.status in (401, 403, 408, 429, 503) and isinstance(made, Unavailable)
        assert not_acted or isinstance(made, Unknown), f"{answer} was taken for {made!r}"


def require_told(first: Change, again: Change, *, product_id: str, quantity: int, order_id: str, key: str) -> None:
    """Assert that a change is asked for by a request that says all that it must, and the same each time."""
    one, other = _over_http(first), _over_http(again)
    sent = [(call.method, call.path, call.params, call.body, call.headers) for call in (one, other)]
    assert sent[0] == sent[1], "the second attempt at the same is another request"
    assert one.method not in ("GET", "HEAD", "OPTIONS"), "a proxy may repeat this, or answer it itself"
    said = json.dumps([one.path, dict(one.params or {}), dict(one.body or {})])
    for what in (product_id, order_id, str(quantity)):
        assert what in said, f"{what} is not in the request"
    keys = [value for name, value in one.headers.items() if name.lower() == "idempotency-key"]
    assert set(keys) <= {key}, "another key than the one of the change is sent"


def _canned(question: LookUp[Any] | Change, bodies: Iterable[bytes]) -> list[Answer]:
    accepted = [status for status in OUTAGES if status in _over_http(question).accepted]
    return [Answer(200, {}, body) for body in bodies] + [Answer(status, {}, UNREADABLE[1]) for status in accepted]


def _over_http(question: Any) -> HttpCall[Any]:
    if not isinstance(question, HttpCall):
        pytest.skip("the backend asks in its own way: what it makes of an answer cannot be tried without its peer")
    return question
