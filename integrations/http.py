"""Ask a peer over HTTP: within a deadline, repeated where that is safe, and with an error that says what is
certain.

`read` changes nothing there, and every failure is a `PeerUnavailable`. `write` changes something there, and
tells apart "not done", "refused" and "nobody knows".
"""

from collections.abc import Callable, Collection
from typing import TypeVar

from integrations import breaker, transport
from integrations.calls import Call, Peer, exchange, full_timeout, observed, segment
from integrations.deadline import Deadline
from integrations.errors import BreakerOpen, OutcomeUnknown, PeerError, PeerRefused, PeerUnavailable
from integrations.retry import parse_retry_after, repeat
from integrations.transport import Lost, NotSent, Reply, Unexpected
from observability.context import request_id

__all__ = [
    "BreakerOpen",
    "Call",
    "Deadline",
    "OutcomeUnknown",
    "Peer",
    "PeerError",
    "PeerRefused",
    "PeerUnavailable",
    "Reply",
    "Unexpected",
    "full_timeout",
    "read",
    "request_id",
    "reset",
    "segment",
    "write",
]

T = TypeVar("T")


REFUSALS = frozenset({400, 404, 409, 422})
"""Statuses by which a peer says no to a write, and finally."""


def reset() -> None:
    """Close idle connections and forget what the breakers counted. For tests, and before a process ends."""
    transport.sessions.close()
    breaker.breakers.forget()


def read(call: Call, interpret: Callable[[Reply], T], *, deadline: Deadline, retries: bool = True) -> T:
    """Ask, and return what `interpret` makes of the answer (a 2xx or a known status).

    :raises PeerUnavailable: if there is no answer, no usable one, or no time for one; repeated before that,
        except where the peer would only say the same again (401, 403, a redirect, another 4xx) or the breaker
        is open.
    """

    def attempt() -> T:
        with observed(call):
            return _read_once(call, interpret, deadline)

    return repeat(attempt, worth=_repeatable, deadline=deadline, retries=retries)


def _read_once(call: Call, interpret: Callable[[Reply], T], deadline: Deadline) -> T:
    try:
        reply = exchange(call, deadline)
        if reply.succeeded or reply.status in call.known:
            return interpret(reply)
    except (Lost, NotSent, Unexpected) as error:
        raise PeerUnavailable(call.peer.name, str(error)) from error
    raise _unavailable(call, reply, repeatable=reply.status >= 500 or reply.status == 429)


def write(
    call: Call,
    interpret: Callable[[Reply], T],
    *,
    deadline: Deadline,
    not_acted: Collection[int],
    honours_keys: bool,
    retries: bool = True,
    repeated: bool = False,
) -> T:
    """Have something done, and return what `interpret` makes of the answer (a 2xx).

    `not_acted` are the statuses by which the peer says that it did nothing and may be asked again. Unless it
    `honours_keys`, nothing is repeated that may have acted. Not begun with less than one
    timeout left. `repeated` says that the same, with the same key, may have been sent before this call, at least
    a lease ago: so it is not under way any more, unless the peer says so (409).

    :raises PeerUnavailable: if surely nothing was done.
    :raises PeerRefused: if the peer said no, and finally.
    :raises OutcomeUnknown: if it may have been done, be it by an earlier attempt than the last.
    """
    lost_just_now = False

    def attempt() -> T:
        nonlocal lost_just_now
        try:
            with observed(call):
                return _write_once(call, interpret, deadline, not_acted)
        except OutcomeUnknown:
            lost_just_now = True
            raise
        except (PeerUnavailable, PeerRefused) as error:
            if lost_just_now or (repeated and not _rules_out_earlier(error)):
                raise _still_unknown(error) from error
            raise

    def worth(error: BaseException) -> bool:
        return _repeatable(error) and (honours_keys or isinstance(error, PeerUnavailable))

    return repeat(attempt, worth=worth, deadline=deadline, needs=call.full_timeout, retries=retries)


def _write_once(call: Call, interpret: Callable[[Reply], T], deadline: Deadline, not_acted: Collection[int]) -> T:
    if deadline.remaining() < call.full_timeout:
        raise PeerUnavailable(call.peer.name, "not sent: less than one timeout is left", repeatable=False)
    try:
        reply = exchange(call, deadline)
        if reply.succeeded:
            return interpret(reply)
    except NotSent as error:
        raise PeerUnavailable(call.peer.name, str(error)) from error
    except (Lost, Unexpected) as error:
        raise OutcomeUnknown(call.peer.name, str(error)) from error
    raise _not_done(call, reply, not_acted)


def _not_done(call: Call, reply: Reply, not_acted: Collection[int]) -> PeerError:
    """Return what a status other than 2xx says of a write."""
    if reply.status in not_acted:
        return _unavailable(call, reply)
    if reply.status in REFUSALS:
        return PeerRefused(call.peer.name, _answered(reply), status=reply.status)
    if 400 <= reply.status < 500:  # 401, 405, 413, …: something between us is set up wrongly; no order is refused
        return _unavailable(call, reply, repeatable=reply.status in (408, 425))
    return OutcomeUnknown(call.peer.name, _answered(reply), retry_after=_retry_after(reply))


def _rules_out_earlier(error: PeerError) -> bool:
    """Tell whether a refusal also says that no earlier attempt acted: a peer that honours keys would have repeated
    that one's answer. Not so a conflict (409), which may be with the earlier attempt, still under way."""
    return isinstance(error, PeerRefused) and error.status != 409


def _still_unknown(error: PeerUnavailable | PeerRefused) -> OutcomeUnknown:
    """Return what the last attempt means after one of unknown outcome that may still be under way at the peer."""
    return OutcomeUnknown(
        error.peer,
        f"an earlier attempt may have acted; the last one: {error.detail}",
        retry_after=error.retry_after,
        repeatable=isinstance(error, PeerRefused) or error.repeatable,
    )


def _unavailable(call: Call, reply: Reply, *, repeatable: bool = True) -> PeerUnavailable:
    return PeerUnavailable(call.peer.name, _answered(reply), retry_after=_retry_after(reply), repeatable=repeatable)


def _answered(reply: Reply) -> str:
    return f"answered {reply.status}: {reply.detail()}".rstrip(": ")


def _retry_after(reply: Reply) -> float | None:
    return parse_retry_after(reply.headers.get("retry-after"))


def _repeatable(error: BaseException) -> bool:
    return isinstance(error, PeerError) and error.repeatable
