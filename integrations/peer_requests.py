"""Send requests to a peer: within a deadline, repeated where that is safe, with an error that says what is certain.

`read` changes nothing at the peer, and every failure is a `PeerUnavailable`. `write` changes something there, and
distinguishes "not done", "refused" and "unknown". `read_own` and `write_own` are the same for what a backend asks in
its own way.
"""

from collections.abc import Callable, Collection
from typing import Any, TypeVar
from urllib.parse import quote

from integrations.answer import Answer, Unexpected
from integrations.attempts import OwnRequest, Peer, PeerRequest, attempt, attempt_own, full_timeout
from integrations.circuit_breakers import breakers
from integrations.deadline import Deadline
from integrations.http_connections import close_connections
from integrations.http_exchange import Lost, NotSent
from integrations.observed_attempts import observed
from integrations.peer_errors import OutcomeUnknown, PeerError, PeerRefused, PeerUnavailable
from integrations.retry import parse_retry_after, repeat

__all__ = [
    "Answer", "Deadline", "OwnRequest", "Peer", "PeerRefused", "PeerRequest", "PeerUnavailable", "Unexpected",
    "full_timeout", "path_segment", "read", "read_own", "reset", "write", "write_own",
]  # fmt: skip

T = TypeVar("T")
U = TypeVar("U")

MAX_SEGMENT = 200  # characters
REFUSALS = frozenset({400, 404, 409, 422})
"""Statuses by which a peer refuses a write for good."""


def reset() -> None:
    """Close idle connections and forget what the breakers counted. For tests, and before a process ends."""
    close_connections()
    breakers.forget()


def path_segment(value: str) -> str | None:
    """Return `value` quoted as one segment of a path, or None if no service can have something of that name.

    "." and ".." would be taken for steps in the path, and lone surrogates have no UTF-8.
    """
    if value in ("", ".", "..") or len(value) > MAX_SEGMENT:
        return None
    try:
        return quote(value, safe="")
    except UnicodeEncodeError:
        return None


def read(request: PeerRequest, interpret: Callable[[Answer], T], *, deadline: Deadline, retries: bool = True) -> T:
    """Send the request, and return what `interpret` makes of the answer (a 2xx or an accepted status).

    :raises PeerUnavailable: if there is no answer, no usable one, or no time for one; repeated before that,
        except where the peer would only say the same again (401, 403, a redirect, another 4xx) or the breaker
        is open.
    """

    return _reading(request, lambda: _read_once(request, interpret, deadline), deadline, retries)


def read_own(request: OwnRequest[U], interpret: Callable[[U], T], *, deadline: Deadline, retries: bool = True) -> T:
    """As :func:`read`; `interpret` is given what the backend returned, and an `Unexpected` of it is no answer."""

    def once() -> T:
        try:
            return interpret(attempt_own(request, deadline))
        except Unexpected as error:
            raise PeerUnavailable(request.peer.name, str(error)) from error

    return _reading(request, once, deadline, retries)


def _reading(request: PeerRequest | OwnRequest[Any], once: Callable[[], T], deadline: Deadline, retries: bool) -> T:
    def read_once() -> T:
        with observed(request):
            return once()

    return repeat(read_once, worth=_repeatable, deadline=deadline, retries=retries)


def _read_once(request: PeerRequest, interpret: Callable[[Answer], T], deadline: Deadline) -> T:
    try:
        answer = attempt(request, deadline)
        if answer.succeeded or answer.status in request.accepted:
            return interpret(answer)
    except (Lost, NotSent, Unexpected) as error:
        raise PeerUnavailable(request.peer.name, str(error)) from error
    raise _unavailable(request, answer, repeatable=answer.status >= 500 or answer.status == 429)


def write(
    request: PeerRequest,
    interpret: Callable[[Answer], T],
    *,
    deadline: Deadline,
    not_acted: Collection[int],
    honours_keys: bool,
    retries: bool = True,
    sent_before: bool = False,
) -> T:
    """Have something done, and return what `interpret` makes of the answer (a 2xx or an accepted status).

    `not_acted` are the statuses by which the peer says that it did nothing and may be asked again. Unless it
    `honours_keys`, nothing is repeated that may have been done. Not begun with less than one timeout left.
    `sent_before` says that the same, with the same key, may have been sent before, at least a lease ago: so it is
    no longer in progress, unless the peer says so (409).

    :raises PeerUnavailable: if it was certainly not done.
    :raises PeerRefused: if the peer refused it for good.
    :raises OutcomeUnknown: if it may have been done, even if by an attempt before the last.
    """

    def once() -> T:
        return _write_once(request, interpret, deadline, not_acted)

    return _writing(request, once, deadline, honours_keys=honours_keys, retries=retries, sent_before=sent_before)


def write_own(
    request: OwnRequest[U],
    interpret: Callable[[U], T],
    *,
    deadline: Deadline,
    honours_keys: bool,
    retries: bool = True,
    sent_before: bool = False,
) -> T:
    """As :func:`write`; `interpret` is given what the backend returned, and after an `Unexpected` nobody knows."""

    def once() -> T:
        _require_time(request, deadline)
        try:
            return interpret(attempt_own(request, deadline))
        except Unexpected as error:
            raise OutcomeUnknown(request.peer.name, str(error)) from error

    return _writing(request, once, deadline, honours_keys=honours_keys, retries=retries, sent_before=sent_before)


def _writing(
    request: PeerRequest | OwnRequest[Any],
    once: Callable[[], T],
    deadline: Deadline,
    *,
    honours_keys: bool,
    retries: bool,
    sent_before: bool,
) -> T:
    lost_just_now = False

    def write_once() -> T:
        nonlocal lost_just_now
        try:
            with observed(request):
                return once()
        except OutcomeUnknown:
            lost_just_now = True
            raise
        except (PeerUnavailable, PeerRefused) as error:
            if lost_just_now or (sent_before and not _rules_out_earlier(error)):
                raise _still_unknown(error) from error
            raise

    def worth(error: BaseException) -> bool:
        return _repeatable(error) and (honours_keys or isinstance(error, PeerUnavailable))

    return repeat(write_once, worth=worth, deadline=deadline, needs=request.full_timeout, retries=retries)


def _write_once(
    request: PeerRequest, interpret: Callable[[Answer], T], deadline: Deadline, not_acted: Collection[int]
) -> T:
    _require_time(request, deadline)
    try:
        answer = attempt(request, deadline)
        if answer.succeeded or answer.status in request.accepted:
            return interpret(answer)
    except NotSent as error:
        raise PeerUnavailable(request.peer.name, str(error)) from error
    except (Lost, Unexpected) as error:
        raise OutcomeUnknown(request.peer.name, str(error)) from error
    raise _not_done(request, answer, not_acted)


def _require_time(request: PeerRequest | OwnRequest[Any], deadline: Deadline) -> None:
    if deadline.remaining() < request.full_timeout:
        raise PeerUnavailable(request.peer.name, "not sent: less than one timeout is left", repeatable=False)


def _not_done(request: PeerRequest, answer: Answer, not_acted: Collection[int]) -> PeerError:
    """Return what a status other than 2xx says about a write."""
    if answer.status in not_acted:
        return _unavailable(request, answer)
    if answer.status in REFUSALS:
        conflict = answer.status == 409
        return PeerRefused(request.peer.name, _described(answer), status=answer.status, conflict=conflict)
    if 400 <= answer.status < 500:  # 401, 405, 413, …: something between us is misconfigured; no order is refused
        return _unavailable(request, answer, repeatable=answer.status in (408, 425))
    return OutcomeUnknown(request.peer.name, _described(answer), retry_after=_retry_after(answer))


def _rules_out_earlier(error: PeerError) -> bool:
    """Tell whether a refusal also says that no earlier attempt was carried out: a peer that honours keys would have
    repeated its answer. Not so a conflict (409), which may be with the earlier attempt, still in progress."""
    return isinstance(error, PeerRefused) and not error.conflict


def _still_unknown(error: PeerUnavailable | PeerRefused) -> OutcomeUnknown:
    """Return what the last attempt means after one of unknown outcome that the peer may still be carrying out."""
    return OutcomeUnknown(
        error.peer,
        f"an earlier attempt may have acted; the last one: {error.detail}",
        retry_after=error.retry_after,
        repeatable=isinstance(error, PeerRefused) or error.repeatable,
    )


def _unavailable(request: PeerRequest, answer: Answer, *, repeatable: bool = True) -> PeerUnavailable:
    detail = _described(answer)
    return PeerUnavailable(request.peer.name, detail, retry_after=_retry_after(answer), repeatable=repeatable)


def _described(answer: Answer) -> str:
    return f"answered {answer.status}: {answer.detail()}".rstrip(": ")


def _retry_after(answer: Answer) -> float | None:
    return parse_retry_after(answer.headers.get("retry-after"))


def _repeatable(error: BaseException) -> bool:
    return isinstance(error, PeerError) and error.repeatable
