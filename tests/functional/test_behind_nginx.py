"""The service behind nginx with the project's own file: clients that are slow, silent or lie about their address."""

import json
import os
import re
import select
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any, Self

import pytest
import requests
from bson import ObjectId

from tests.api_client import order_body, token
from tests.functional.nginx import Nginx
from tests.functional.serving_stage import PRICE, PRODUCT, Client, Clients, ServingStage
from tests.proof.chaos_stage import SECRET
from tests.raw_server import Act, RawServer, abort, answer, closed_port, cut, deaf_server, stall

pytestmark = [pytest.mark.slow, pytest.mark.no_cover, pytest.mark.timeout(300)]  # on a machine that has a lot to do
SLOW, DEAF = 50, 6
"""Slow clients, and those that do not read: more than the service has threads."""
THREADS = {"WEB_CONCURRENCY": "2", "WEB_THREADS": "2"}
REFUSED_TOKENS = 5
AS_IN_COMPOSE = {"TRUSTED_PROXIES": "1", "BEHIND_TLS_PROXY": "false", "SECURE_COOKIES": "false"}
SHORT = {"client_header_timeout": "2s", "client_body_timeout": "2s", "send_timeout": "15s"}
"""The last is longer than anybody is to wait for clients that do not read."""
MOMENT = 5.0
"""Seconds within which whoever is not kept waiting is answered, on a machine that has a lot to do."""
LINES = 600
"""Of an order: a hundred such are more than the kernel keeps for a client that does not read."""
MEGABYTE = 1024 * 1024
Headers = dict[str, str]


@pytest.fixture(scope="module")
def stage(mongo_uri: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServingStage]:
    with ServingStage(mongo_uri, tmp_path_factory.mktemp("behind")) as stage:
        stage.serve(**THREADS, **AS_IN_COMPOSE, RATE_LIMIT_REFUSED_TOKENS=str(REFUSED_TOKENS))
        yield stage


@pytest.fixture(scope="module")
def nginx(stage: ServingStage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    with Nginx(tmp_path_factory.mktemp("nginx"), stage.root.removeprefix("http://"), **SHORT) as nginx:
        yield nginx


@pytest.fixture(scope="module")
def order(stage: ServingStage) -> str:
    """The id of an order of many lines, which has a page full of its like beside it."""
    with closing(Client(stage.root, kept=False)) as client:
        status, placed = client.place("many-lines")
    assert status == 201
    orders = stage.orders["orders"]
    made = orders.find_one({"_id": ObjectId(placed["id"])})
    assert made is not None
    made["items"] *= LINES
    orders.replace_one({"_id": made["_id"]}, made)
    orders.insert_many([made | {"_id": ObjectId()} for _ in range(100)])
    return str(placed["id"])


def bearer(*, admin: bool = False) -> Headers:
    named = token("staff", key=SECRET, role="admin") if admin else token("1", key=SECRET)
    return {"Authorization": f"Bearer {named}"}


def ask(
    nginx: Nginx, method: str, path: str, headers: Headers | None = None, body: Any = None, **options: Any
) -> requests.Response:
    """Ask on a connection of its own; nothing of `requests` asks for compression, or for the connection to be kept."""
    plain = {"Accept-Encoding": "identity", "Connection": "close"}
    with requests.Session() as session:
        session.trust_env = False
        headers = plain | (headers or {})
        return session.request(method, nginx.root + path, headers=headers, data=body, timeout=30, **options)


def problem(found: requests.Response, status: int, code: str) -> Any:
    """Check that it is a problem document, and return its `detail`."""
    assert found.status_code == status, found.text
    assert found.headers["Content-Type"] == "application/problem+json"
    document = found.json()
    assert (document["status"], document["code"], document["type"]) == (status, code, f"/api/v1/problems/{code}")
    assert document["title"]
    return document["detail"]


def placement() -> bytes:
    return json.dumps(order_body("1", (PRODUCT, 1, PRICE))).encode()


# --- slow clients ----------------------------------------------------------------------------------------------------


def head(method: str, target: str, headers: Headers) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "\r\n"]
    return "\r\n".join(lines).encode()


class Crowd:
    """Connections that all send something, and then one byte now and then until they fall silent."""

    def __init__(self, root: str, first: bytes, then: bytes = b"", *, number: int = SLOW) -> None:
        self._port, self.first, self._then = int(root.rpartition(":")[2]), first, then
        self._number = number
        self._silent = threading.Event()
        self._thread = threading.Thread(target=self._dribble)
        self._socks: list[socket.socket] = []

    def __enter__(self) -> Self:
        for _ in range(self._number):
            sock = socket.socket()
            self._socks.append(sock)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.settimeout(4 * MOMENT)
            sock.connect(("127.0.0.1", self._port))
            sock.sendall(self.first)
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.fall_silent()
        for sock in self._socks:
            sock.close()

    def fall_silent(self) -> None:
        self._silent.set()
        self._thread.join()

    def received(self) -> list[bytes]:
        """What each gets until the other side closes its connection."""
        return [_received(sock) for sock in self._socks]

    def await_answer(self) -> None:
        """Wait, without reading, until an answer begins to come."""
        assert select.select(self._socks, [], [], 2 * MOMENT)[0], "no thread is free for it"

    def await_hang_up(self) -> None:
        """Wait, without reading, until the other side has closed all of the connections."""
        until = time.monotonic() + 4 * MOMENT
        for sock in self._socks:
            poller = select.poll()
            poller.register(sock, select.POLLRDHUP)
            assert poller.poll(max(0, until - time.monotonic()) * 1000), "it is still open"

    def _dribble(self) -> None:
        while not self._silent.wait(0.2):
            for sock in self._socks:
                with suppress(OSError):
                    sock.send(self._then)


def _received(sock: socket.socket) -> bytes:
    found = b""
    with suppress(ConnectionError):
        while chunk := sock.recv(65536):
            found += chunk
    return found


def slow_heads(root: str) -> Crowd:
    return Crowd(root, head("GET", "/api/v1/orders/", {"Host": "127.0.0.1"})[:-2] + b"X: ", b"x")


def slow_bodies(root: str) -> Crowd:
    headers = {"Host": "127.0.0.1", "Content-Type": "application/json", "Content-Length": "500"}
    return Crowd(root, head("POST", "/api/v1/orders/", headers | bearer()) + b"{", b" ")


def deaf(root: str, *, number: int = DEAF) -> Crowd:
    """Clients who ask for a lot and read nothing of it: fewer, but more than the service has threads."""
    asked = head("GET", "/api/v1/orders/?limit=100", {"Host": "127.0.0.1", "Connection": "close"} | bearer(admin=True))
    return Crowd(root, asked, number=number)


def wait_of_another(root: str, timeout: float) -> float:
    """How many seconds another client waits for an answer. :raises TimeoutError: if it is longer than that."""
    began = time.monotonic()
    with closing(HTTPConnection(root.removeprefix("http://"), timeout=timeout)) as connection:
        connection.request("GET", "/api/v1/orders/user/1?limit=5", headers={"Host": "127.0.0.1"} | bearer())
        found = connection.getresponse()
        found.read()
    assert found.status == 200
    return time.monotonic() - began


def waits_in_vain(root: str) -> bool:
    time.sleep(0.2)
    try:
        wait_of_another(root, 2)
    except TimeoutError:
        return True
    return False


def longest_wait(nginx: Nginx) -> float:
    time.sleep(0.5)
    return max(wait_of_another(nginx.root, 4 * MOMENT) for _ in range(20))


@pytest.mark.parametrize("crowd", [slow_heads, slow_bodies, deaf])
def test_without_nginx_slow_clients_keep_everybody_waiting(
    stage: ServingStage, order: str, crowd: Callable[[str], Crowd]
) -> None:
    with crowd(stage.root):
        assert any(waits_in_vain(stage.root) for _ in range(50)), "as soon as they have taken all threads"
    assert wait_of_another(stage.root, 4 * MOMENT), "they have gone away"


def test_slow_heads_keep_nobody_waiting_and_are_given_up(nginx: Nginx) -> None:
    with slow_heads(nginx.root) as slow:
        assert longest_wait(nginx) < MOMENT
        assert set(slow.received()) == {b""}, "closed while they were still at it"


def test_slow_bodies_keep_nobody_waiting_and_place_nothing(stage: ServingStage, nginx: Nginx) -> None:
    before = stage.orders["orders"].count_documents({})
    with slow_bodies(nginx.root) as slow:
        assert longest_wait(nginx) < MOMENT
        slow.fall_silent()
        assert set(slow.received()) == {b""}
    assert stage.orders["orders"].count_documents({}) == before
    log = nginx.log.read_text()
    assert log.count('"request":"POST /api/v1/orders/ HTTP/1.1","status":408') == SLOW


def test_clients_that_do_not_read_keep_nobody_waiting(nginx: Nginx, order: str) -> None:
    with ExitStack() as stack:
        for _ in range(DEAF):  # one by one: such an answer takes long to make
            stack.enter_context(deaf(nginx.root, number=1)).await_answer()
        assert longest_wait(nginx) < MOMENT


def test_an_answer_is_taken_from_the_service_at_once_and_its_client_given_up_if_it_reads_nothing(
    tmp_path: Path,
) -> None:
    taken = threading.Event()

    def answers_at_length(connection: socket.socket) -> bool:
        answer(200, b"x" * 8 * MEGABYTE)(connection)
        taken.set()
        return True

    with (
        RawServer(answers_at_length) as service,
        nginx_before(service.url, tmp_path) as nginx,
        Crowd(nginx.root, head("GET", "/", {"Host": "a"}), number=1) as crowd,
    ):
        assert taken.wait(MOMENT), "it waits for the client"
        crowd.await_hang_up()


def test_a_client_that_reads_slowly_gets_its_whole_answer(nginx: Nginx, order: str) -> None:
    whole = ask(nginx, "GET", "/api/v1/orders/?limit=100", bearer(admin=True)).content
    with closing(socket.create_connection(("127.0.0.1", nginx.port), timeout=4 * MOMENT)) as sock:
        sock.sendall(deaf(nginx.root).first)
        received = b""
        while chunk := sock.recv(len(whole) // 8):
            received += chunk
            time.sleep(0.05)
    assert received.partition(b"\r\n\r\n")[2] == whole


# --- what nginx changes on the way -----------------------------------------------------------------------------------


def test_compressed_answers_have_weak_tags(nginx: Nginx, order: str) -> None:
    path, known = f"/api/v1/orders/{order}", bearer()
    plain = ask(nginx, "GET", path, known)
    assert (plain.headers["ETag"], plain.headers.get("Content-Encoding")) == ('"1"', None)
    packed = ask(nginx, "GET", path, known | {"Accept-Encoding": "gzip"})
    assert (packed.headers["ETag"], packed.headers["Content-Encoding"]) == ('W/"1"', "gzip")
    assert "Accept-Encoding" in packed.headers["Vary"]
    assert packed.content == plain.content
    for tag in (plain.headers["ETag"], packed.headers["ETag"]):
        unchanged = ask(nginx, "GET", path, known | {"If-None-Match": tag, "Accept-Encoding": "gzip"})
        assert (unchanged.status_code, unchanged.content) == (304, b"")


def test_a_compressed_list_that_the_client_has_already_is_not_sent_again(nginx: Nginx, order: str) -> None:
    path, known = "/api/v1/orders/?limit=3&sort=total_price", bearer()
    plain = ask(nginx, "GET", path, known)
    packed = ask(nginx, "GET", path, known | {"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.headers["ETag"] == f"W/{plain.headers['ETag']}"
    for tag in (plain.headers["ETag"], packed.headers["ETag"]):
        unchanged = ask(nginx, "GET", path, known | {"If-None-Match": tag, "Accept-Encoding": "gzip"})
        assert (unchanged.status_code, unchanged.content) == (304, b"")
    other = ask(nginx, "GET", path.replace("3", "2"), known | {"If-None-Match": packed.headers["ETag"]})
    assert len(other.json()) == 2


def test_the_weak_tag_of_a_compressed_answer_is_a_precondition_as_good_as_ours(
    stage: ServingStage, nginx: Nginx
) -> None:
    path = placed(nginx, "guarded")
    order_id = ObjectId(path.rpartition("/")[2])
    address = {"shipping_address.line1": "1 Long Street" * 100}  # enough to be compressed
    stage.orders["orders"].update_one({"_id": order_id}, {"$set": address})
    known = bearer(admin=True) | {"Content-Type": "application/json", "Accept-Encoding": "gzip"}
    seen = ask(nginx, "GET", path, known)
    assert (seen.headers["ETag"], seen.headers["Content-Encoding"]) == ('W/"1"', "gzip")
    guarded = known | {"If-Match": seen.headers["ETag"]}
    paid = ask(nginx, "PUT", f"{path}/status", guarded, b'{"status": "paid"}')
    assert (paid.status_code, paid.headers["ETag"]) == (200, 'W/"2"')
    late = ask(nginx, "PUT", f"{path}/status", guarded, b'{"status": "processing"}')
    problem(late, 412, "stale_order")
    assert [change["to"] for change in late.json()["changes"]] == ["paid"]
    assert ask(nginx, "GET", path, known).json()["status"] == "paid"


def placed(nginx: Nginx, key: str) -> str:
    """The path of an order that was placed just now."""
    with closing(Client(nginx.root, kept=False)) as client:
        status, found = client.place(key)
    assert status == 201
    return f"/api/v1/orders/{found['id']}"


def test_clients_are_told_apart_by_their_own_addresses_whatever_they_claim(nginx: Nginx) -> None:
    def statuses(address: str, claimed: str) -> list[int]:
        found = []
        for number in range(2 * REFUSED_TOKENS):
            with closing(HTTPConnection("127.0.0.1", nginx.port, timeout=30, source_address=(address, 0))) as client:
                headers = {"Authorization": "Bearer no.token.this", "X-Forwarded-For": claimed.format(number)}
                client.request("GET", "/api/v1/orders/", headers=headers | {"Forwarded": f"for=192.0.2.{number}"})
                found.append(client.getresponse().status)
        return found

    for claimed in ("203.0.113.{}", "127.0.0.3, 203.0.113.{}"):
        assert statuses("127.0.0.2", claimed)[-1] == 429, "another address each time, and still the same client"
    assert statuses("127.0.0.3", "127.0.0.2")[0] == 401, "nobody has used up what is another's"


def test_links_and_forms_are_for_the_address_that_the_client_knows(nginx: Nginx, order: str) -> None:
    listed = ask(nginx, "GET", "/api/v1/orders/?limit=1", bearer(admin=True))
    assert listed.links["next"]["url"].startswith(f"{nginx.root}/api/v1/orders/?")
    secret = "a" * 32
    form = f"csrfmiddlewaretoken={secret}"
    headers = {"Cookie": f"csrftoken={secret}", "Content-Type": "application/x-www-form-urlencoded"}
    for origin, expected in ((nginx.root, 302), ("http://127.0.0.1", 403)):
        sent = ask(nginx, "POST", "/admin/logout/", headers | {"Origin": origin}, form, allow_redirects=False)
        assert sent.status_code == expected, origin


def test_what_is_said_of_the_client_is_what_nginx_saw_after_what_was_there(tmp_path: Path) -> None:
    told = [
        ({}, {"x-forwarded-for": "127.0.0.1", "x-forwarded-proto": "http"}),
        (
            {"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "https", "X_Forwarded_For": "192.0.2.2"},
            {"x-forwarded-for": "192.0.2.1, 127.0.0.1", "x-forwarded-proto": "https"},
        ),
    ]
    with RawServer(answer(200, {})) as service, nginx_before(service.url, tmp_path) as nginx:
        for sent, expected in told:
            ask(nginx, "GET", "/health", sent)
            headers = service.sent()[1]
            assert {name: headers[name] for name in expected} == expected
            assert headers["host"] == f"127.0.0.1:{nginx.port}"
            assert {"x_forwarded_for", "connection"} & set(headers) == set()


def test_every_answer_has_the_request_id_of_the_client_or_a_new_one(nginx: Nginx) -> None:
    for path in ("/health", "/_nginx/problem"):
        assert ask(nginx, "GET", path, {"X-Request-ID": "checkout-1"}).headers["X-Request-ID"] == "checkout-1"
        made = {ask(nginx, "GET", path, {"X-Request-ID": given}).headers["X-Request-ID"] for given in ("a b", "x" * 65)}
        assert {len(each) for each in made} == {32}
        assert len(made) == 2


# --- bodies ----------------------------------------------------------------------------------------------------------


def test_a_body_without_a_length_arrives_with_one(stage: ServingStage, nginx: Nginx) -> None:
    headers = bearer() | {"Content-Type": "application/json"}
    pieces = [placement()[:20], placement()[20:]]
    refused = requests.post(f"{stage.root}/api/v1/orders/", data=iter(pieces), headers=headers, timeout=30)
    problem(refused, 411, "length_required")
    assert ask(nginx, "POST", "/api/v1/orders/", headers, iter(pieces)).status_code == 201


def test_a_body_beyond_the_limit_is_refused_as_the_service_does(stage: ServingStage, nginx: Nginx) -> None:
    headers = bearer() | {"Content-Type": "application/json"}
    body = placement().ljust(MEGABYTE)
    before = stage.orders["orders"].count_documents({})
    by_us = requests.post(f"{stage.root}/api/v1/orders/", data=body + b" ", headers=headers, timeout=30)
    by_nginx = ask(nginx, "POST", "/api/v1/orders/", headers, body + b" ")
    assert problem(by_nginx, 413, "body_too_large") == problem(by_us, 413, "body_too_large")
    assert by_nginx.json() == by_us.json()
    in_pieces = ask(nginx, "POST", "/api/v1/orders/", headers, iter([body, b" "]))
    problem(in_pieces, 413, "body_too_large")
    assert stage.orders["orders"].count_documents({}) == before
    assert ask(nginx, "POST", "/api/v1/orders/", headers, body).status_code == 201, "and no smaller one"


def test_a_refusal_before_the_body_is_read_reaches_the_client(nginx: Nginx) -> None:
    refused = ask(nginx, "POST", "/api/v1/orders/", {"Content-Type": "application/json"}, b" " * 60_000)
    problem(refused, 401, "not_authenticated")


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414, "uri_too_long"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 9000 + b"\r\n\r\n", 431, "headers_too_large"),
        (b"GET / HTTP/1.1\r\n\r\n", 400, "bad_request"),
        (b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 405, "method_not_allowed"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501, "not_implemented"),
        (b"GET / HTTP/4.0\r\nHost: a\r\n\r\n", 505, "http_version_not_supported"),
    ],
)
def test_what_nginx_refuses_by_itself_is_a_problem_document(nginx: Nginx, sent: bytes, status: int, code: str) -> None:
    with closing(socket.create_connection(("127.0.0.1", nginx.port), timeout=30)) as sock:
        sock.sendall(sent)
        found = HTTPResponse(sock)
        found.begin()
        document = json.loads(found.read())
    assert found.status == status
    assert found.headers["Content-Type"] == "application/problem+json"
    assert (document["status"], document["code"]) == (status, code)
    assert document["detail"]
    assert document["title"]


# --- connections that are kept ---------------------------------------------------------------------------------------


def connections_to(port: int) -> set[int]:
    """The clients' ports of the connections to a port that this machine has, or had within the last minute."""
    found = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        local, remote = (int(address.rpartition(":")[2], 16) for address in line.split()[1:3])
        found |= {remote} if local == port else {local} if remote == port else set()
    return found


def test_connections_to_the_service_are_kept(stage: ServingStage, nginx: Nginx) -> None:
    port = int(stage.environment["PORT"])
    before = connections_to(port)
    for _ in range(60):
        assert wait_of_another(nginx.root, 30)
    assert len(connections_to(port) - before) < 15


def test_no_request_fails_while_a_worker_of_the_service_is_replaced(stage: ServingStage, nginx: Nginx) -> None:
    before = set(stage.web_workers())
    ended = before.copy().pop()
    with Clients(nginx.root, number=6) as crowd:
        crowd.await_answers(30)
        os.kill(ended, signal.SIGTERM)
        stage.await_workers(lambda found: ended not in found and set(found) - before)
        crowd.await_answers(60)
    assert crowd.failures == []
    assert crowd.counts["kept connection"] > 30
    assert not re.search('"status":50[24]', nginx.log.read_text())


def test_a_connection_that_the_service_has_closed_is_not_used_again(tmp_path: Path) -> None:
    def closes_a_moment_later(connection: socket.socket) -> bool:
        answer(200, {})(connection)
        time.sleep(0.1)
        return False

    with RawServer(closes_a_moment_later) as service, nginx_before(service.url, tmp_path) as nginx:
        for _ in range(3):
            assert ask(nginx, "PUT", "/api/v1/orders/").status_code == 200
            service.await_hung_up()
            time.sleep(0.3)  # nginx sees it
        assert service.connections == len(service.requests) == 3


# --- when the service gives no answer --------------------------------------------------------------------------------


@contextmanager
def nginx_before(upstream: str, directory: Path, patience: str = "30s") -> Iterator[Nginx]:
    times = {"proxy_read_timeout": patience, "proxy_connect_timeout": "1s", "send_timeout": "2s"}
    with Nginx(directory, upstream.removeprefix("http://"), **times) as nginx:
        yield nginx


@pytest.mark.parametrize(
    ("end", "status", "methods"),
    [
        (cut(), 502, ["POST", "PUT", "DELETE", "PATCH"]),
        (abort, 502, ["POST", "PUT", "DELETE", "PATCH"]),
        (stall(30), 504, ["PUT"]),
    ],
    ids=["closed", "reset", "silent"],
)
def test_nothing_is_sent_twice_when_the_service_dies(end: Act, status: int, methods: list[str], tmp_path: Path) -> None:
    """Not on a kept connection either, whose end nginx by itself would take for a reason to try again."""
    with RawServer(*[answer(200, {}), end] * len(methods), end) as service:
        with nginx_before(service.url, tmp_path, "2s" if status == 504 else "30s") as nginx:
            for method in methods:
                assert ask(nginx, "GET", "/health").status_code == 200
                lost = ask(nginx, method, "/api/v1/orders/", {"X-Request-ID": "lost-1"}, b"{}")
                assert "may have done" in problem(lost, status, "outcome_unknown")
                assert "Retry-After" not in lost.headers
                assert lost.headers["X-Request-ID"] == "lost-1"
            problem(ask(nginx, "GET", "/health"), status, "no_answer")
        sent = [request.split()[0].decode() for request in service.requests]
    assert sent == [each for method in methods for each in ("GET", method)] + ["GET"]


def test_a_request_that_could_not_be_passed_on_changed_nothing_and_says_so(tmp_path: Path) -> None:
    with nginx_before(closed_port(), tmp_path) as nginx:
        for method in ("GET", "POST", "DELETE"):
            refused = ask(nginx, method, "/api/v1/orders/")
            assert "Nothing was changed" in problem(refused, 502, "service_unavailable")
            assert refused.headers["Retry-After"] == "5"
        ask(nginx, "GET", "/admin/set-password/NTA3/the-secret/")
        ask(nginx, "GET", f"/api/v1/orders/?{'x' * 200}=/set-password/NTA3/")
    logged = nginx.log.read_text()
    assert '"request":"GET /admin/set-password/",' in logged
    assert '"request":"GET /api/v1/orders/",' in logged
    assert "the-secret" not in logged, "of a link that still works"
    with deaf_server() as service, nginx_before(service, tmp_path / "deaf") as nginx:
        problem(ask(nginx, "POST", "/api/v1/orders/"), 504, "service_unavailable")
