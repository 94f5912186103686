"""What is certain after an exchange over HTTP, for every way in which one can go wrong."""

import base64
import gzip
import json
import logging
import os
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from queue import Queue
from typing import Any

import pytest
from pytest_django import Settings

from integrations import BreakerOpen, Deadline, OutcomeUnknown, PeerRefused, PeerUnavailable
from integrations.answer import Answer, Unexpected
from integrations.circuit_breakers import breakers
from integrations.http_connections import MAX_BODY
from integrations.peer_requests import Peer, PeerRequest, reset
from integrations.peer_requests import read as send_read
from integrations.peer_requests import write as send_write
from observability.context import request_id
from tests.certificates import self_signed
from tests.raw_server import (
    Act,
    RawServer,
    abort,
    answer,
    closed_port,
    cut,
    deaf_server,
    dribble,
    flood,
    head,
    raw,
    stall,
)

PEER = Peer("raw", "RAW_URL")
DONE = answer(200, {"done": True})
PATIENCE = 20.0  # s; more than any machine needs to answer, and nothing waits for it to end
SLOW = 30.0  # s; longer than anybody waits


@pytest.fixture(autouse=True)
def _peer_settings(settings: Settings) -> Iterator[None]:
    settings.PEER_CONNECT_TIMEOUT = settings.PEER_READ_TIMEOUT = PATIENCE
    settings.PEER_MAX_IDLE = 60.0
    settings.MAX_RETRIES = 2
    settings.RETRY_DELAY = 0.001
    settings.BREAKER_THRESHOLD = 1000
    settings.BREAKER_RECOVERY = 10.0
    yield
    reset()


@pytest.fixture
def serve(settings: Settings) -> Iterator[Callable[..., RawServer]]:
    """Start a server with a script, and make it the peer."""
    servers: list[RawServer] = []

    def start(*script: Act) -> RawServer:
        server = RawServer(*script)
        servers.append(server.__enter__())
        settings.RAW_URL = server.url
        return server

    yield start
    for server in servers:
        server.__exit__()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file with a key and a certificate for 127.0.0.1 that signs itself."""
    return self_signed(tmp_path_factory.mktemp("tls"))


def server_side(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def done(answered: Answer) -> dict[str, Any]:
    body = answered.json_object()
    if body.get("done") is not True:
        raise Unexpected("answered something else")
    return body


def read(*, left: float = 90, accepted: tuple[int, ...] = (), retries: bool = True) -> object:
    request = PeerRequest(PEER, "look", "GET", "/thing", params={"q": "a b"}, accepted=accepted)
    return send_read(
        request,
        lambda answered: done(answered) if answered.succeeded else answered.status,
        deadline=Deadline.after(left),
        retries=retries,
    )


def write(*, left: float = 90, honours_keys: bool = False, retries: bool = True, sent_before: bool = False) -> object:
    request = PeerRequest(PEER, "do", "POST", "/thing", body={"n": 1}, headers={"Idempotency-Key": "k"})
    return send_write(
        request,
        done,
        deadline=Deadline.after(left),
        not_acted=(429, 503),
        honours_keys=honours_keys,
        retries=retries,
        sent_before=sent_before,
    )


# What is sent


def test_a_read_is_asked_as_told(serve: Callable[..., RawServer]) -> None:
    server = serve(DONE)
    assert read() == {"done": True}
    first, headers, body = server.sent()
    assert first == "GET /thing?q=a+b HTTP/1.1"
    assert headers["accept"] == "application/json"
    assert "x-request-id" not in headers
    assert body is None


def test_a_write_is_sent_as_told(serve: Callable[..., RawServer]) -> None:
    server = serve(DONE)
    assert write() == {"done": True}
    first, headers, body = server.sent()
    assert first == "POST /thing HTTP/1.1"
    assert headers["idempotency-key"] == "k"
    assert body == {"n": 1}


@pytest.mark.parametrize(("current", "sent"), [("req-1", "req-1"), ("a\r\nX-Evil: 1", None), ("ä", None)])
def test_the_request_id_is_sent_along_if_a_header_can_hold_it(
    serve: Callable[..., RawServer], current: str, sent: str | None
) -> None:
    server = serve(DONE)
    token = request_id.set(current)
    try:
        read()
    finally:
        request_id.reset(token)
    assert server.sent()[1].get("x-request-id") == sent


def test_credentials_of_the_url_go_into_a_header(serve: Callable[..., RawServer], settings: Settings) -> None:
    server = serve(DONE)
    settings.RAW_URL = server.url.replace("//", "//orders:p%40ss@")
    assert read() == {"done": True}
    first, headers, _ = server.sent()
    assert first == "GET /thing?q=a+b HTTP/1.1"
    assert headers["authorization"] == f"Basic {base64.b64encode(b'orders:p@ss').decode()}"


def test_the_environment_names_no_proxy(serve: Callable[..., RawServer], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", closed_port())
    serve(DONE)
    assert read() == {"done": True}


def test_a_cookie_of_one_answer_does_not_go_with_the_next_call(serve: Callable[..., RawServer]) -> None:
    server = serve(answer(200, {"done": True}, Set_Cookie="session=1; Path=/"))
    read()
    read()
    assert "cookie" not in server.sent()[1]


# A write that was not sent


def test_a_write_to_a_closed_port_was_not_sent(settings: Settings) -> None:
    settings.RAW_URL = closed_port()
    with pytest.raises(PeerUnavailable, match=r"raw: not sent: .*refused"):
        write()


def test_a_write_to_a_server_that_accepts_nobody_was_not_sent(settings: Settings) -> None:
    settings.PEER_CONNECT_TIMEOUT = 0.2
    with deaf_server() as settings.RAW_URL, pytest.raises(PeerUnavailable, match="not sent"):
        write(retries=False)  # the kernel would try for two minutes, which is longer than a test may take


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a..b", "x" * 70 + ".invalid"])
def test_a_write_to_a_name_without_address_was_not_sent(settings: Settings, host: str) -> None:
    settings.RAW_URL = f"http://{host}:9"
    with pytest.raises(PeerUnavailable, match=r"not (sent|asked)"):
        write(retries=False)


def test_a_write_to_a_server_that_speaks_no_tls_was_not_sent(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as plain, ThreadPoolExecutor(1) as thread:
        settings.RAW_URL = f"https://127.0.0.1:{plain.getsockname()[1]}"

        def speak_plainly() -> None:
            connection, _ = plain.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 400 This is not TLS\r\n\r\n")
                connection.recv(65536)

        spoken = thread.submit(speak_plainly)
        with pytest.raises(PeerUnavailable, match=r"not sent: .*SSL"):
            write(retries=False)
        spoken.result()


def test_a_write_to_a_server_whose_certificate_is_not_trusted_was_not_sent(
    settings: Settings, certificate: Path
) -> None:
    with RawServer(DONE, tls=server_side(certificate)) as server:
        settings.RAW_URL = server.url
        with pytest.raises(PeerUnavailable, match=r"not sent: .*certificate"):
            write(retries=False)
        assert server.requests == []


def test_a_connection_that_was_slow_to_come_about_is_not_used(
    serve: Callable[..., RawServer], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.PEER_CONNECT_TIMEOUT = 0.2
    server = serve(DONE)
    resolve = socket.getaddrinfo

    def slowly(*args: Any, **kwargs: Any) -> Any:
        time.sleep(settings.PEER_CONNECT_TIMEOUT * 1.2)
        return resolve(*args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", slowly)
    with pytest.raises(PeerUnavailable, match=r"not sent: .*took longer"):
        write(retries=False)
    assert server.requests == []


@pytest.mark.parametrize(
    "url",
    [
        "",
        None,
        "127.0.0.1:8000/api",
        "http://",
        "ftp://127.0.0.1/",
        "http://h:port",
        "http://h/a?b=1",
        "http://\N{SNOWMAN}:x@h/",
    ],
)
def test_a_write_to_an_unusable_url_was_not_sent_and_names_the_setting(settings: Settings, url: str | None) -> None:
    settings.RAW_URL = url
    with pytest.raises(PeerUnavailable, match="not asked: RAW_URL holds no usable URL"):
        write()


def test_a_write_is_not_begun_with_less_than_one_timeout_left(serve: Callable[..., RawServer]) -> None:
    server = serve(DONE)
    with pytest.raises(PeerUnavailable, match="less than one timeout"):
        write(left=2 * PATIENCE - 0.1)
    assert server.connections == 0


def test_not_sent_is_tried_again_and_may_succeed(
    serve: Callable[..., RawServer], settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    server = serve(DONE)
    open_url, settings.RAW_URL = settings.RAW_URL, closed_port()

    class OpenAtLast(logging.Handler):
        def emit(self, _record: logging.LogRecord) -> None:
            settings.RAW_URL = open_url

    handler = OpenAtLast()
    logging.getLogger("integrations.attempts").addHandler(handler)
    try:
        assert write() == {"done": True}
    finally:
        logging.getLogger("integrations.attempts").removeHandler(handler)
    assert len(server.requests) == 1


# A write that was not acted upon, or refused


@pytest.mark.parametrize("status", [429, 503])
def test_a_write_not_acted_upon_is_repeated(serve: Callable[..., RawServer], status: int) -> None:
    server = serve(answer(status), DONE)
    assert write() == {"done": True}
    assert len(server.requests) == 2


def test_a_write_never_acted_upon_says_so_with_the_peers_retry_after(
    serve: Callable[..., RawServer],
) -> None:
    server = serve(answer(503, {"detail": "Come back"}, Retry_After="70"))
    with pytest.raises(PeerUnavailable, match="answered 503: Come back") as caught:
        write()
    assert caught.value.retry_after == 70
    assert len(server.requests) == 1  # 70 s, and one timeout, lie beyond the deadline


def test_a_pause_that_leaves_too_little_time_for_a_write_is_not_begun(serve: Callable[..., RawServer]) -> None:
    server = serve(answer(503, Retry_After="60"))
    with pytest.raises(PeerUnavailable, match="answered 503"):
        write(left=60 + 2 * PATIENCE - 0.1)  # the pause would be over in time, the attempt after it would not
    assert len(server.requests) == 1


def test_a_write_is_given_up_after_the_retries(serve: Callable[..., RawServer]) -> None:
    server = serve(answer(503))
    with pytest.raises(PeerUnavailable):
        write()
    assert len(server.requests) == 3


def test_a_single_attempt_is_not_repeated(serve: Callable[..., RawServer]) -> None:
    server = serve(answer(503), DONE)
    with pytest.raises(PeerUnavailable):
        write(retries=False)
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [401, 403, 405, 410, 413, 418])
def test_a_write_by_a_caller_who_is_set_up_wrongly_is_not_refused(serve: Callable[..., RawServer], status: int) -> None:
    server = serve(answer(status))
    with pytest.raises(PeerUnavailable, match=f"answered {status}"):
        write()
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [400, 404, 409, 422])
def test_a_refused_write_is_final(serve: Callable[..., RawServer], status: int) -> None:
    server = serve(answer(status, {"detail": "No"}), DONE)
    with pytest.raises(PeerRefused, match=f"answered {status}: No") as caught:
        write(honours_keys=True)
    assert caught.value.status == status
    assert len(server.requests) == 1


def test_a_refusal_is_one_even_if_its_words_are_cut_short(serve: Callable[..., RawServer]) -> None:
    serve(cut(head(400, **{"Content-Length": "500"}) + b'{"detail": "Insuff'))
    with pytest.raises(PeerRefused, match=r"answered 400$"):
        write()


@pytest.mark.parametrize(("status", "error"), [(400, PeerRefused), (429, PeerUnavailable), (503, PeerUnavailable)])
@pytest.mark.usefixtures("short_reads")
@pytest.mark.parametrize(
    "after",
    [stall(SLOW), cut(b'{"detail": "Ins'), abort, dribble(b" " * 40, every=0.05), flood(b"x" * 65536)],
    ids=["silence", "cut", "reset", "dribble", "flood"],
)
def test_a_status_that_says_not_done_is_believed_whatever_becomes_of_its_words(
    serve: Callable[..., RawServer], status: int, error: type[Exception], after: Act
) -> None:
    serve(lambda c: c.sendall(head(status, **{"Content-Length": "99999999"})) or after(c))
    with pytest.raises(error, match=f"answered {status}$"):
        write(retries=False)


# A write whose outcome nobody knows

SAID = b'{"done": true}'
LARGE_BODY = SAID + b" " * (2 * MAX_BODY)  # whoever stopped reading in time would find an answer

SILENT: dict[str, Act] = {
    "silence": stall(SLOW),
    "another protocol and silence": lambda c: c.sendall(head(101, Upgrade="h2c")) or stall(SLOW)(c),
    "half the body and silence": lambda c: c.sendall(head(200, **{"Content-Length": "50"})) or stall(SLOW)(c),
    "dribbled headers": dribble(head(200, Padding="x" * 20), every=0.05),
    "dribbled body": lambda c: c.sendall(head(200)) or dribble(b'{"done": true}' + b" " * 20, every=0.05)(c),
    "continue for ever": dribble(b"HTTP/1.1 100 Continue\r\n\r\n" * 10, every=0.03),
}
UNKNOWN: dict[str, Act] = {
    "close": cut(),
    "reset": abort,
    "half a status line": cut(b"HTTP/1.1 20"),
    "no HTTP": cut(b"SSH-2.0-OpenSSH\r\n"),
    "another protocol from now on": cut(head(101, Connection="Upgrade", Upgrade="websocket") + b"\x81\x05Hello"),
    "half the headers": cut(b"HTTP/1.1 200 OK\r\nContent-Le"),
    "half the body": cut(head(200, **{"Content-Length": "50"}) + b'{"done": true}'),
    "broken chunks": cut(head(200, **{"Transfer-Encoding": "chunked"}) + b"zz\r\nno chunk\r\n"),
    "a length and chunks": cut(
        head(200, **{"Content-Length": "14", "Transfer-Encoding": "chunked"}) + b"e\r\n" + SAID + b"\r\n0\r\n\r\n"
    ),
    "no length that is a number": cut(head(200, **{"Content-Length": "+14"}) + SAID),
    "a header without a colon": cut(b"HTTP/1.1 200 OK\r\nContent-Length\r\n\r\n" + SAID),
    "a body that unpacks to too much": answer(200, gzip.compress(LARGE_BODY), Content_Encoding="gzip"),
    "no gzip": answer(200, b"not gzip", Content_Encoding="gzip"),
    "two lengths": raw(head(200, **{"Content-Length": "3, 4"}) + b"{}"),
    "endless header": cut(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000),
    "continue without a pause": flood(b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
    "a body too large": cut(head(200) + LARGE_BODY),
    "no body": answer(204, b""),
    "no JSON": answer(200, b"<html>"),
    "no UTF-8": answer(200, b'{"done": "\xff"}'),
    "NaN": answer(200, b'{"done": true, "n": NaN}'),
    "Infinity": answer(200, b'{"done": true, "n": -Infinity}'),
    "nested too deeply": answer(200, b"[" * 100_000),
    "a number with too large an exponent": answer(200, b'{"done": true, "n": 0e99999999999999999999}'),
    "a number with too small an exponent": answer(200, b'{"done": true, "n": 1e-99999999999999999999}'),
    "a number with too many digits": answer(200, b'{"done": true, "n": %s}' % (b"9" * 10_000)),
    "both done and not done": answer(200, b'{"done": false, "done": true}'),
    "no object": answer(200, [{"done": True}]),
    "another object": answer(200, {"status": "success"}),
    "created, but what": answer(201, {}),
    "not modified": answer(304, b""),
    "redirect": answer(302, {"done": True}, Location="/elsewhere"),
    "redirect to nowhere": answer(307, {"done": True}, Location="http://[bad"),
    **{f"status {status}": answer(status, {"detail": "?"}) for status in (300, 500, 501, 502, 504, 599)},
}


@pytest.mark.parametrize("act", UNKNOWN.values(), ids=UNKNOWN.keys())
def test_the_outcome_of_a_write_is_unknown_and_it_is_not_repeated(serve: Callable[..., RawServer], act: Act) -> None:
    server = serve(act, DONE)
    with pytest.raises(OutcomeUnknown):
        write()
    assert len(server.requests) == 1


@pytest.mark.usefixtures("short_reads")
@pytest.mark.parametrize("act", SILENT.values(), ids=SILENT.keys())
def test_an_answer_that_is_not_complete_in_time_leaves_the_outcome_unknown(
    serve: Callable[..., RawServer], act: Act
) -> None:
    server = serve(act, DONE)
    with pytest.raises(OutcomeUnknown):
        write()
    assert len(server.requests) == 1


@pytest.mark.usefixtures("short_reads")
def test_what_was_given_up_is_not_delivered_by_the_kernel_later(serve: Callable[..., RawServer]) -> None:
    """An ordinary close leaves what has not arrived to the kernel, which tries for a minute and longer."""
    ends: Queue[str] = Queue()

    def listen(connection: socket.socket) -> bool:
        try:
            ends.put("closed" if not connection.recv(1) else "more")
        except ConnectionResetError:
            ends.put("reset")
        return False

    serve(listen)
    with pytest.raises(OutcomeUnknown):
        write()
    assert ends.get(timeout=60) == "reset"


@pytest.mark.parametrize("act", UNKNOWN.values(), ids=UNKNOWN.keys())
def test_the_same_read_has_no_answer_and_is_repeated(serve: Callable[..., RawServer], act: Act) -> None:
    server = serve(act)
    with pytest.raises(PeerUnavailable):
        read(retries=False)
    assert len(server.requests) == 1


def test_bytes_that_arrive_late_buy_no_more_time(serve: Callable[..., RawServer], settings: Settings) -> None:
    settings.PEER_READ_TIMEOUT = 0.6
    serve(lambda c: time.sleep(0.5) or c.sendall(b"HTTP/1.1 ") or time.sleep(0.5) or DONE(c))
    with pytest.raises(OutcomeUnknown):
        write()


def test_the_body_of_a_redirect_is_bounded_like_any_other(serve: Callable[..., RawServer]) -> None:
    serve(lambda c: c.sendall(head(302, Location="/elsewhere")) or flood(b"x" * 65536)(c))
    with pytest.raises(OutcomeUnknown, match=r"answered 302$"):
        write()


def test_an_unknown_outcome_is_repeated_where_the_peer_honours_keys(
    serve: Callable[..., RawServer],
) -> None:
    server = serve(cut(), answer(500), DONE)
    assert write(honours_keys=True) == {"done": True}
    assert {server.sent(n)[1]["idempotency-key"] for n in range(3)} == {"k"}


def test_a_refusal_right_after_an_unknown_attempt_stays_unknown_since_that_one_may_act_yet(
    serve: Callable[..., RawServer],
) -> None:
    serve(cut(), answer(400, {"detail": "Too few"}))
    with pytest.raises(OutcomeUnknown, match=r"may have acted.*Too few"):
        write(honours_keys=True)


def test_a_refusal_of_what_was_sent_a_lease_ago_says_that_neither_acted(serve: Callable[..., RawServer]) -> None:
    server = serve(answer(400, {"detail": "Too few"}))
    with pytest.raises(PeerRefused, match="Too few"):
        write(honours_keys=True, sent_before=True)
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [408, 425])
def test_a_write_that_the_server_never_took_in_is_repeated(serve: Callable[..., RawServer], status: int) -> None:
    server = serve(answer(status), DONE)
    write()
    assert len(server.requests) == 2


@pytest.mark.parametrize("status", [503, 429, 401])
def test_not_acted_after_an_unknown_attempt_stays_unknown(serve: Callable[..., RawServer], status: int) -> None:
    serve(cut(), answer(status, Retry_After="0"))
    with pytest.raises(OutcomeUnknown, match=f"an earlier attempt may have acted.*{status}"):
        write(honours_keys=True)


def test_not_sent_after_an_unknown_attempt_stays_unknown(serve: Callable[..., RawServer]) -> None:
    def go_away(_connection: socket.socket) -> bool:
        server.refuse()
        return False

    server = serve(go_away)
    with pytest.raises(OutcomeUnknown, match="may have acted; the last one: not sent"):
        write(honours_keys=True)
    assert len(server.requests) == 1


def test_a_conflict_after_an_unknown_attempt_may_be_with_that_attempt(
    serve: Callable[..., RawServer],
) -> None:
    server = serve(cut(), answer(409, {"detail": "in progress"}), DONE)
    assert write(honours_keys=True) == {"done": True}
    assert len(server.requests) == 3


def test_a_conflict_that_stays_one_after_an_unknown_attempt_stays_unknown(
    serve: Callable[..., RawServer],
) -> None:
    serve(cut(), answer(409, {"detail": "in progress"}))
    with pytest.raises(OutcomeUnknown, match=r"may have acted.*in progress"):
        write(honours_keys=True)


@pytest.mark.parametrize("status", [409, 503])
def test_what_may_have_been_sent_before_the_call_counts_as_an_unknown_attempt(
    serve: Callable[..., RawServer], status: int
) -> None:
    server = serve(answer(status))
    with pytest.raises(OutcomeUnknown, match=f"may have acted.*{status}"):
        write(honours_keys=True, retries=False, sent_before=True)
    assert len(server.requests) == 1


# A read


@pytest.mark.parametrize("act", [answer(500), answer(429), answer(503), cut(), answer(200, b"x")])
def test_a_read_without_usable_answer_is_repeated(serve: Callable[..., RawServer], act: Act) -> None:
    server = serve(act, DONE)
    assert read() == {"done": True}
    assert len(server.requests) == 2


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404])
def test_a_read_that_would_get_the_same_answer_again_is_not_repeated(
    serve: Callable[..., RawServer], status: int
) -> None:
    server = serve(answer(status, {"detail": "No"}, Location="/"))
    with pytest.raises(PeerUnavailable, match=f"answered {status}: No"):
        read()
    assert len(server.requests) == 1


def test_a_known_status_is_an_answer(serve: Callable[..., RawServer]) -> None:
    serve(answer(404))
    assert read(accepted=(404,)) == 404


def test_a_read_without_time_is_not_begun(serve: Callable[..., RawServer]) -> None:
    server = serve(DONE)
    with pytest.raises(PeerUnavailable, match="no time is left"):
        read(left=0)
    assert server.connections == 0


def test_a_read_ends_with_its_deadline(serve: Callable[..., RawServer]) -> None:
    server = serve(stall(SLOW))
    began = time.monotonic()
    with pytest.raises(PeerUnavailable, match="TimeoutError"):
        read(left=1)
    assert time.monotonic() - began < PATIENCE
    assert len(server.requests) == 1


def test_a_longer_read_timeout_lets_a_slow_answer_through(serve: Callable[..., RawServer]) -> None:
    serve(dribble(head(200, **{"Content-Length": "14"}) + b'{"done": true}', every=0.005))
    assert read() == {"done": True}


def test_a_decimal_never_passes_through_a_float(serve: Callable[..., RawServer]) -> None:
    serve(answer(200, b'{"done": true, "price": 0.1000000000000000055511151231257827, "n": 3}'))
    body = read()
    assert body == {"done": True, "price": Decimal("0.1000000000000000055511151231257827"), "n": 3}


# Connections


def test_a_connection_is_used_again(serve: Callable[..., RawServer]) -> None:
    server = serve(DONE)
    for _ in range(5):
        read()
        write()
    assert server.connections == 1


def test_a_connection_that_idled_too_long_is_not_used_again(
    serve: Callable[..., RawServer], settings: Settings
) -> None:
    settings.PEER_MAX_IDLE = 0.05
    server = serve(DONE)
    read()
    time.sleep(0.1)
    assert write() == {"done": True}
    assert server.connections == 2


def test_a_connection_that_the_peer_closed_while_it_idled_is_not_used_again(
    serve: Callable[..., RawServer],
) -> None:
    ends = lambda c: DONE(c) and False  # noqa: E731
    server = serve(ends)
    for _ in range(3):
        assert write() == {"done": True}
        server.await_hung_up()
    assert (server.connections, len(server.requests)) == (3, 3)


@pytest.mark.usefixtures("short_reads")
def test_after_an_error_the_next_call_gets_a_connection_of_its_own(serve: Callable[..., RawServer]) -> None:
    server = serve(stall(SLOW), DONE)
    with pytest.raises(OutcomeUnknown):
        write()
    assert write() == {"done": True}
    assert server.connections == 2


@pytest.mark.parametrize("late", [b"", b'{"done": true}'], ids=["at once", "later as well"])
def test_what_a_peer_sends_after_its_answer_is_not_taken_for_the_next(
    serve: Callable[..., RawServer], late: bytes
) -> None:
    more = b"HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n"
    server = serve(
        lambda c: c.sendall(head(409, **{"Content-Length": "2"}) + b"{}" + more) or time.sleep(0.05) or raw(late)(c),
        DONE,
    )
    with pytest.raises(PeerRefused):
        write()
    assert write() == {"done": True}
    assert (server.connections, len(server.requests)) == (2, 2)


def test_a_connection_that_changes_its_protocol_is_not_used_again(serve: Callable[..., RawServer]) -> None:
    server = serve(raw(head(101, Connection="Upgrade", Upgrade="websocket")), DONE)
    with pytest.raises(OutcomeUnknown):
        write()
    assert write() == {"done": True}
    assert server.connections == 2


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_without_a_body_ends_with_its_headers(serve: Callable[..., RawServer], status: int) -> None:
    server = serve(raw(head(status, **{"Content-Length": "5"})), DONE)
    with pytest.raises(PeerUnavailable):
        read(retries=False)
    assert read() == {"done": True}
    assert server.connections == 1


def test_interim_answers_are_passed_over(serve: Callable[..., RawServer]) -> None:
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nRetry-After: 9\r\n\r\n"
    serve(raw(interim + head(503, **{"Content-Length": "0"})))
    with pytest.raises(PeerUnavailable, match="answered 503") as caught:
        write(retries=False)
    assert caught.value.retry_after is None


def test_an_answer_without_end_is_given_up_long_before_its_time(serve: Callable[..., RawServer]) -> None:
    serve(flood(b"HTTP/1.1 100 Continue\r\n\r\n" * 100))
    with pytest.raises(OutcomeUnknown, match="larger than"):
        write()


def test_threads_share_connections(serve: Callable[..., RawServer]) -> None:
    server = serve(DONE)
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(lambda _: read(), range(80))) == [{"done": True}] * 80
    assert server.connections <= 8


def test_resetting_closes_the_connections_and_the_next_call_opens_one(
    serve: Callable[..., RawServer],
) -> None:
    server = serve(DONE)
    read()
    reset()
    read()
    assert server.connections == 2


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")  # Python 3.12
def test_a_forked_process_does_not_use_the_connections_of_its_parent(
    serve: Callable[..., RawServer],
) -> None:
    server = serve(DONE)
    read()
    child = os.fork()
    if child == 0:  # pragma: no cover - another process
        os._exit(0 if read() == {"done": True} else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert server.connections == 2
    read()
    assert server.connections == 2


def test_tls_connections_are_kept_and_bounded_too(
    settings: Settings, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    dribbled = dribble(head(200) + b'{"done": true}', every=0.05)
    with RawServer(DONE, DONE, dribbled, tls=server_side(certificate)) as server:
        settings.RAW_URL = server.url
        assert [write(), read()] == [{"done": True}] * 2
        assert server.connections == 1
        settings.PEER_READ_TIMEOUT = 1
        with pytest.raises(OutcomeUnknown):
            write()


# The breaker


def test_repeated_faults_open_the_breaker_and_the_peer_is_left_alone(
    serve: Callable[..., RawServer], settings: Settings
) -> None:
    settings.BREAKER_THRESHOLD = 2
    server = serve(answer(500))
    for _ in range(2):
        with pytest.raises(PeerUnavailable):
            read(retries=False)
    with pytest.raises(BreakerOpen, match="not asked") as caught:
        read()
    assert caught.value.retry_after == 10
    assert len(server.requests) == 2


def test_a_call_that_fails_beside_others_that_are_well_is_the_only_one_left_alone(
    serve: Callable[..., RawServer], settings: Settings
) -> None:
    settings.BREAKER_THRESHOLD = 3
    server = serve(*[answer(500), DONE] * 3, DONE)
    for _ in range(3):
        with pytest.raises(OutcomeUnknown):
            write()
        read()
    with pytest.raises(BreakerOpen):
        write()
    assert read() == {"done": True}
    assert len(server.requests) == 7
    assert breakers.states() == {"raw.connect": "closed", "raw.do": "open", "raw.look": "closed"}


@pytest.mark.usefixtures("short_reads")
@pytest.mark.parametrize("lost", [answer(500), cut(), stall(SLOW)], ids=["500", "cut", "silence"])
def test_a_call_that_gets_no_good_answer_is_no_fault_of_the_connection(
    serve: Callable[..., RawServer], settings: Settings, lost: Act
) -> None:
    settings.BREAKER_THRESHOLD = 1
    serve(lost, DONE)
    with pytest.raises(OutcomeUnknown):
        write()
    assert read() == {"done": True}


def test_who_cannot_be_connected_to_is_left_alone_by_every_call(settings: Settings) -> None:
    settings.BREAKER_THRESHOLD = 2
    settings.RAW_URL = closed_port()
    for call in (read, write):
        with pytest.raises(PeerUnavailable, match="not sent"):
            call(retries=False)
    for call in (read, write):
        with pytest.raises(BreakerOpen):
            call(retries=False)
    assert breakers.states() == {"raw.connect": "open", "raw.do": "closed", "raw.look": "closed"}


def test_a_call_that_is_left_alone_does_not_use_up_the_attempt_to_connect(
    serve: Callable[..., RawServer], settings: Settings
) -> None:
    settings.BREAKER_THRESHOLD, settings.BREAKER_RECOVERY = 1, 1.0
    server = serve(answer(500), DONE)
    url = server.url
    settings.RAW_URL = url
    breakers.of("raw", "connect", url).record(True)
    time.sleep(1.1)
    breakers.of("raw", "do", url).record(True)
    with pytest.raises(BreakerOpen):
        write(retries=False)
    with pytest.raises(PeerUnavailable, match="answered 500"):
        read(retries=False)


def test_a_breaker_that_opens_between_retries_ends_them(serve: Callable[..., RawServer], settings: Settings) -> None:
    settings.BREAKER_THRESHOLD = 1
    server = serve(cut(), DONE)
    with pytest.raises(OutcomeUnknown, match="may have acted; the last one: not asked"):
        write(honours_keys=True)
    assert len(server.requests) == 1


def test_an_open_breaker_lets_a_call_through_when_its_time_is_up(
    serve: Callable[..., RawServer], settings: Settings
) -> None:
    settings.BREAKER_THRESHOLD, settings.BREAKER_RECOVERY = 1, 0.1
    serve(answer(500), DONE)
    with pytest.raises(PeerUnavailable):
        read(retries=False)
    time.sleep(0.15)
    assert read() == {"done": True}
    assert read() == {"done": True}


@pytest.mark.parametrize("status", [400, 404, 429])
def test_a_peer_that_refuses_is_no_fault(serve: Callable[..., RawServer], settings: Settings, status: int) -> None:
    settings.BREAKER_THRESHOLD = 1
    server = serve(answer(status))
    for _ in range(3):
        with pytest.raises((PeerRefused, PeerUnavailable), match=f"answered {status}"):
            write(retries=False)
    assert len(server.requests) == 3


def test_a_known_server_error_is_no_fault(serve: Callable[..., RawServer], settings: Settings) -> None:
    settings.BREAKER_THRESHOLD = 1
    serve(answer(500))
    assert [read(accepted=(500,)), read(accepted=(500,))] == [500, 500]


def test_our_own_haste_is_no_fault_of_the_peer(serve: Callable[..., RawServer], settings: Settings) -> None:
    settings.BREAKER_THRESHOLD = 1
    serve(stall(SLOW), DONE)
    with pytest.raises(PeerUnavailable):
        read(left=0.1, retries=False)
    assert read() == {"done": True}


@pytest.mark.usefixtures("short_reads")
def test_a_timeout_in_full_length_is_a_fault(serve: Callable[..., RawServer], settings: Settings) -> None:
    settings.BREAKER_THRESHOLD = 1
    serve(stall(SLOW), DONE)
    with pytest.raises(PeerUnavailable):
        read(retries=False)
    with pytest.raises(BreakerOpen):
        read()


# The log


def test_a_failure_is_logged_with_what_an_operator_asks_for(
    serve: Callable[..., RawServer], caplog: pytest.LogCaptureFixture
) -> None:
    serve(answer(500, {"detail": "boom\nforged line " + "x" * 5000}))
    with pytest.raises(OutcomeUnknown):
        write()
    (record,) = [record for record in caplog.records if record.name == "integrations.attempts"]
    assert record.levelno == logging.WARNING
    assert record.getMessage().startswith("raw do: OutcomeUnknown after ")
    assert "\n" not in record.getMessage()
    assert len(record.getMessage()) < 300
    assert {"peer": "raw", "operation": "do", "outcome": "OutcomeUnknown"}.items() <= vars(record).items()


def test_a_refusal_is_not_logged_as_a_failure(
    serve: Callable[..., RawServer], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "integrations.attempts")
    serve(answer(400))
    with pytest.raises(PeerRefused):
        write()
    assert [record.levelno for record in caplog.records] == [logging.INFO]


def test_json_of_the_largest_size_is_read(serve: Callable[..., RawServer]) -> None:
    body = json.dumps({"done": True, "padding": ""})
    padding = "x" * (MAX_BODY - len(body))
    serve(answer(200, {"done": True, "padding": padding}))
    assert len(read()["padding"]) == len(padding)  # type: ignore[index]


@pytest.mark.usefixtures("short_reads")
def test_a_refusal_cut_short_is_not_continued_in_the_next_answer(
    serve: Callable[..., RawServer],
) -> None:
    def cut_short(connection: socket.socket) -> bool:
        connection.sendall(head(400, **{"Content-Length": "60"}))
        return True

    def late_and_made_to_deceive(connection: socket.socket) -> bool:
        connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n{"done": true}')
        return True

    server = serve(cut_short, late_and_made_to_deceive)
    with pytest.raises(PeerRefused):
        write(retries=False)
    write(retries=False)
    assert server.connections == 2
