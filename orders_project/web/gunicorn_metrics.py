"""gunicorn's hooks for metrics: one directory for all workers, a slot for each of them, one port for all.

Each is a plain function that gunicorn_conf.py names; the directory must be there before a worker loads the service.
"""

import os
from typing import TYPE_CHECKING, Any

from observability import processes
from orders_project.web.environment import whole_number

if TYPE_CHECKING:
    from observability.exposition import Server

_server: "Server | None" = None


def begin(parent: str | None) -> None:
    """Create the directory if metrics are enabled; called when gunicorn reads its configuration."""
    if whole_number("METRICS_PORT", 0):
        processes.begin(parent)


def on_starting(server: Any) -> None:
    """Open METRICS_PORT at METRICS_HOST, if one is set.

    :raises RuntimeError: it cannot be opened: gunicorn does not start then, and says why in one line.
    """
    global _server
    if port := whole_number("METRICS_PORT", 0):
        from observability.exposition import Server  # only now is there a directory

        host = os.environ.get("METRICS_HOST") or "127.0.0.1"
        try:
            _server = Server(host, port, shared=True)
        except OSError as error:
            raise RuntimeError(f"The metrics cannot be served at {host}:{port} (METRICS_PORT): {error}") from error
        server.log.info("Metrics at: http://%s:%s/metrics", host, port)


def pre_fork(server: Any, worker: Any) -> None:
    """Give the worker the lowest free slot."""
    taken = {other.slot for other in server.WORKERS.values()}
    worker.slot = next(number for number in range(len(taken) + 1) if number not in taken)


def post_fork(_server: Any, worker: Any) -> None:
    processes.take_slot(worker.slot)
    processes.be_called(f"web-{worker.slot}")


def post_worker_init(_worker: Any) -> None:
    """Answer scrapes, beside the other workers."""
    if _server is not None:
        from django.conf import settings  # the worker has loaded the service by now

        from orders.services.reporting.readiness import database_figures

        _server.start(settings.METRICS_TOKEN, database_figures)


def child_exit(_server: Any, worker: Any) -> None:
    """Remove the gauges of a worker that has ended."""
    if processes.together():
        from prometheus_client.multiprocess import mark_process_dead

        mark_process_dead(worker.slot)
