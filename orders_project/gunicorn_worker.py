"""gunicorn's threaded worker, which refuses new connections as soon as it is told to end, and has no hand-over between
a connection's requests while every connection has a thread to itself."""

import select
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

LINGER_MS = 5
"""So long a thread stays with its connection: well above what a client takes that goes on at once, and no more than a
connection can do without a thread, should there be one too many just then."""


class Worker(ThreadWorker):
    """Closes its end of the queue of new connections when it stops taking them, not when its last request is answered.

    Told to end, gunicorn leaves that queue open until then: who connects meanwhile waits, and is reset at the end,
    which a proxy cannot tell from a request that was carried out. Refused at once, it asks another instance. Where
    other workers go on, the queue stays theirs.
    """

    def set_accept_enabled(self, enabled: bool) -> None:
        super().set_accept_enabled(enabled)
        if not (enabled or self.alive):
            for listener in self.sockets:
                listener.close()

    def handle(self, conn: Any) -> Any:
        """Answer a request, and those that follow it at once on its connection.

        Between two requests gunicorn hands a kept connection back to its main thread, which waits for the next and
        finds a thread for it: several switches, without which a fourth more orders are read in the same time.
        """
        kept = super().handle(conn)
        while kept is True and self._has_a_thread_for_each() and _is_readable(conn):
            kept = super().handle(conn)
        return kept

    def _has_a_thread_for_each(self) -> bool:
        return bool(self.alive and self.nr_conns <= self.cfg.threads)


def _is_readable(conn: Any) -> bool:
    """Whether the next request begins to come in. What has been read ahead of it is gunicorn's to go on with."""
    if conn.parser.unreader.buf.getvalue():
        return False
    poller = select.poll()
    poller.register(conn.sock, select.POLLIN)
    return bool(poller.poll(LINGER_MS))
