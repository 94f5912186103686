"""The small parts: settings, slots of processes, routes."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from devtools.localhost import ROOT
from observability import logs, processes
from observability.exposition import Server
from orders_project.settings.env import Environment
from orders_project.settings.observability import observability
from orders_project.web import gunicorn_metrics
from orders_project.web.observation import _template


@pytest.mark.parametrize(
    ("module", "format_name"),
    [("orders_project.settings.production", "json"), ("orders_project.settings.development", "text"), (None, "json")],
)
def test_machines_read_production_and_people_the_rest(
    monkeypatch: pytest.MonkeyPatch, module: str | None, format_name: str
) -> None:
    if module:
        monkeypatch.setenv("DJANGO_SETTINGS_MODULE", module)
    else:
        monkeypatch.delenv("DJANGO_SETTINGS_MODULE", raising=False)
    assert logs.default_format() == format_name


@pytest.mark.parametrize(("name", "given"), [("LOG_FORMAT", "xml"), ("LOG_LEVEL", "loud"), ("METRICS_PORT", "99999")])
def test_a_setting_that_makes_no_sense_is_named(monkeypatch: pytest.MonkeyPatch, name: str, given: str) -> None:
    monkeypatch.setenv(name, given)
    env = Environment()
    found = observability(env)
    assert found["LOGGING"]["root"]["level"] == "INFO"
    with pytest.raises(ImproperlyConfigured, match=rf":\n  {name}[^\n]*\ndocs"):
        env.refuse_problems()


def test_a_worker_takes_the_lowest_slot_that_is_free() -> None:
    def worker(slot: int | None = None) -> Any:
        return SimpleNamespace(slot=slot)

    for taken, expected in (([], 0), ([0, 1], 2), ([1, 2], 0), ([0, 2], 1)):
        server = SimpleNamespace(WORKERS={number: worker(slot) for number, slot in enumerate(taken)})
        newcomer = worker()
        gunicorn_metrics.pre_fork(server, newcomer)
        assert newcomer.slot == expected


def test_what_was_true_of_a_living_worker_goes_with_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(processes.DIRECTORY, str(tmp_path))
    for name in ("gauge_livesum_0.db", "gauge_livemax_0.db", "gauge_livesum_1.db", "counter_0.db"):
        (tmp_path / name).touch()
    gunicorn_metrics.child_exit(None, SimpleNamespace(slot=0))
    assert {file.name for file in tmp_path.iterdir()} == {"gauge_livesum_1.db", "counter_0.db"}


def test_a_directory_ends_with_its_process_and_one_left_by_a_killed_one_with_the_next(tmp_path: Path) -> None:
    code = f"from observability import processes; processes.begin({str(tmp_path)!r}); "
    run = [sys.executable, "-c"]
    subprocess.run([*run, f"{code} import os; os.kill(os.getpid(), {signal.SIGKILL})"], cwd=ROOT, check=False)
    [left] = tmp_path.iterdir()
    (tmp_path / f"{processes.PREFIX}not-ours").mkdir()
    mine = tmp_path / f"{processes.PREFIX}{os.getpid()}"
    mine.mkdir()
    forked = "import os; os.fork() or os._exit(0) ; os.wait(); "
    subprocess.run([*run, f"{code} {forked}"], cwd=ROOT, check=True)
    assert not left.exists()
    assert {path.name for path in tmp_path.iterdir()} == {mine.name, f"{processes.PREFIX}not-ours"}


def test_a_port_is_shared_only_where_both_say_so() -> None:
    with Server("127.0.0.1", 0, shared=True) as first:
        with Server("127.0.0.1", first.server_port, shared=True):
            pass
        with pytest.raises(OSError, match="in use"):
            Server("127.0.0.1", first.server_port)
    with Server("127.0.0.1", 0) as alone, pytest.raises(OSError, match="in use"):
        Server("127.0.0.1", alone.server_port, shared=True)


@pytest.mark.parametrize(
    ("route", "template"),
    [
        ("api/v1/orders/<str:order_id>/status", "/api/v1/orders/<order_id>/status"),
        ("api/v1/orders/", "/api/v1/orders"),
        ("admin/orders/order/<path:object_id>/change/", "/admin/orders/order/<object_id>/change"),
        (r"admin/^autocomplete\.html$", "/admin/autocomplete.html"),
        ("admin/(?P<url>.*)$", "/admin/<url>"),
        ("", "/"),
    ],
)
def test_a_route_is_shown_as_people_write_it(route: str, template: str) -> None:
    assert _template(route) == template


def test_a_metrics_port_that_cannot_be_opened_is_one_line_of_gunicorns(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setenv("METRICS_PORT", str(taken.getsockname()[1]))
        monkeypatch.delenv("METRICS_HOST", raising=False)
        with pytest.raises(
            RuntimeError, match=r"^The metrics cannot be served at 127\.0\.0\.1:\d+ \(METRICS_PORT\): .*in use"
        ):
            gunicorn_metrics.on_starting(SimpleNamespace())
    assert gunicorn_metrics._server is None
