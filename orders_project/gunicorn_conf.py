"""How gunicorn serves, in the quickstart and in the container: `-c python:orders_project.gunicorn_conf`."""

import os
from pathlib import Path

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
