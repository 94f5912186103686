"""What can go wrong with a peer. The classes differ in what the caller may conclude, not in their cause."""


class PeerError(Exception):
    """A call to a peer did not succeed.

    `peer` is its name ("inventory"), `detail` one line that can be read on its own. `retry_after` is the seconds after
    which asking again makes sense, if known. `repeatable` is false where asking again would change nothing.
    """

    def __init__(self, peer: str, detail: str, *, retry_after: float | None = None, repeatable: bool = True) -> None:
        super().__init__(f"{peer}: {detail}")
        self.peer = peer
        self.detail = detail
        self.retry_after = retry_after
        self.repeatable = repeatable


class PeerUnavailable(PeerError):
    """Certainly nothing was done: not sent (no connection, no time left) or not acted upon (429, 503, 401, 403).

    For a read: there is no usable answer.
    """


class BreakerOpen(PeerUnavailable):
    """Not sent, since a circuit breaker is open, for another `retry_after` seconds."""

    def __init__(self, peer: str, *, retry_after: float) -> None:
        super().__init__(peer, "not asked: its last calls failed", retry_after=retry_after, repeatable=False)


class PeerRefused(PeerError):
    """The peer refused a write for good: it has not acted and will not.

    `status` is that of the answer, if it came over HTTP. `conflict` says that the refusal may be due to an earlier
    attempt at the same, still in progress.
    """

    def __init__(self, peer: str, detail: str, *, status: int | None, conflict: bool = False) -> None:
        super().__init__(peer, detail, repeatable=False)
        self.status = status
        self.conflict = conflict


class OutcomeUnknown(PeerError):
    """A write that was sent, or part of it, and may or may not have been carried out."""
