"""How gunicorn serves, in the quickstart and in the container: `-c python:orders_project.gunicorn_conf`."""

import os
from pathlib import Path

from orders_project import gunicorn_metrics

wsgi_app = "orders_project.wsgi:application"
bind = f"{os.environ.get('BIND_HOST') or '127.0.0.1'}:{os.environ.get('PORT') or 8001}"
workers = int(os.environ.get("WEB_CONCURRENCY") or 2)
worker_class = "gthread"
threads = int(os.environ.get("WEB_THREADS") or 8)
timeout = int(os.environ.get("GUNICORN_TIMEOUT") or 30)
graceful_timeout = timeout
"""Seconds for the requests under way when told to end; no request lives longer than its worker's timeout."""
keepalive = 30
control_socket_disable = True
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - heartbeats, off the disk

logger_class = "observability.gunicorn_logger.Logger"
gunicorn_metrics.begin(worker_tmp_dir)
on_starting = gunicorn_metrics.on_starting
pre_fork = gunicorn_metrics.pre_fork
post_fork = gunicorn_metrics.post_fork
post_worker_init = gunicorn_metrics.post_worker_init
child_exit = gunicorn_metrics.child_exit
