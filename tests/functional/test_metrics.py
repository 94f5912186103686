"""What is counted, and how Prometheus gets it; read with Prometheus's own parser."""

import os
import re
import signal
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from django.core.management import call_command
from django.db import DatabaseError
from prometheus_client import Counter, Gauge, Histogram, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from pytest_django import Settings

from devtools.localhost import free_port
from integrations import PeerUnavailable
from integrations.sandbox import Sandbox
from observability import metrics, processes
from observability.exposition import Server
from orders.services.lifecycle import placement
from orders.services.reporting.readiness import DatabaseFigures, Heartbeat
from orders.storage import service_state as reads
from tests.api_client import ApiClient
from tests.functional.admin_helpers import insert, line, profiled
from tests.functional.admin_helpers import stored as document
from tests.functional.helpers import TWO_TOWELS, Documents, at_once, database_down, outage
from tests.functional.observed_service import (
    TOKEN,
    Process,
    Service,
    environment,
    eventually,
    samples,
    service_fixture,
    shop_fixture,
    total,
)

__all__ = ["service_fixture", "shop_fixture"]

PAGE = (Path(__file__).parents[2] / "docs" / "observability.md").read_text()


def files_of(service: Service) -> list[Path]:
    """The directory into which its workers count."""
    parents = (Path(parent) for parent in ("/dev/shm", tempfile.gettempdir()))  # noqa: S108 - where gunicorn_conf says
    return [found for parent in parents for found in parent.glob(f"{processes.PREFIX}{service.process.pid}")]


def counted(service: Service, name: str, **labels: str) -> float:
    return total(service.scrape("METRICS_PORT").get(f"order_service_{name}", {}), **labels)


# --- gunicorn and its workers ----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_each_request_is_counted_once_whichever_worker_answers_it_and_the_scrape(shop: Any, service: Service) -> None:
    about = {"route": "/api/v1/orders/user/<user_id>", "method": "GET", "status": "200"}
    before = counted(service, "requests_total", **about)
    answers = at_once(40, lambda _: shop().get("orders/user/1").status_code)
    assert answers == [200] * 40
    assert [counted(service, "requests_total", **about) - before for _ in range(12)] == [40] * 12
    found = service.scrape("METRICS_PORT")
    seconds = {"route": about["route"], "method": "GET"}
    assert total(found["order_service_request_duration_seconds_count"], **seconds) == before + 40
    buckets = found["order_service_request_duration_seconds_bucket"]
    assert total(buckets, **seconds, le="+Inf") == before + 40
    assert 0 < total(found["order_service_request_duration_seconds_sum"], **seconds) < 60


@pytest.mark.slow
def test_a_worker_that_is_killed_loses_no_count_and_leaves_no_file_behind(shop: Any, service: Service) -> None:
    def slots() -> set[str]:
        """Whose files there are: each worker counts into those of its slot, however many had it before."""
        [directory] = files_of(service)
        return {file.stem.rpartition("_")[2] for file in directory.iterdir()}

    before = counted(service, "requests_total")
    for _ in range(3):
        killed = service.workers()[0]
        os.kill(killed, signal.SIGKILL)
        eventually(lambda killed=killed: len(service.workers()) == 2 and killed not in service.workers())
        eventually(lambda: requests.get(f"{service.root}/health", timeout=30).ok)
    after = counted(service, "requests_total")
    assert after >= before > 0
    assert counted(service, "requests_total", route="/health") >= 3
    assert slots() <= {"0", "1", "master"}


@pytest.mark.slow
def test_no_address_that_somebody_makes_up_is_a_label(shop: Any, service: Service) -> None:
    order_id = shop().place(TWO_TOWELS).json()["id"]
    client = shop()
    client.get(f"orders/{order_id}")
    client.get(f"{service.root}/static/orders/backoffice.css")
    before = len(service.scrape("METRICS_PORT")["order_service_requests_total"])
    for number in range(30):
        client.get(f"{service.root}/made-up-{number}")
        client.get(f"orders/made-up-{number}")
        client.get(f"{service.root}/static/made-up-{number}")
        client.request(f"MADEUP{number}", f"{service.root}/health")
    series = service.scrape("METRICS_PORT")["order_service_requests_total"]
    text = str(series)
    assert "made-up" not in text
    assert "MADEUP" not in text
    assert order_id not in text
    assert len(series) - before <= 4
    assert total(series, route="unmatched", status="404") >= 30
    assert total(series, method="OTHER", route="/health") == 30
    assert total(series, route="/api/v1/orders/<order_id>", method="GET", status="200") >= 1


@pytest.mark.slow
def test_orders_are_counted_by_transition_and_placements_by_how_they_ended(shop: Any, service: Service) -> None:
    def look() -> dict[str, float]:
        found = service.scrape("METRICS_PORT")
        transitions = found.get("order_service_order_transitions_total", {})
        placements = found.get("order_service_placements_total", {})
        counts = {name: total(transitions, transition=name, via="api") for name in ("place", "pay", "cancel")}
        outcomes = ("placed", "replayed", "price_changed", "unknown_product")
        return counts | {name: total(placements, outcome=name) for name in outcomes}

    before = look()
    first = shop().place(TWO_TOWELS, key="once").json()
    assert shop().place(TWO_TOWELS, key="once").status_code == 201
    assert shop().place((TWO_TOWELS[0], 1, "0.01")).status_code == 409
    assert shop().place(("f" * 24, 1, "1.00")).status_code == 400
    staff = shop(admin=True)
    assert staff.put(f"orders/{first['id']}/status", json={"status": "paid"}).status_code == 200
    assert shop().delete(f"orders/{first['id']}").status_code == 204
    assert staff.put(f"orders/{first['id']}/status", json={"status": "paid"}).status_code == 409
    more = {name: value - before[name] for name, value in look().items()}
    expected = {"place": 1, "pay": 1, "cancel": 1, "placed": 1, "replayed": 1}
    assert more == expected | {"price_changed": 1, "unknown_product": 1}


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (placement.InvalidOrder("no"), "invalid_order"),
        (PeerUnavailable("users", "down"), "peer_unavailable"),
        (DatabaseError(), "database_unavailable"),
        (LookupError(), "failed_here"),
    ],
)
def test_whatever_keeps_an_order_from_being_placed_has_a_word(error: Exception, word: str) -> None:
    assert placement._outcome_label(error) == word


@pytest.mark.slow
def test_peers_are_counted_by_call_and_outcome_with_their_time_and_retries(
    shop: Any, service: Service, sandbox: Sandbox
) -> None:
    def look(outcome: str) -> float:
        return counted(service, "peer_calls_total", peer="inventory", call="check", outcome=outcome)

    answered, failed = look("answered"), look("unavailable")
    retries = counted(service, "peer_retries_total", peer="inventory")
    assert shop().place(TWO_TOWELS).status_code == 201
    assert (look("answered"), look("unavailable")) == (answered + 1, failed)
    sandbox.control.fault("check", "status", status=500)
    outage(shop().place(TWO_TOWELS))
    assert (look("answered"), look("unavailable")) == (answered + 1, failed + 2)
    assert counted(service, "peer_retries_total", peer="inventory") == retries + 1
    assert counted(service, "peer_call_duration_seconds_count", peer="inventory", call="check") == answered + failed + 3


@pytest.mark.slow
def test_a_breaker_that_opens_is_seen_until_the_peer_answers_again(
    mongo_uri: str, sandbox: Sandbox, database: Documents, tmp_path: Path
) -> None:
    given = environment(mongo_uri, sandbox, BREAKER_THRESHOLD="2", BREAKER_RECOVERY="2")
    with Service(given, tmp_path / "web.log") as service:
        service.await_ready()
        client = ApiClient(service.root, "1")
        sandbox.control.fault("product", "status", status=500)
        left_alone = {"peer": "products", "call": "product", "outcome": "breaker_open"}
        eventually(lambda: outage(client.place(TWO_TOWELS)) and counted(service, "peer_calls_total", **left_alone))
        assert 1 <= counted(service, "peer_breakers_open") <= 2
        of_call = counted(service, "peer_breakers_open", peer="products", call="product")
        assert of_call == counted(service, "peer_breakers_open")
        eventually(lambda: "degraded" in requests.get(f"{service.root}/health/ready", timeout=60).text)
        sandbox.control.clear_faults()
        eventually(lambda: client.place(TWO_TOWELS).status_code == 201 and not counted(service, "peer_breakers_open"))
        client.close()
        [directory] = files_of(service)
        assert list(directory.iterdir())
    assert not directory.exists(), "what gunicorn has written is gone with it"


@pytest.mark.slow
def test_figures_are_for_who_has_the_token_and_nowhere_else(service: Service) -> None:
    root = f"http://127.0.0.1:{service.environment['METRICS_PORT']}"
    for headers in (
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": TOKEN},
        {"Authorization": "Bearer caf\xe9"},
    ):
        answer = requests.get(f"{root}/metrics", headers=headers, timeout=30)
        assert (answer.status_code, "order_service" in answer.text) == (401, False)
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert requests.get(f"{root}/", timeout=30).status_code == 404
    assert requests.post(f"{root}/metrics", timeout=30).status_code == 401
    answer = requests.get(f"{service.root}/metrics", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30)
    assert answer.status_code == 404


# --- the worker ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_worker_serves_its_own_figures_and_is_seen_by_all(
    mongo_uri: str, sandbox: Sandbox, database: Documents, tmp_path: Path, service: Service
) -> None:
    given = environment(mongo_uri, sandbox, WORKER_METRICS_PORT=str(free_port()))
    command = ["manage.py", "run_worker"]
    with Process(command, given, tmp_path / "worker.log") as worker:
        worker.await_line(lambda line: "Metrics at" in line["event"])
        found = eventually(lambda: _passes(worker))
        assert time.time() - found["order_service_worker_last_pass_timestamp_seconds"][()] < 20
        ready = requests.get(f"{service.root}/health/ready", timeout=60).json()
        assert ready["worker"]["status"] == "seen"
        with Process(command, given, tmp_path / "second.log") as second:
            told = second.await_line(lambda line: "no metrics" in line["event"])
            assert told["level"] == "warning"
            assert second.process.poll() is None, "it works all the same"
        assert worker.process.poll() is None


def _passes(worker: Process) -> Any:
    found = worker.scrape("WORKER_METRICS_PORT")
    return found if total(found["order_service_worker_passes_total"]) > 3 else None


# --- figures of the database -----------------------------------------------------------------------------------------


def read(figures: DatabaseFigures) -> dict[str, Any]:
    """What it shows now, without the service's prefix."""
    return {
        sample.name.removeprefix("order_service_"): sample.value
        for family in figures.collect()
        for sample in family.samples
        if not sample.labels
    }


def owed(number: int, *, since: timedelta, due: timedelta, state: str = "releasing") -> dict[str, Any]:
    now = datetime.now(UTC)
    moments = {"status_since": now - since, "stock_due_at": now - due}
    return document(number, status="cancelled", items=[line(state, call="release")], **moments)


def test_owed_and_unknown_stock_lag_and_runs_are_read_from_the_database(database: Documents) -> None:
    insert(
        database,
        owed(1, since=timedelta(hours=2), due=timedelta(seconds=-60)),
        owed(2, since=timedelta(minutes=1), due=timedelta(seconds=30)),
        document(3, status="cancelled", items=[line("unknown", call="release")]),
        document(4),
    )
    database["bulk_runs"].insert_many(
        [{"for_worker": worker, "state": state} for worker in (True, False) for state in ("running", "done", "paused")]
    )
    Heartbeat("tests").beat()
    figures = DatabaseFigures()
    found = read(figures)
    assert (found["database_up"], found["stock_owed_orders"], found["stock_unknown_orders"]) == (1, 2, 1)
    assert 7199 < found["stock_owed_oldest_seconds"] < 7260
    assert 29 < found["worker_lag_seconds"] < 90
    assert time.time() - found["worker_last_seen_timestamp_seconds"] < 10
    runs = {
        sample.labels["state"]: sample.value
        for family in figures.collect()
        for sample in family.samples
        if family.name == "order_service_bulk_runs"
    }
    assert runs == {"selecting": 0, "queued": 0, "running": 2, "paused": 2}


def test_a_shop_in_order_owes_nothing(database: Documents) -> None:
    insert(database, document(1))
    found = read(DatabaseFigures())
    assert (found["stock_owed_orders"], found["stock_owed_oldest_seconds"], found["worker_lag_seconds"]) == (0, 0, 0)
    assert "worker_last_seen_timestamp_seconds" not in found


def test_what_others_have_not_heard_is_read_from_the_database(database: Documents, settings: Settings) -> None:
    def look() -> tuple[dict[str, Any], dict[str, float]]:
        figures = DatabaseFigures()
        labelled = {
            sample.labels.get("follower") or sample.labels["state"]: sample.value
            for family in figures.collect()
            for sample in family.samples
            if family.name.endswith(("events_lag", "webhook_endpoints"))
        }
        return read(figures), labelled

    found, labelled = look()
    assert (found["events_told_total"], found["events_untold_oldest_seconds"]) == (0, 0)
    assert labelled == {"webhooks": 0, "on": 0, "failing": 0, "stopped": 0, "off": 0}

    insert(database, document(1, untold_at=datetime.now(UTC) - timedelta(seconds=90)))
    now = datetime.now(UTC)
    database["events"].insert_many([{"_id": cursor, "told_at": now} for cursor in range(11, 31)])
    endpoint = {"cursor": 25, "active": True, "failing_since": None, "stopped_because": ""}
    database["webhook_endpoints"].insert_many(
        [
            endpoint | {"url": "https://secret.example/token"},
            endpoint | {"cursor": 18, "failing_since": now},
            endpoint | {"cursor": 3, "active": False},
            endpoint | {"cursor": 4, "active": False, "stopped_because": "It answered 410 Gone."},
        ]
    )
    database["event_cursors"].insert_one({"_id": "amqp", "cursor": 10})
    found, labelled = look()
    assert found["events_told_total"] == 30
    assert 89 < found["events_untold_oldest_seconds"] < 120
    assert labelled == {"webhooks": 12, "on": 1, "failing": 1, "stopped": 1, "off": 1}, "no broker is configured"
    settings.EVENTS_AMQP_URL = "amqp://nowhere.example"
    assert look()[1]["broker"] == 20


def test_what_is_due_later_is_no_lag(database: Documents) -> None:
    insert(database, owed(1, since=timedelta(), due=timedelta(hours=-1)))
    assert read(DatabaseFigures())["worker_lag_seconds"] == 0


def test_counts_end_at_their_limit_and_every_read_has_an_index(database: Documents) -> None:
    insert(database, *(document(number) for number in range(1, 300)))
    insert(database, *(owed(number, since=timedelta(1), due=timedelta(1)) for number in range(300, 340)))
    insert(
        database,
        *(document(number, status="cancelled", items=[line("unknown", call="release")]) for number in range(340, 380)),
    )
    database["bulk_runs"].insert_many([{"for_worker": True, "state": "done"} for _ in range(100)])
    database["orders"].insert_many([{"status": "pending"} for _ in range(20)])
    Heartbeat("tests").beat()
    with profiled(database) as done:
        found = reads.read(limit=10, broker=True)
    assert (found.owed, found.unknown, found.foreign) == (10, 10, 10)
    assert len(done) == 12
    for operation in done:
        assert "COLLSCAN" not in operation["planSummary"], operation
        assert operation.get("docsExamined", 0) <= 10
        assert operation["keysExamined"] <= 20


def test_many_scrapes_read_the_database_once(database: Documents) -> None:
    figures = DatabaseFigures()
    with profiled(database) as done:
        at_once(8, lambda _: read(figures))
    assert len(done) <= 12


def test_without_mongodb_a_scrape_has_the_rest_in_bounded_time(database: Documents, settings: Settings) -> None:
    metrics.PLACEMENTS.labels("placed").inc()
    server = Server("127.0.0.1", 0).start("", DatabaseFigures())
    with database_down():
        began = time.monotonic()
        found = samples(requests.get(f"http://127.0.0.1:{server.server_address[1]}/metrics", timeout=30).text)
        assert time.monotonic() - began < 10, "no operation's whole time limit"
    server.shutdown()
    server.server_close()
    assert total(found["order_service_database_up"]) == 0
    assert total(found["order_service_placements_total"], outcome="placed") >= 1
    assert "order_service_stock_owed_orders" not in found


def test_a_scrape_that_fails_says_so_and_the_next_one_succeeds(caplog: pytest.LogCaptureFixture) -> None:
    class FailsOnce(Collector):
        failed = False

        def collect(self) -> Iterator[Metric]:
            if not self.failed:
                self.failed = True
                raise LookupError("once")
            yield GaugeMetricFamily("x", "Made up.", value=1)

    server = Server("127.0.0.1", 0).start("", FailsOnce())
    url = f"http://127.0.0.1:{server.server_address[1]}/metrics"
    assert requests.get(url, timeout=30).status_code == 500
    assert "LookupError: once" in caplog.text
    assert "\nx 1.0\n" in requests.get(url, timeout=30).text
    server.shutdown()
    server.server_close()


def test_a_heartbeat_that_cannot_be_written_stops_no_worker(database: Documents) -> None:
    heart = Heartbeat("tests")
    at_once(1, lambda _: _beat_without_mongodb(heart))
    assert reads.worker_seen() is None
    heart.beat()
    assert reads.worker_seen() is None, "not again so soon"


def _beat_without_mongodb(heart: Heartbeat) -> None:
    with database_down():
        heart.beat()


def test_one_pass_by_hand_is_no_worker_at_work(sandbox: Sandbox) -> None:
    call_command("run_worker", once=True)
    assert reads.worker_seen() is None


# --- the page --------------------------------------------------------------------------------------------------------


def exported() -> dict[str, tuple[str, set[str]]]:
    """Every metric by its name in Prometheus: its type and labels."""
    found = {}
    for metric in vars(metrics).values():
        if isinstance(metric, Counter | Gauge | Histogram):
            suffix = "_total" if metric._type == "counter" else ""
            found[metric._name + suffix] = (metric._type, set(metric._labelnames))
    known = reads.ServiceFigures(
        0, 0, 0, 0, 0, 0, {"running": 0}, datetime.now(UTC), 0, 0, {"on": 0}, {"webhooks": 0, "broker": 0}
    )
    figures = DatabaseFigures()
    figures._known, figures._read_at = known, time.monotonic()
    for family in figures.collect():
        suffix = "_total" if family.type == "counter" else ""
        found[family.name + suffix] = (family.type, {name for sample in family.samples for name in sample.labels})
    return found


def test_the_page_names_every_metric_with_its_type_and_labels() -> None:
    rows = re.findall(r"(?m)^\| `(order_service_\w+)` \| (\w+) \| ([^|]*)\|", PAGE)
    told = {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}
    assert told == exported()


def test_every_alert_asks_for_metrics_that_there_are() -> None:
    [rules] = re.findall(r"(?s)```yaml\n(groups:.*?)```", PAGE)
    names = set(exported())
    parts = {f"{name}{suffix}" for name in names for suffix in ("_bucket", "_count", "_sum")}
    alerts = [rule for group in yaml.safe_load(rules)["groups"] for rule in group["rules"]]
    assert len(alerts) >= 6
    for alert in alerts:
        asked = set(re.findall(r"\border_service_\w+", alert["expr"]))
        assert asked, alert
        assert asked <= names | parts, alert
        assert alert["annotations"]["summary"]
