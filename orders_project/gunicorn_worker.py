"""gunicorn's threaded worker, whose threads see by themselves what is to be answered, and take turns at it."""

import select
import selectors
import time
from contextlib import suppress
from threading import Lock, Thread
from typing import Any

from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER, ThreadWorker

READS = frozenset({"GET", "HEAD"})
ONCE = select.EPOLLIN | select.EPOLLONESHOT
"""What comes in on a connection is told once, and not again before the connection is waited for anew."""
TICK = 0.01
"""Seconds: a read that takes longer than one or two of these is no longer waited for by others."""
COURTESY = 0.0001
"""Seconds for each connection that a worker has (ten at most) by which it leaves a new one to the others."""


class Worker(ThreadWorker):
    """Answers requests in the threads that see them come in, reads one at a time, and refuses connections once it is
    told to end.

    gunicorn's own worker has its main thread wait for all connections, hand each request to a pool, and take the
    connection back; and threads that all have something to do wrest the interpreter from each other at each of the
    twenty system calls that a read takes. Here one thread has the turn: it waits for all connections, in one `epoll`,
    and answers what comes in. It keeps the turn while it answers reads that are over within a moment. A write passes it
    on at once, any other request when the main thread, which looks every TICK, finds it still under way.

    Told to end, gunicorn's own leaves its queue of new connections open until its last request is answered: who
    connects meanwhile waits, and is reset at the end, which a proxy cannot tell from a request that was carried out.
    Refused at once, it asks another instance. Where other workers go on, the queue stays theirs.

    :ivar keepalived_conns: by file descriptor, the connections that wait for a request, the longest waiting first. Who
        takes one out owns it.
    """

    alive: bool
    keepalived_conns: dict[int, Any]

    def init_process(self) -> None:
        self.keepalived_conns = {}
        self._incoming = select.epoll()
        self._turn = Lock()
        self._now: _Hold | None = None
        self._seen: _Hold | None = None
        self._asleep, self._answered = False, 0
        super().init_process()

    def run(self) -> None:
        self.poller.register(self.method_queue.fileno(), selectors.EVENT_READ, self.method_queue.run_callbacks)
        for _ in range(self.cfg.threads):
            Thread(target=self._serve, daemon=True).start()
        due = 0.0
        while self.alive:
            self.set_accept_enabled(self.nr_conns < self.worker_connections)
            self._watch(1.0)
            if (now := time.monotonic()) >= due:
                due = now + 1.0
                self.notify()
                self._let_go(now)
                if not self.is_parent_alive():
                    self.alive = False
        self.set_accept_enabled(False)
        told = time.monotonic()
        while self.nr_conns and (passed := time.monotonic() - told) < self.cfg.graceful_timeout:
            self._watch(0.1)
            self.notify()
            self._let_go(told + passed + (self.cfg.keepalive if passed > STOP_KEEPALIVE_LINGER else 0))

    # --- the main thread -------------------------------------------------------------------------------------------

    def set_accept_enabled(self, enabled: bool) -> None:
        super().set_accept_enabled(enabled)
        if not (enabled or self.alive):
            for listener in self.sockets:
                listener.close()

    def accept(self, listener: Any) -> None:
        """Take a new connection, unless a worker that has fewer is quicker: the client may keep it for hours."""
        time.sleep(COURTESY * min(self.nr_conns, 10))
        super().accept(listener)

    def enqueue_req(self, conn: Any) -> None:
        """Wait for the first request of a connection that was accepted just now."""
        self._incoming.register(conn.sock, 0)
        self._wait_for(conn)

    def _watch(self, seconds: float) -> None:
        """Accept connections, for so long, or a TICK while requests come in; then see whether a read takes too long."""
        self._asleep = True
        if self._now is not None or self.nr != self._answered:
            self._asleep, self._answered = False, self.nr
        self.wait_for_and_dispatch_events(seconds if self._asleep else TICK)
        self._asleep = False
        if (hold := self._now) is not None and hold is self._seen:
            self._pass_on(hold)
        self._seen = hold

    def _let_go(self, until: float) -> None:
        """Close the connections that nobody waits for longer than that, but none whose request is there already."""
        for descriptor, conn in self.keepalived_conns.copy().items():
            if conn.timeout > until:
                break
            if not _is_readable(descriptor) and self.keepalived_conns.pop(descriptor, None):
                conn.close()
                self._gone()

    def _gone(self) -> None:
        self.nr_conns -= 1

    # --- the threads that answer -----------------------------------------------------------------------------------

    def _serve(self) -> None:
        while True:
            self._turn.acquire()
            while self._answer_next():
                pass

    def _answer_next(self) -> bool:
        """Having the turn, wait for a request and answer it. :returns: whether the turn is still ours."""
        [(descriptor, _)] = self._incoming.poll(-1, 1)
        conn = self.keepalived_conns.pop(descriptor, None)
        if conn is None:  # closed just now
            return True
        conn.hold = self._now = hold = _Hold()
        if self._asleep:
            self.method_queue.defer(lambda: None)
        self._answer(conn)
        if not hold.end():
            return False
        self._now = None
        return True

    def _pass_on(self, hold: "_Hold") -> None:
        """Let another thread have the turn, unless that has been done."""
        if hold.end():
            self._now = None
            self._turn.release()

    def _answer(self, conn: Any) -> None:
        """Answer a request, and those that were sent ahead."""
        kept: Any = False
        try:
            kept = self.handle(conn)
            while kept is True and conn.parser.unreader.buf.getvalue():
                kept = self.handle(conn)
        except BaseException:  # such as SystemExit, which must not end the thread
            self.log.exception("a request could not be answered")
        if kept:
            self._wait_for(conn)
            return
        self._pass_on(conn.hold)  # the client has two seconds to close its end, too
        with suppress(OSError):  # it may be closed already
            conn.close(graceful=True)
        self.method_queue.defer(self._gone)

    def handle_request(self, req: Any, conn: Any) -> Any:
        if req.method not in READS:
            self._pass_on(conn.hold)
        return super().handle_request(req, conn)

    def _wait_for(self, conn: Any) -> None:
        conn.set_timeout()
        self.keepalived_conns[conn.sock.fileno()] = conn
        self._incoming.modify(conn.sock, ONCE)


class _Hold:
    """The turn for as long as one request has it: until it is over, or passed on before that."""

    def __init__(self) -> None:
        self._lasts = [True]

    def end(self) -> bool:
        """End it. :returns: False if it was ended before; of two threads one is told True."""
        try:
            return self._lasts.pop()
        except IndexError:
            return False


def _is_readable(descriptor: int) -> bool:
    poller = select.poll()
    poller.register(descriptor, select.POLLIN)
    return bool(poller.poll(0))
