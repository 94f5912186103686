"""gunicorn's hooks for figures: one directory for all workers, a place in it for each, one port for all of them.

Each is a plain function that gunicorn_conf.py names; the directory must be there before a worker loads the service.
"""

import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

from observability import processes

_listening: socket.socket | None = None


def begin(parent: str | None) -> None:
    """Make the directory where figures are wanted; called when gunicorn reads its configuration."""
    if os.environ.get("METRICS_PORT"):
        processes.begin(parent)


def on_starting(server: Any) -> None:
    """Open METRICS_PORT at METRICS_HOST, if one is set.

    :raises OSError: if it cannot be opened: gunicorn does not start then.
    """
    global _listening
    if port := int(os.environ.get("METRICS_PORT") or 0):
        from observability.exposition import listen  # only now is there a directory

        host = os.environ.get("METRICS_HOST") or "127.0.0.1"
        _listening = listen(host, port, shared=True)
        server.log.info("Metrics at: http://%s:%s/metrics", host, port)


def pre_fork(server: Any, worker: Any) -> None:
    """Give the worker the lowest place that is free."""
    taken = {other.metrics_place for other in server.WORKERS.values()}
    worker.metrics_place = next(number for number in range(len(taken) + 1) if number not in taken)


def post_fork(_server: Any, worker: Any) -> None:
    processes.take_place(worker.metrics_place)
    processes.be_called(f"web-{worker.metrics_place}")


def post_worker_init(_worker: Any) -> None:
    """Answer scrapes, beside the other workers."""
    if _listening is None:
        return
    from django.conf import settings  # the worker has loaded the service by now

    from observability.exposition import Server
    from orders.services.vitals import exposed

    Server(_listening, settings.METRICS_TOKEN, exposed).start()


def child_exit(_server: Any, worker: Any) -> None:
    """Forget what was true of a worker only while it lived."""
    if not processes.together():
        return
    for file in Path(os.environ[processes.DIRECTORY]).glob(f"gauge_live*_{worker.metrics_place}.db"):
        with suppress(FileNotFoundError):
            file.unlink()
