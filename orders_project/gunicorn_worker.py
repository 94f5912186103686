"""gunicorn's threaded worker, whose threads see by themselves what is to be answered, and take turns at it."""

import select
import selectors
import time
from contextlib import suppress
from threading import Lock, Thread
from typing import Any

from gunicorn.http import wsgi
from gunicorn.workers.gthread import DEFAULT_WORKER_DATA_TIMEOUT, STOP_KEEPALIVE_LINGER, ThreadWorker

from orders_project.gunicorn_response import Response
from orders_project.gunicorn_turns import Hold, Pace

READS = frozenset({"GET", "HEAD"})
TICK = 0.01
"""Seconds: a request that takes longer than one or two of these is no longer waited for by others."""
LINGER_MS = 5
"""So long a thread without the turn stays with its connection, while there is a thread for each: well above what a
client takes that goes on at once, and no more than a connection can do without a thread, should one more come then."""
COURTESY = 0.0001
"""Seconds for each connection that a worker has by which it leaves a new one to the others, while it has few."""


class Worker(ThreadWorker):
    """Answers requests in the threads that see them come in, reads one at a time where that is quicker, and refuses
    connections once it is told to end.

    gunicorn's own worker has its main thread wait for all connections, hand each request to a pool, and take the
    connection back; and threads that all have something to do wrest the interpreter from each other at each of the
    twenty system calls that a read takes. Here one thread has the turn: it waits for all connections, in one `epoll`,
    and answers what comes in. It keeps the turn while it answers reads that are over within a moment. A write passes it
    on at once, and so do reads that mostly wait (see :class:`Pace`); any other request when the main thread, which
    looks every TICK, finds it still under way.

    Told to end, gunicorn's own leaves its queue of new connections open until its last request is answered: who
    connects meanwhile waits, and is reset at the end, which a proxy cannot tell from a request that was carried out.
    Refused at once, it asks another instance. Where other workers go on, the queue stays theirs.

    :ivar keepalived_conns: by file descriptor, the connections that wait for a request, the longest waiting first. Who
        takes one out owns it.
    """

    alive: bool
    keepalived_conns: dict[int, Any]

    def init_process(self) -> None:
        self.prepare()
        super().init_process()

    def prepare(self) -> None:
        """Have, in this process, what the threads share."""
        wsgi.Response = Response
        self.keepalived_conns = {}
        self._incoming = select.epoll()
        self._turn = Lock()
        self._pace = Pace()
        self._now: Hold | None = None
        self._seen: Hold | None = None
        self._asleep, self._answered = False, 0

    def run(self) -> None:
        self.poller.register(self.method_queue.fileno(), selectors.EVENT_READ, self.method_queue.run_callbacks)
        self.begin()
        try:
            self._accept_and_watch()
        except Exception:  # what is under way is answered all the same
            self.log.exception("the worker ends")
        self.alive = False
        self.set_accept_enabled(False)
        told = time.monotonic()
        while self.nr_conns and (passed := time.monotonic() - told) < self.cfg.graceful_timeout:
            self.watch(0.1)
            self.notify()
            self._let_go(told + passed + (self._patience if passed > STOP_KEEPALIVE_LINGER else 0))

    def begin(self) -> None:
        """Start the threads that answer."""
        for _ in range(self.cfg.threads):
            Thread(target=self._serve, daemon=True).start()

    # --- the main thread -------------------------------------------------------------------------------------------

    @property
    def _patience(self) -> float:
        """Seconds that a connection may be without a request."""
        return float(self.cfg.keepalive or DEFAULT_WORKER_DATA_TIMEOUT)

    def _accept_and_watch(self) -> None:
        due = time.monotonic()
        while self.alive:
            self.set_accept_enabled(self.nr_conns < self.worker_connections)
            self.watch(max(0.0, due - time.monotonic()))
            if (now := time.monotonic()) >= due:
                due = now + 1.0
                self.notify()
                self._let_go(now)
                if not self.is_parent_alive():
                    break

    def set_accept_enabled(self, enabled: bool) -> None:
        """As gunicorn's; told to end, it takes whoever has connected already, and closes its end of the queue."""
        super().set_accept_enabled(enabled)
        if enabled or self.alive:
            return
        for listener in self.sockets:
            before = None
            while listener.fileno() >= 0 and self.nr_conns != before and self.nr_conns < self.worker_connections:
                before = self.nr_conns
                self._accept(listener)
            listener.close()

    def accept(self, listener: Any) -> None:
        """Take a new connection, unless a worker that has fewer is quicker: the client may keep it for hours."""
        if self.cfg.workers > 1 and self.nr_conns <= 2 * self.cfg.threads:
            time.sleep(COURTESY * self.nr_conns)
        self._accept(listener)

    def _accept(self, listener: Any) -> None:
        try:
            super().accept(listener)
        except OSError as error:  # no file descriptors are left, say: it waits in the queue
            self.log.warning("a connection cannot be accepted: %s", error)
            time.sleep(TICK)

    def enqueue_req(self, conn: Any) -> None:
        """Wait for the first request of a connection that was accepted just now."""
        self._wait_for(conn, self._incoming.register)

    def watch(self, seconds: float) -> None:
        """Accept connections, for so long, or a TICK while requests come in; then see whether one takes too long."""
        self._asleep = True
        if self._now is not None or self.nr != self._answered:
            self._asleep, self._answered = False, self.nr
        self.wait_for_and_dispatch_events(seconds if self._asleep else min(seconds, TICK))
        self._asleep = False
        if (hold := self._now) is not None and hold is self._seen and self._pass_on(hold):
            self._pace.count(TICK, 0.0)
        self._seen = hold

    def _let_go(self, until: float) -> None:
        """Close the connections that nobody waits for longer than that, but none whose request is there already."""
        for descriptor, conn in self.keepalived_conns.copy().items():
            if conn.timeout > until:
                break
            if not _is_ready(conn, descriptor) and self.keepalived_conns.pop(descriptor, None):
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
        conn.data_ready, conn.wrote = True, False
        conn.hold = self._now = hold = Hold()
        if self._asleep:
            self.method_queue.defer(lambda: None)
        self._answer(conn)
        if not hold.end():
            return False
        self._now = None
        self._pace.count(*hold.cost())
        return True

    def _answer(self, conn: Any) -> None:
        try:
            kept = self.handle(conn)
            while kept and self._goes_on(conn):
                kept = self.handle(conn)
            if kept:
                self._wait_for(conn, self._incoming.modify)
                return
            self._pass_on(conn.hold)  # the client has two seconds to close its end, too
            conn.close(graceful=True)
        except BaseException:  # such as SystemExit, which must not end the thread
            self.log.exception("a request could not be answered")
            with suppress(OSError):
                conn.close()
        self.method_queue.defer(self._gone)

    def _goes_on(self, conn: Any) -> bool:
        """Whether the next request after a write is here already, for a thread that would have nothing else to do."""
        has_a_thread = conn.wrote and self.alive and self.nr_conns <= self.cfg.threads
        return has_a_thread and not _has_read_ahead(conn) and _is_ready(conn, conn.sock.fileno(), LINGER_MS)

    def handle_request(self, req: Any, conn: Any) -> Any:
        conn.wrote = req.method not in READS
        if conn.wrote or self._pace.side_by_side():
            self._pass_on(conn.hold)
        return super().handle_request(req, conn)

    def _pass_on(self, hold: Hold) -> bool:
        """Let another thread have the turn, unless that has been done."""
        if not hold.end():
            return False
        self._now = None
        self._turn.release()
        return True

    def _wait_for(self, conn: Any, arm: Any) -> None:
        """Have the next request of a connection told to one thread, once; at once where it has been read ahead."""
        conn.timeout = time.monotonic() + self._patience
        descriptor = conn.sock.fileno()
        events = select.EPOLLIN | select.EPOLLONESHOT | (select.EPOLLOUT if _has_read_ahead(conn) else 0)
        self.keepalived_conns[descriptor] = conn
        with suppress(OSError):  # the main thread has closed it meanwhile
            arm(descriptor, events)


def _has_read_ahead(conn: Any) -> bool:
    return conn.parser is not None and bool(conn.parser.unreader.buf.getvalue())


def _is_ready(conn: Any, descriptor: int, within_ms: int = 0) -> bool:
    """Whether there is a request of the connection to be answered."""
    poller = select.poll()
    poller.register(descriptor, select.POLLIN | (select.POLLOUT if _has_read_ahead(conn) else 0))
    return bool(poller.poll(within_ms))
