"""What can go wrong with a peer. The kinds differ in what the caller may conclude, not in their cause."""


class PeerError(Exception):
    """A call to a peer did not succeed.

    `peer` is its name ("inventory"), `detail` one line that reads alone. `retry_after` says in how many
    seconds asking again makes sense, if anybody knows. `repeatable` is false where asking again would change
    nothing.
    """

    def __init__(self, peer: str, detail: str, *, retry_after: float | None = None, repeatable: bool = True) -> None:
        super().__init__(f"{peer}: {detail}")
        self.peer = peer
        self.detail = detail
        self.retry_after = retry_after
        self.repeatable = repeatable


class PeerUnavailable(PeerError):
    """Surely nothing was done: not sent (no connection, no time left) or not acted (429, 503, 401, 403).

    For a read: there is no usable answer.
    """


class BreakerOpen(PeerUnavailable):
    """Not sent, since the peer's circuit breaker is open; for `retry_after` seconds yet."""

    def __init__(self, peer: str, *, retry_after: float) -> None:
        super().__init__(peer, "not asked: its last calls failed", retry_after=retry_after, repeatable=False)


class PeerRefused(PeerError):
    """The peer's final no to a write: it has not acted and will not. `status` is that of the answer."""

    def __init__(self, peer: str, detail: str, *, status: int) -> None:
        super().__init__(peer, detail, repeatable=False)
        self.status = status


class OutcomeUnknown(PeerError):
    """A write that was sent, or part of it, and whose effect nobody here knows."""
