"""What is logged: one JSON object a line, one line a request, and nothing that must not be read there."""

import io
import json
import logging
import os
import re
import socket
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from django.utils import timezone

from devtools.localhost import ROOT
from integrations.sandbox import Sandbox
from observability import context
from observability.logs import JsonFormatter, TextFormatter, configuration
from orders.services import bulk
from orders.services.access import customer, system
from orders.services.audit import Act
from orders.services.search_terms import pieces
from orders.services.stock.worker import settle_due
from orders.storage.order_query import OrderQuery
from tests.api_client import order_body, token
from tests.functional.admin_helpers import placed
from tests.functional.helpers import (
    ONE_SKILLET,
    TWO_TOWELS,
    Documents,
    at_once,
    dead_url,
    only_order,
    outage,
    problem,
    stored,
)
from tests.functional.observed_service import Process, Service, environment, eventually, service_fixture, shop_fixture
from tests.unit.test_settings import PRODUCTION

__all__ = ["service_fixture", "shop_fixture"]

MUST_HAVE = {"time", "level", "logger", "event", "worker"}
SECRET_WORDS = "Elm-Street-90210"


@pytest.fixture
def written() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """What this process logs, as production would write it."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    logging.getLogger().addHandler(handler)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logging.getLogger().removeHandler(handler)


def new_id() -> str:
    return uuid.uuid4().hex


# --- requests --------------------------------------------------------------------------------------------------------


def test_every_line_of_gunicorn_and_its_workers_is_an_object_with_the_same_fields(service: Service) -> None:
    assert len(service.lines()) > 3
    for line in service.lines():
        assert line.keys() >= MUST_HAVE, line
        assert abs(datetime.fromisoformat(line["time"]) - datetime.now(UTC)) < timedelta(minutes=10)
    assert {line["logger"] for line in service.lines()} >= {"gunicorn.error", "orders.requests"}
    assert {line["worker"] for line in service.lines() if line["logger"] == "orders.requests"} <= {"web-0", "web-1"}


def test_a_placement_has_one_line_that_says_who_what_and_how_long(shop: Any, service: Service) -> None:
    known = new_id()
    answer = shop().post("orders/", json=order_body("1", TWO_TOWELS), headers={"X-Request-ID": known})
    assert answer.status_code == 201, answer.text
    [line] = service.requests(known)
    assert line["event"] == "request"
    assert (line["method"], line["route"], line["status"]) == ("POST", "/api/v1/orders", 201)
    assert (line["user"], line["order_id"]) == ("customer:1", answer.json()["id"])
    assert line["duration_ms"] > 0
    assert line["peer_calls"] >= 4, "user, product and stock are asked, and then reserved"
    assert line["peer_ms"] > 0
    assert re.fullmatch("web-[01]", line["worker"])


def test_many_requests_at_once_over_two_workers_never_mix_up_what_they_are_about(shop: Any, service: Service) -> None:
    ids = {user: shop(user).place(TWO_TOWELS).json()["id"] for user in ("1", "2")}

    def ask(number: int) -> tuple[str, str, str]:
        user, known = ("1", "2")[number % 2], new_id()
        answer = shop(user).get(f"orders/{ids[user]}", headers={"X-Request-ID": known})
        assert (answer.status_code, answer.headers["X-Request-ID"]) == (200, known)
        anonymous = requests.get(f"{service.root}/health", headers={"X-Request-ID": f"{known}-n"}, timeout=60)
        assert anonymous.status_code == 200
        return known, f"customer:{user}", ids[user]

    asked: list[tuple[str, str, str]] = []

    def both_workers_had_some() -> bool:
        asked.extend(at_once(60, ask))
        return len({service.requests(known)[0]["worker"] for known, *_ in asked}) == 2

    eventually(both_workers_had_some)
    for known, user, order_id in asked:
        [line] = service.requests(known)
        assert (line["user"], line["order_id"]) == (user, order_id)
        assert "peer_calls" not in line
        [line] = service.requests(f"{known}-n")
        assert "user" not in line
        assert "order_id" not in line


def test_a_request_id_goes_in_out_to_the_peers_and_into_the_history(shop: Any, sandbox: Sandbox) -> None:
    known = "shop/7:basket.12+a=b-c_d"
    client = shop()
    answer = client.post("orders/", json=order_body("1", TWO_TOWELS), headers={"X-Request-ID": known})
    assert (answer.status_code, answer.headers["X-Request-ID"]) == (201, known)
    for operation in ("verify", "product", "check", "reserve"):
        assert {call["request_id"] for call in sandbox.control.calls(operation)} == {known}, operation
    history = client.get(f"orders/{answer.json()['id']}/history").json()
    assert {entry["request_id"] for entry in history} == {known}


@pytest.mark.parametrize("given", ["", "a" * 65, "two words", "caf\xe9", '{"a":1}', "a\tb"])
def test_a_request_id_that_is_not_short_and_plain_is_replaced(service: Service, given: str) -> None:
    headers = {"X-Request-ID": given.encode("latin-1")}
    answer = requests.get(f"{service.root}/health", headers=headers, timeout=60)
    made = answer.headers["X-Request-ID"]
    assert re.fullmatch("[0-9a-f]{32}", made)
    assert len(service.requests(made)) == 1


@pytest.mark.parametrize("flags", ["01", "xx"])
def test_a_trace_stands_in_every_line_if_it_is_one(shop: Any, service: Service, sandbox: Sandbox, flags: str) -> None:
    known, trace = new_id(), f"00-{uuid.uuid4().hex}-00f067aa0ba902b7-{flags}"
    sandbox.control.fault("check", "status", status=500)
    headers = {"X-Request-ID": known, "traceparent": trace}
    outage(shop().post("orders/", json=order_body("1", TWO_TOWELS), headers=headers))
    lines = [line for line in service.lines() if line.get("request_id") == known]
    assert {line["logger"] for line in lines} >= {"integrations.attempts", "orders.requests"}
    assert {line.get("traceparent") for line in lines} == {trace if flags == "01" else None}


def test_an_address_of_nothing_is_logged_as_unmatched(service: Service) -> None:
    known = new_id()
    address = f"{service.root}/nowhere/{'x' * 500}?q=1"
    assert requests.get(address, headers={"X-Request-ID": known}, timeout=60).status_code == 404
    [line] = service.requests(known)
    assert (line["route"], line["status"]) == ("unmatched", 404)
    assert line["path"].startswith("/nowhere/xxx")
    assert len(line["path"]) == 200


def test_a_fault_of_ours_is_logged_with_its_trace_and_the_request(
    shop: Any, service: Service, database: Documents
) -> None:
    broken = shop().place(TWO_TOWELS).json()["id"]
    database["orders"].update_one({"_id": only_order(database)["_id"]}, {"$unset": {"items": 1}})
    known = new_id()
    answer = shop().get(f"orders/{broken}", headers={"X-Request-ID": known})
    problem(answer, 500, "server_error")
    assert "Traceback" not in answer.text
    [line] = service.requests(known)
    assert (line["status"], line["order_id"]) == (500, broken)
    faults = [line for line in service.lines() if line.get("request_id") == known and "exception" in line]
    assert len(faults) == 1
    assert faults[0]["level"] == "error"
    assert faults[0]["exception"].startswith("Traceback")
    assert faults[0]["order_id"] == broken


def test_an_outage_of_a_peer_is_logged_from_its_thread_with_the_request_and_the_order(
    shop: Any, service: Service, sandbox: Sandbox
) -> None:
    known = new_id()
    sandbox.control.fault("check", "status", status=500)
    outage(shop().post("orders/", json=order_body("1", TWO_TOWELS, ONE_SKILLET), headers={"X-Request-ID": known}))
    told = [line for line in service.lines() if line.get("request_id") == known and line["level"] == "warning"]
    failed = [line for line in told if line.get("peer") == "inventory"]
    assert failed
    assert {(line["operation"], line["user"]) for line in failed} == {("check", "customer:1")}
    assert all(re.fullmatch("[0-9a-f]{24}", line["order_id"]) for line in failed)
    [line] = service.requests(known)
    assert line["status"] == 503
    assert not [line for line in service.lines() if line.get("request_id") == known and "exception" in line]


def test_no_line_holds_a_token_an_address_a_body_or_a_parameter(shop: Any, service: Service) -> None:
    """At DEBUG, where libraries say the most."""
    client = shop("1")
    street = {"line1": SECRET_WORDS, "line2": "", "city": SECRET_WORDS, "state": "", "postal_code": "1", "country": "X"}
    answer = client.post("orders/", json=order_body("1", TWO_TOWELS) | {"shipping_address": street})
    assert answer.status_code == 201
    client.put(f"orders/{answer.json()['id']}/status", json={"status": SECRET_WORDS})
    client.post("orders/", json={"items": SECRET_WORDS})
    client.post("orders/", data=SECRET_WORDS.encode())
    client.get("orders/", params={"start_date": SECRET_WORDS})
    assert shop("1", admin=True).get("orders/", params={"q": SECRET_WORDS}).json()
    assert client.get("orders/", params={"q": SECRET_WORDS}).status_code == 403
    requests.get(f"{service.root}/admin/orders/order/", params={"q": SECRET_WORDS}, timeout=60)
    other = token("1", key="another-key-0123456789-0123456789-0123456789")
    assert shop("1", token=other).get("orders/").status_code == 401
    requests.get(f"{service.root}/admin/login/", params={"next": SECRET_WORDS}, timeout=60)
    requests.post(f"{service.root}/admin/login/", {"username": "a", "password": SECRET_WORDS}, timeout=60)
    last = new_id()
    client.get("orders/", headers={"X-Request-ID": last})
    assert service.requests(last)
    log = service.log.read_text()
    assert SECRET_WORDS not in log
    assert "".join(pieces(SECRET_WORDS)) not in log, "as it is looked for"
    for bearer in (client.headers["Authorization"].removeprefix("Bearer "), other):
        assert bearer not in log
        assert bearer.rpartition(".")[2] not in log, "its signature"


# --- strangers -------------------------------------------------------------------------------------------------------

HOST = "Host: 127.0.0.1"
FOREIGN = {
    "HEAD of a list": ("HEAD /api/v1/orders/ HTTP/1.1", HOST),
    "HEAD of an answer": ("HEAD /health HTTP/1.1", HOST),
    "HEAD of a page": ("HEAD /admin/ HTTP/1.1", HOST),
    "HEAD of nothing": ("HEAD /nowhere HTTP/1.1", HOST),
    "HEAD of no file": ("HEAD /static/nothing.css HTTP/1.1", HOST),
    "another's host": ("GET /health HTTP/1.1", "Host: evil.example"),
    "another's host, in the API": ("GET /api/v1/orders/ HTTP/1.1", "Host: evil.example"),
    "another's host, at a page": ("GET /admin/ HTTP/1.1", "Host: evil.example"),
    "a host that is none": ("GET /admin/ HTTP/1.1", "Host: ev il_"),
    "an empty host": ("GET /admin/ HTTP/1.1", "Host: "),
    "no such path": ("GET /wp-login.php HTTP/1.1", HOST),
    "a path that is no text": ("GET /%ff%00 HTTP/1.1", HOST),
    "a path out of the files": ("GET /static/../../etc/passwd HTTP/1.1", HOST),
    "no such method": ("BREW /health HTTP/1.1", HOST),
    "another method": ("PROPFIND /api/v1/orders/ HTTP/1.1", HOST),
    "a proxy's method": ("CONNECT evil.example:443 HTTP/1.1", HOST),
    "no token": ("GET /api/v1/orders/ HTTP/1.1", HOST, "Authorization: Bearer x"),
    "a form without its token": ("POST /admin/login/ HTTP/1.1", HOST, "Content-Length: 0"),
    "a form of another site": (
        "POST /admin/login/ HTTP/1.1",
        HOST,
        "Origin: https://evil.example",
        "Content-Length: 0",
    ),
    "a session that is none": ("GET /admin/ HTTP/1.1", HOST, "Cookie: __Host-sessionid=x\x80; sessionid=y"),
}
UNREADABLE = {
    "TLS": ("\x16\x03\x01 hello",),
    "no such version": ("GET / HTTP/9.9", HOST),
    "a header too large": ("GET / HTTP/1.1", HOST, "X: " + "a" * 20_000),
    "a header that is none": ("GET / HTTP/1.1", HOST, "X Y: z"),
    "a length that is none": ("POST / HTTP/1.1", HOST, "Content-Length: abc"),
    "no such coding": ("POST / HTTP/1.1", HOST, "Transfer-Encoding: x"),
}


def send(service: Service, *lines: str) -> bytes:
    """Whatever is answered to these lines."""
    with socket.create_connection(("127.0.0.1", int(service.environment["PORT"])), 20) as peer:
        peer.settimeout(20)
        peer.sendall("".join(f"{line}\r\n" for line in (*lines, "Connection: close", "")).encode("latin-1"))
        answer = b""
        while part := peer.recv(65536):
            answer += part
    return answer


@pytest.mark.parametrize("kind", FOREIGN)
def test_what_a_stranger_sends_wakes_nobody(service: Service, kind: str) -> None:
    known, before = new_id(), len(service.lines())
    answer = send(service, *FOREIGN[kind], f"X-Request-ID: {known}")
    assert re.match(rb"HTTP/1\.1 (200|[34]\d\d) ", answer), answer
    assert len(service.requests(known)) == 1
    lines = service.lines()[before:]
    assert not [line for line in lines if line["level"] not in ("info", "debug") or "exception" in line]
    told = [line for line in lines if line["logger"].startswith("django.security.")]
    assert {(line["client"], line["request_id"]) for line in told} <= {("127.0.0.1", known)}
    assert bool(told) == ("host" in kind or "form" in kind or kind == "no such method")


@pytest.mark.parametrize("kind", UNREADABLE)
def test_what_cannot_be_read_as_a_request_wakes_nobody_either(service: Service, kind: str) -> None:
    before = len(service.lines())
    assert re.match(rb"HTTP/1\.1 [45]\d\d ", send(service, *UNREADABLE[kind]))
    eventually(lambda: len(service.lines()) > before)
    [line] = service.lines()[before:]
    assert (line["level"], line["logger"]) == ("info", "gunicorn.error")
    assert line["event"].startswith("Invalid request from ip=127.0.0.1")


@pytest.mark.parametrize("path", ["health", "nowhere", "api/v1/orders/", "api/v1/openapi.json"])
def test_a_head_is_answered_like_a_get_but_for_the_body(service: Service, path: str) -> None:
    head, get = (ask(f"{service.root}/{path}", timeout=60) for ask in (requests.head, requests.get))
    assert (head.status_code, head.content) == (get.status_code, b"")
    assert get.content
    assert int(head.headers["Content-Length"]) == len(get.content)
    assert head.headers["Content-Type"] == get.headers["Content-Type"]


@pytest.mark.slow
def test_above_info_nothing_is_written_of_strangers(tmp_path: Path) -> None:
    program = (
        "import django; django.setup(); from django.test import Client; "
        "print(Client(SERVER_NAME='evil.example').get('/health').status_code)"
    )
    settings = {
        "DJANGO_SETTINGS_MODULE": "orders_project.settings.production",
        "LOG_LEVEL": "WARNING",
        **PRODUCTION,
        "SECURE_SSL_REDIRECT": "false",
    }
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        env=os.environ | settings, cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("400\n", "")


# --- workers, runs and commands --------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_worker_says_which_order_a_line_is_about_and_gives_each_a_request_id(
    mongo_uri: str, sandbox: Sandbox, database: Documents, tmp_path: Path
) -> None:
    order = placed("pay")
    database["orders"].update_one(
        {"_id": order["_id"]},
        {
            "$set": {
                "status": "cancelled",
                "stock_due_at": datetime(2020, 1, 1, tzinfo=UTC),
                "items.0.stock": {"state": "releasing", "call": "release", "attempts": 1, "error": ""},
            }
        },
    )
    down = environment(mongo_uri, sandbox, INVENTORY_SERVICE_URL=dead_url())
    command = ["manage.py", "run_worker"]
    with Process(command, down, tmp_path / "worker.log") as worker:
        line = worker.await_line(lambda line: line.get("peer") == "inventory")
    assert line["order_id"] == str(order["_id"])
    assert re.fullmatch("[0-9a-f]{32}", line["request_id"])
    assert line["worker"].startswith("worker-")
    with Process(command, environment(mongo_uri, sandbox), tmp_path / "again.log") as worker:
        eventually(lambda: stored(database, str(order["_id"]))["items"][0]["stock"]["state"] == "released")
    assert all(line.keys() >= MUST_HAVE for line in worker.lines())
    [sent] = {call["request_id"] for call in sandbox.control.calls("release")}
    assert sent not in ("", None, line["request_id"])
    assert stored(database, str(order["_id"]))["history"][-1]["request_id"] == sent


def test_a_pass_of_a_worker_forgets_one_order_before_the_next(
    sandbox: Sandbox, database: Documents, written: Callable[[], list[dict[str, Any]]]
) -> None:
    broken = [{"_id": placed("pay")["_id"]} for _ in range(3)]
    for one in broken:
        due = {"stock_due_at": datetime(2020, 1, 1, tzinfo=UTC), "items": "none"}
        database["orders"].update_one(one, {"$set": due})
    assert settle_due(actor=system("tests", via="worker")).failed == 3
    faults = [line for line in written() if "exception" in line]
    assert {line["order_id"] for line in faults} == {str(one["_id"]) for one in broken}
    assert len({line["request_id"] for line in faults}) == 3
    assert (context.fields(), context.request_id.get()) == ({}, None)


def test_a_run_says_so_in_every_line_also_from_its_threads(
    sandbox: Sandbox, database: Documents, written: Callable[[], list[dict[str, Any]]]
) -> None:
    keys = [placed("pay")["_id"] for _ in range(3)]
    sandbox.control.fault("release", "status", status=500)
    act = Act(system("tests", via="command"), timezone.now(), "as agreed")
    run = bulk.start_run(selection=OrderQuery(keys=keys), transition="cancel", act=act, for_worker=False)
    bulk.execute_run(run.pk)
    failed = [line for line in written() if line.get("peer") == "inventory"]
    assert len(failed) >= 3
    assert {(line["run_id"], line["request_id"]) for line in failed} == {(str(run.pk), str(run.pk))}
    assert {call["request_id"] for call in sandbox.control.calls("release")} == {str(run.pk)}
    assert context.fields() == {}


def test_nothing_is_left_of_a_piece_of_work_that_failed() -> None:
    def fail() -> None:
        with context.work("one", order_id="1"):
            context.bind(user="customer:1")
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    assert (context.fields(), context.request_id.get()) == ({}, None)
    context.bind(user="nobody")
    assert context.fields() == {}


def test_a_piece_of_work_within_another_adds_to_what_that_says_and_leaves_it_as_it_was() -> None:
    with context.work("outer", run_id="1") as outer:
        with context.work(order_id="2") as inner:
            assert context.fields() == {"run_id": "1", "order_id": "2"}
        assert (outer, context.fields(), context.request_id.get()) == ("outer", {"run_id": "1"}, "outer")
    assert re.fullmatch("[0-9a-f]{32}", inner)


# --- formats ---------------------------------------------------------------------------------------------------------


def record(message: str, *arguments: object, **extra: object) -> logging.LogRecord:
    return logging.getLogger("tests").makeRecord("tests", logging.INFO, "", 0, message, arguments, None, extra=extra)


def test_text_is_one_line_whatever_somebody_sent() -> None:
    with context.work("r1", user="customer:1"):
        line = TextFormatter().format(record("path %s", "/a\n2026 INFO forged\x1b[2J\u202e", status=404))
    assert re.fullmatch(
        r"\S+ \S+ INFO tests: path /a\\n2026 INFO forged\\x1b\[2J\\u202e  request_id=r1 user=customer:1 status=404",
        line,
    )


@pytest.mark.parametrize("odd", ["\ud800", "a\nb", "\x00", "é"])
def test_json_stays_json_whatever_somebody_sent(odd: str) -> None:
    line = JsonFormatter().format(record("path %s", odd, path=odd, size=2**70))
    assert "\n" not in line
    assert json.loads(line)["event"].startswith("path ")


def test_only_plain_and_short_extras_get_in() -> None:
    line = json.loads(JsonFormatter().format(record("x", request=object(), body={"a": 1}, word="w" * 5000, ok=True)))
    assert line.keys() == {"time", "level", "logger", "event", "worker", "word", "ok"}
    assert len(line["word"]) == 2000


@pytest.mark.parametrize("name", ["pymongo", "pymongo.command", "urllib3.connectionpool", "django.db.backends"])
def test_what_would_log_documents_and_addresses_never_logs_at_debug(name: str) -> None:
    levels = configuration("json", "DEBUG", client_of="builtins.str")["loggers"]
    assert next(options["level"] for known, options in levels.items() if name.startswith(known)) == "INFO"


def test_a_customer_is_named_in_lines_by_the_subject_of_the_token_alone() -> None:
    assert customer("7").label == "customer:7"
