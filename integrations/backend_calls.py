"""Ask what a backend says is to be asked, by the rules that are the same for every backend.

Deadlines, retries, breakers, logs and metrics are those of :mod:`integrations.peer_requests`. Added here is what a
backend's own code may do wrong: whatever it raises or returns that it should not is no answer to a look-up, and leaves
the outcome of a change unknown.
"""

import logging
from collections.abc import Callable, Collection
from functools import partial
from typing import Any, TypeVar

from django.conf import settings

from integrations import peer_requests
from integrations.answer import Answer, Unexpected, one_line
from integrations.backends import Change, Done, HttpCall, LookUp, Outcome, OwnCall, Refused, Unavailable, Unknown
from integrations.deadline import Deadline
from integrations.peer_errors import OutcomeUnknown, PeerRefused, PeerUnavailable
from integrations.peer_requests import OwnRequest, Peer, PeerRequest
from integrations.retry import LONGEST_RETRY_AFTER, parse_retry_after

logger = logging.getLogger(__name__)

T = TypeVar("T")
Check = Callable[[Any], None]


def kind_of(*kinds: type) -> Check:
    """Accept answers of these kinds alone."""

    def check(found: object) -> None:
        if not isinstance(found, kinds):
            raise Unexpected(f"the backend returned {type(found).__name__} as an answer")

    return check


def look_up(
    peer: Peer,
    operation: str,
    question: Callable[[], LookUp[T]],
    check: Check,
    *,
    deadline: Deadline,
    retries: bool = True,
) -> T:
    """Ask, and return the answer.

    :param question: calls the method of the backend.
    :param check: raises Unexpected for what is no answer.
    :raises PeerUnavailable: if there is no usable answer.
    """
    try:
        call = _asked_for(peer, operation, question)
    except Unexpected as error:
        raise PeerUnavailable(peer.name, f"not asked: {error}", repeatable=False) from error
    if isinstance(call, OwnCall):
        run = partial(_own, peer, operation, call.run)

        def accept(outcome: Any) -> T:
            return _usable(peer, check, outcome)

        return peer_requests.read_own(OwnRequest(peer, operation, run), accept, deadline=deadline, retries=retries)

    def interpret(answer: Answer) -> T:
        return _usable(peer, check, _own(peer, operation, call.read, answer), answer)

    return peer_requests.read(_request(peer, operation, call), interpret, deadline=deadline, retries=retries)


def change(
    peer: Peer,
    operation: str,
    question: Callable[[], Change],
    units: Collection[int],
    *,
    key: str,
    timeout_setting: str,
    deadline: Deadline,
    retries: bool,
    sent_before: bool,
) -> int:
    """Have stock changed, and return how many units were, one of `units`.

    :raises PeerUnavailable, PeerRefused, OutcomeUnknown: see :func:`integrations.peer_requests.write`.
    """
    # One that is not atomic may still be working on the lost call while it receives the repeat.
    honours_keys = settings.INVENTORY_HONOURS_IDEMPOTENCY_KEY and settings.INVENTORY_IS_ATOMIC
    try:
        call = _asked_for(peer, operation, question)
    except Unexpected as error:
        raise OutcomeUnknown(peer.name, str(error), repeatable=False) from error
    if isinstance(call, OwnCall):
        own = OwnRequest(peer, operation, partial(_own, peer, operation, call.run), timeout_setting)
        return peer_requests.write_own(
            own, lambda outcome: _settled(peer, units, outcome),
            deadline=deadline, honours_keys=honours_keys, retries=retries, sent_before=sent_before,
        )  # fmt: skip
    return peer_requests.write(
        _request(peer, operation, call, {"Idempotency-Key": key}, timeout_setting),
        lambda answer: _settled(peer, units, _own(peer, operation, call.read, answer), answer),
        deadline=deadline,
        not_acted=settings.INVENTORY_NOT_ACTED_STATUSES,
        honours_keys=honours_keys,
        retries=retries,
        sent_before=sent_before,
    )


def _asked_for(peer: Peer, operation: str, question: Callable[[], T]) -> T:
    call = _own(peer, operation, question)
    if not isinstance(call, HttpCall | OwnCall):
        raise Unexpected(f"the backend returned {type(call).__name__} instead of a call")
    return call


def _own(peer: Peer, operation: str, code: Callable[..., T], *arguments: Any) -> T:
    """Run code of a backend. :raises Unexpected: it raised something."""
    try:
        return code(*arguments)
    except Unexpected:
        raise
    except Exception as error:
        logger.exception("%s %s: the backend failed", peer.name, operation)
        raise Unexpected(f"the backend failed: {type(error).__name__}") from error


def _request(
    peer: Peer, operation: str, call: HttpCall[Any], headers: dict[str, str] | None = None, timeout_setting: str = ""
) -> PeerRequest:
    return PeerRequest(
        peer,
        operation,
        call.method,
        call.path,
        params=call.params,
        body=call.body,
        headers={**(headers or {}), **call.headers},
        accepted=call.accepted,
        timeout_setting=timeout_setting or "PEER_READ_TIMEOUT",
    )


def _usable(peer: Peer, check: Check, outcome: Any, answer: Answer | None = None) -> Any:
    if isinstance(outcome, Unavailable):
        raise _unavailable(peer, outcome, answer)
    check(outcome)
    return outcome


def _settled(peer: Peer, units: Collection[int], outcome: Outcome, answer: Answer | None = None) -> int:
    match outcome:
        case Done(done) if done in units:
            return done
        case Done(done):
            raise Unexpected(f"answered something unexpected: {done} units")
        case Refused(detail, conflict):
            raise PeerRefused(peer.name, one_line(detail), status=answer.status if answer else None, conflict=conflict)
        case Unavailable():
            raise _unavailable(peer, outcome, answer)
        case Unknown(detail):
            raise OutcomeUnknown(peer.name, one_line(detail), retry_after=_retry_after(answer))
    raise Unexpected(f"the backend returned {type(outcome).__name__} as an outcome")


def _unavailable(peer: Peer, outcome: Unavailable, answer: Answer | None) -> PeerUnavailable:
    wait = _retry_after(answer) if outcome.retry_after is None else outcome.retry_after
    wait = None if wait is None else min(max(0.0, wait), LONGEST_RETRY_AFTER)
    return PeerUnavailable(peer.name, one_line(outcome.detail), retry_after=wait)


def _retry_after(answer: Answer | None) -> float | None:
    return parse_retry_after(answer.headers.get("retry-after")) if answer else None
