"""How gunicorn serves, in the quickstart and in the container: `-c python:orders_project.gunicorn_conf`.

docs/operations.md says how it is sized, reloaded and stopped, docs/settings.md what the environment may set.
"""

import ctypes
import gc
import os
import select
from pathlib import Path
from typing import Any

from orders_project import gunicorn_demo_logins, gunicorn_metrics
from orders_project.cores import cores

wsgi_app = "orders_project.wsgi:application"
bind = f"{os.environ.get('BIND_HOST') or '127.0.0.1'}:{os.environ.get('PORT') or 8001}"

# --- processes and threads -------------------------------------------------------------------------------------------
workers = int(os.environ.get("WEB_CONCURRENCY") or cores() + 1)
"""A request waits for MongoDB and peers most of its time, which threads do; processes share out the processors."""
worker_class = "orders_project.gunicorn_worker.Worker" if hasattr(select, "epoll") else "gthread"
threads = int(os.environ.get("WEB_THREADS") or 8)
max_requests = int(os.environ.get("WEB_MAX_REQUESTS") or 100_000)
"""A worker is replaced after so many, so that no leak lasts; it answers what it has begun, and closes no connection
on which it has promised to listen. The jitter keeps all from being replaced at once."""
max_requests_jitter = max_requests // 10
preload_app = False
"""Workers load the application themselves, so that HUP loads new code (not settings: the environment has those).
Loading it once, before the fork, would be safe (nothing opens a connection or a thread at import, and the integrations
start afresh in a child; a test holds it so), but saves little: 10 MB of 70 in a worker, while the parent grows by
33."""
reuse_port = False
"""One queue of new connections for all: what waits in a queue of a worker's own is reset when that worker ends."""

# --- times -----------------------------------------------------------------------------------------------------------
timeout = int(os.environ.get("GUNICORN_TIMEOUT") or 30)
"""Seconds without a sign of life from a worker until it is killed. A single slow thread of it does not count: what one
request may take is bounded by REQUEST_DEADLINE and MONGODB_TIMEOUT_MS."""
graceful_timeout = timeout
"""Seconds for the requests under way when told to end. Whatever runs us must wait longer than that before it kills."""
keepalive = int(os.environ.get("WEB_KEEPALIVE") or 75)
"""Seconds that an idle connection is kept: longer than proxies keep theirs (nginx and AWS: 60), so that it is they who
close, and none sends a request into a connection that is being closed."""

# --- limits and trust ------------------------------------------------------------------------------------------------
limit_request_line = 4094
limit_request_fields = 64
limit_request_field_size = 8190
worker_connections = 1000
backlog = 1024
secure_scheme_headers: dict[str, str] = {}
forwarder_headers = ""
forwarded_allow_ips = "*"
"""gunicorn believes no header of a proxy, whoever sends it: whether X-Forwarded-Proto is believed is Django's to say,
by BEHIND_TLS_PROXY. With no header to believe it need not find out for each request whether the sender is known."""

control_socket_disable = True
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - heartbeats, off the disk

logger_class = "observability.gunicorn_logger.Logger"
gunicorn_metrics.begin(worker_tmp_dir)
pre_fork = gunicorn_metrics.pre_fork
post_fork = gunicorn_metrics.post_fork
child_exit = gunicorn_metrics.child_exit


def on_starting(server: Any) -> None:
    """Refuse a database with demo logins, and open the port for figures.

    :raises RuntimeError: there are some.
    :raises OSError: the port cannot be opened.
    """
    gunicorn_demo_logins.on_starting(server)
    gunicorn_metrics.on_starting(server)


M_MMAP_THRESHOLD, LARGE = -3, 256 * 1024
"""glibc's `mallopt`: blocks from this size on are memory of their own, and given back when they are free."""


def post_worker_init(worker: Any) -> None:
    """Give back memory, collect garbage less often, and answer scrapes.

    glibc learns from large blocks that are freed to keep their room, in a heap for each thread: some large bodies would
    leave a worker at three times its size.

    What the service consists of never becomes garbage: the collector need not walk through it (`freeze`), nor look
    for cycles each 700 objects, of which one list of orders makes some hundreds.
    """
    if hasattr(libc := ctypes.CDLL(None), "mallopt"):  # glibc's alone
        libc.mallopt(M_MMAP_THRESHOLD, LARGE)
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
    gunicorn_metrics.post_worker_init(worker)
