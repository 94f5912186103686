"""What gunicorn is told, and that loading the application leaves nothing behind that a fork would break."""

import importlib
import json
import os
import re
import subprocess
import sys
from types import ModuleType

import pytest
import yaml
from gunicorn.config import Config
from gunicorn.http.message import Request
from gunicorn.http.unreader import IterUnreader

from devtools.localhost import ROOT
from orders_project.web.gunicorn_conf import cores

LOADED = """
import json, os, random, threading
before = random.getstate()
import orders_project.wsgi
from django.urls import get_resolver
get_resolver().url_patterns
from django.db import connection
from integrations import concurrent_calls, http_exchange
links = [f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")]
print(json.dumps({
    "threads": [thread.name for thread in threading.enumerate()],
    "sockets": sum(os.path.exists(link) and os.readlink(link).startswith("socket:") for link in links),
    "database": connection.connection is not None,
    "pool": concurrent_calls._threads._executor is not None,
    "seeded": random.getstate() != before,
}))
"""


def conf(monkeypatch: pytest.MonkeyPatch, **environment: str) -> ModuleType:
    for name in ("WEB_CONCURRENCY", "WEB_THREADS", "WEB_MAX_REQUESTS", "WEB_KEEPALIVE", "GUNICORN_TIMEOUT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return importlib.reload(importlib.import_module("orders_project.web.gunicorn_conf"))


def test_workers_are_one_more_than_the_processors_or_as_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert conf(monkeypatch).workers == cores() + 1
    assert conf(monkeypatch, WEB_CONCURRENCY="7").workers == 7


def test_workers_are_replaced_at_different_times(monkeypatch: pytest.MonkeyPatch) -> None:
    assert 0 < conf(monkeypatch).max_requests_jitter < conf(monkeypatch).max_requests
    assert conf(monkeypatch, WEB_MAX_REQUESTS="0").max_requests_jitter == 0


def test_proxies_close_idle_connections_before_we_do(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = 60  # seconds, of nginx and AWS
    assert conf(monkeypatch).keepalive > usual


def test_whatever_runs_the_containers_waits_until_requests_are_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    waits = re.fullmatch(r"(\d+)s", compose["x-service"]["stop_grace_period"])
    assert waits
    assert int(waits[1]) > conf(monkeypatch).graceful_timeout


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_the_application_loads_without_a_connection_or_a_thread() -> None:
    environment = {name: os.environ[name] for name in os.environ if name in {"PATH", "HOME"} or name.startswith("COV")}
    environment |= {f"{peer}_SERVICE_URL": "http://nowhere" for peer in ("USER", "PRODUCT", "INVENTORY")}
    environment |= {
        "DJANGO_SETTINGS_MODULE": "orders_project.settings.production",
        "SECRET_KEY": "0f3b9c1d7e5a48269b0c4d1e8f7a6b52c3",
        "MONGODB_URI": "mongodb://nowhere",
        "ALLOWED_HOSTS": "orders.example",
    }
    done = subprocess.run(
        [sys.executable, "-c", LOADED], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    nothing = {"threads": ["MainThread"], "sockets": 0, "database": False, "pool": False, "seeded": False}
    assert json.loads(done.stdout.splitlines()[-1]) == nothing


def test_no_header_of_a_proxy_is_believed_by_gunicorn_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    given, told = conf(monkeypatch), Config()
    for name in ("secure_scheme_headers", "forwarder_headers", "forwarded_allow_ips"):
        told.set(name, getattr(given, name))
    sent = b"GET /a HTTP/1.1\r\nHost: x\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Ssl: on\r\nSCRIPT_NAME: /b\r\n\r\n"
    seen = Request(told, IterUnreader([sent]), ("127.0.0.1", 50000))
    assert seen.scheme == "http"
    assert [name for name, _ in seen.headers] == ["HOST", "X-FORWARDED-PROTO", "X-FORWARDED-SSL"]
