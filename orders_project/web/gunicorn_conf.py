"""How gunicorn serves, in the quickstart and in the container: `-c python:orders_project.web.gunicorn_conf`.

docs/operations.md says how it is sized, reloaded and stopped, docs/settings.md what the environment may set.
"""

import ctypes
import math
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from orders_project.web import gunicorn_metrics, gunicorn_refusals
from orders_project.web.environment import whole_number

QUOTA = Path("/sys/fs/cgroup/cpu.max")
"""What a container may use (cgroup v2): microseconds in each period, or "max", and the period."""


def cores(quota: Path = QUOTA) -> int:
    """Return how many processors we may run on, or fewer if a container's quota is lower; at least 1."""
    affinity = getattr(os, "sched_getaffinity", None)
    found = len(affinity(0)) if affinity else os.cpu_count() or 1
    with suppress(OSError, ValueError):
        allowed, period = quota.read_text().split()
        found = min(found, math.ceil(int(allowed) / int(period)))
    return max(1, found)


wsgi_app = "orders_project.wsgi:application"
bind = f"{os.environ.get('BIND_HOST') or '127.0.0.1'}:{whole_number('PORT', 8001)}"

# --- processes and threads -------------------------------------------------------------------------------------------
workers = whole_number("WEB_CONCURRENCY", cores() + 1)
"""Processes share the processors; the threads of each wait for MongoDB and the peers."""
worker_class = "gthread"
threads = whole_number("WEB_THREADS", 8)
"""Reads are as fast with 4; a placement keeps one for as long as its peers take."""
max_requests = whole_number("WEB_MAX_REQUESTS", 100_000)
"""A worker is replaced after this many requests, so that no leak lasts; it finishes those under way first. The jitter
keeps workers from being replaced at the same time."""
max_requests_jitter = max_requests // 10
preload_app = False
"""Workers load the application themselves, so that HUP loads new code (but no new settings). Loading it
before the fork would be safe (importing it opens no connections and starts no threads, which a test checks), but saves
only 10 of a worker's 70 MB, while the parent grows by 33."""
reuse_port = False
"""One queue of new connections for all workers: connections waiting in a worker's own queue are reset when it ends."""

# --- times -----------------------------------------------------------------------------------------------------------
timeout = whole_number("GUNICORN_TIMEOUT", 30)
"""Seconds without a sign of life after which a worker is killed. A single slow thread does not count: what one request
may take is bounded by REQUEST_DEADLINE and MONGODB_TIMEOUT_MS."""
graceful_timeout = timeout
"""Seconds for requests under way to finish after TERM. Whatever runs gunicorn must wait longer than this before it
kills."""
keepalive = whole_number("WEB_KEEPALIVE", 75)
"""Seconds for which idle connections are kept: longer than proxies keep theirs (nginx and AWS: 60), so that it is the
proxy that closes, and none sends a request on a connection that is just being closed."""

# --- limits and trust ------------------------------------------------------------------------------------------------
limit_request_line = 4094
limit_request_fields = 64
limit_request_field_size = 8190
worker_connections = 500
"""A worker with this many connections accepts no more. With those to MongoDB and the peers it stays well below 1,024
open files, the usual limit: a worker that cannot accept a connection for lack of them ends."""
backlog = 1024
secure_scheme_headers: dict[str, str] = {}
forwarder_headers = ""
forwarded_allow_ips = "*"
"""gunicorn itself trusts no proxy header: Django decides whether to trust X-Forwarded-Proto (BEHIND_TLS_PROXY)."""

control_socket_disable = True
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - heartbeats, off the disk

logger_class = "observability.gunicorn_logger.Logger"
gunicorn_metrics.begin(worker_tmp_dir)
pre_fork = gunicorn_metrics.pre_fork
post_fork = gunicorn_metrics.post_fork
child_exit = gunicorn_metrics.child_exit


def on_starting(server: Any) -> None:
    """Refuse wrong settings and a database with demo logins, and open the metrics port.

    :raises SystemExit: either is refused.
    :raises RuntimeError: the port cannot be opened.
    """
    gunicorn_refusals.on_starting(server)
    gunicorn_metrics.on_starting(server)


M_MMAP_THRESHOLD, LARGE = -3, 256 * 1024
"""glibc's `mallopt`: blocks from this size on are mapped separately, and returned to the system when freed."""


def post_worker_init(worker: Any) -> None:
    """Return freed memory to the system, and answer scrapes.

    glibc raises its threshold for separate mappings when large blocks are freed, and then keeps their memory, in a heap
    for each thread: a few large bodies would leave a worker at three times its size.
    """
    if hasattr(libc := ctypes.CDLL(None), "mallopt"):  # only glibc has it
        libc.mallopt(M_MMAP_THRESHOLD, LARGE)
    gunicorn_metrics.post_worker_init(worker)
