"""Bodies, headers and encodings that nobody means well by: refused at once, by every address that takes a body."""

import json
from functools import cache
from typing import Any

import pytest
from django.test import Client

from tests.dose import dose
from tests.functional.access.fixtures import clients_fixture, key_server_fixture, stage_fixture  # noqa: F401
from tests.functional.access.stage import Stage, changed
from tests.functional.hostile.operations import Operation, operations
from tests.functional.served import Address, exchange, gunicorn_fixture  # noqa: F401

pytestmark = pytest.mark.slow

TEN_MEGABYTES = 10 * 1024 * 1024
FORM = "application/x-www-form-urlencoded"
OF_BODY = [operation for operation in operations() if operation.fields]
TYPES = [
    "", "text/plain", "application/xml", "text/html", FORM, "multipart/form-data; boundary=x",
    "application/octet-stream",
    "application/jsonx", "application/vnd.api+json", "a/b/c", "\u00fc", "application/json; charset=utf-7",
    "application/json; charset=unicode_escape", "application/json; charset=hex", "application/json; charset=\x00",
    "application/json; charset=nothing", "text/plain; a*=x'y'z", f"{FORM}; charset=rot13",
]  # fmt: skip


@cache
def large() -> dict[str, str]:
    """Bodies of ten megabytes, made when they are first needed: each of xdist's processes imports this module."""
    return {
        "one text": json.dumps({"a": "x" * TEN_MEGABYTES}),
        "many members": json.dumps({f"m{number}": number for number in range(700_000)}),
        "many items": json.dumps([1] * 4_000_000),
        "deep": "[" * TEN_MEGABYTES,
        "blanks": " " * TEN_MEGABYTES,
    }


def target(stage: Stage, operation: Operation) -> str:
    return operation.address.format(**stage.named(operation.order()))


def refused(response: Any, *statuses: int) -> None:
    assert response.status_code in statuses, (response.status_code, response.content[:300])
    assert json.loads(response.content)["detail"]


@pytest.mark.parametrize("operation", OF_BODY, ids=lambda operation: operation.name)
def test_a_body_of_ten_megabytes_is_refused(stage: Stage, clients: dict[str, Client], operation: Operation) -> None:
    marks = stage.marks()
    for body in dose(large().values(), 5, operation.name):
        refused(clients["admin"].generic(operation.method, target(stage, operation), body, "application/json"), 413)
        refused(clients["admin"].generic(operation.method, target(stage, operation), body, FORM), 413, 415)
    assert changed(marks, stage.marks()) == []


@pytest.mark.parametrize("operation", OF_BODY, ids=lambda operation: operation.name)
def test_a_body_of_another_type_or_encoding_is_refused(
    stage: Stage, clients: dict[str, Client], operation: Operation
) -> None:
    marks = stage.marks()
    for kind in TYPES:
        body = json.dumps(operation.bodies()[0])
        refused(clients["admin"].generic(operation.method, target(stage, operation), body, kind), 400, 415)
    for body in ("", "null", "[]", '"text"', "1", "{", b"\xff\xfe{\x00}\x00", b"\xef\xbb\xbf{}", b"\x80", "{}{}"):
        refused(clients["admin"].generic(operation.method, target(stage, operation), body, "application/json"), 400)
    assert changed(marks, stage.marks()) == []


@pytest.mark.parametrize(
    "address", ["/admin/login/", "/admin/orders/order/bulk/", "/admin/password_change/", "/admin/orders/order/"]
)
def test_a_form_that_is_too_large_or_of_a_strange_encoding_is_refused(
    stage: Stage, clients: dict[str, Client], address: str
) -> None:
    marks, root = stage.marks(), clients["superuser"]
    many = "&".join(f"f{number}=1" for number in range(5000))
    for body in ("reason=" + "x" * TEN_MEGABYTES, many):
        assert root.generic("POST", address, body, FORM).status_code in (400, 413)
    part = b'--x\r\nContent-Disposition: form-data; name="reason"\r\n\r\n\\ud800\r\n--x--\r\n'
    for charset in ("unicode_escape", "hex", "utf-7", "utf-16", "rot13", "zlib"):
        for kind in (f"multipart/form-data; boundary=x; charset={charset}", f"{FORM}; charset={charset}"):
            assert root.generic("POST", address, part, kind).status_code == 415
            assert root.get(address, {"q": "\\ud800"}, CONTENT_TYPE=kind).status_code == 415
    assert root.generic("POST", address, "reason=1", "text/plain; a*=x'y'z").status_code == 415
    for broken in (b"", b"--x", b"\xff" * 1000, b"--x\r\nContent-Disposition: form-data; name=\r\n"):
        assert root.generic("POST", address, broken, "multipart/form-data; boundary=x").status_code in (
            200,
            302,
            400,
            403,
        )
        assert root.generic("POST", address, broken, "multipart/form-data").status_code in (200, 302, 400, 403)
    assert changed(marks, stage.marks()) == []


# --- through the real web server ---

HEADERS = [
    b"If-Match: \xff\xfe", b"X-Long: " + b"x" * 20_000, b"Content-Length: -1", b"Content-Length: 1e9", b"X: a\x00b",
    b"Content-Type: application/json; charset=hex", b"Content-Type: text/plain; a*=x'y'z",
    b"Accept: application/json; a*=x'y'z",
    b"Transfer-Encoding: gzip, chunked", b"Idempotency-Key: \xf0\x9f\x98\x80",
]  # fmt: skip


def test_over_a_real_connection_hostile_bytes_are_refused_and_nothing_is_stored(
    stage: Stage, gunicorn: Address, clients: dict[str, Client]
) -> None:
    marks = stage.marks()
    token = clients["owner"].defaults["HTTP_AUTHORIZATION"].encode()
    common = b"Host: x\r\nConnection: close\r\nAuthorization: " + token + b"\r\n"
    orders = b"/api/v1/orders/"
    assert exchange(gunicorn, b"GET " + orders + b" HTTP/1.1\r\n" + common + b"\r\n") == 200
    for path in (b"\xff\xfe", b"%ff%fe", b"%00", b"..%2f..%2f", b"a\x01b", b"%ed%a0%80", b"x" * 8000):
        assert 400 <= exchange(gunicorn, b"GET " + orders + path + b" HTTP/1.1\r\n" + common + b"\r\n") < 500, path
    for query in (b"status=\xff", b"status=%ff", b"user_id=" + b"9" * 3000, b"&" * 3000 + b"a=1", b"cursor=\x80"):
        asked = b"GET " + orders + b"?" + query + b" HTTP/1.1\r\n" + common + b"\r\n"
        assert 400 <= exchange(gunicorn, asked) < 500, query
    for header in HEADERS:
        sent = b"POST " + orders + b" HTTP/1.1\r\n" + common + header + b"\r\n\r\n"
        assert 400 <= exchange(gunicorn, sent) < 500, header
    assert changed(marks, stage.marks()) == []


def test_over_a_real_connection_ten_megabytes_are_refused_in_pieces_too(
    stage: Stage, gunicorn: Address, clients: dict[str, Client]
) -> None:
    marks = stage.marks()
    token = clients["owner"].defaults["HTTP_AUTHORIZATION"].encode()
    head = b"POST /api/v1/orders/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
    head += b"Authorization: " + token + b"\r\n"
    piece = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    chunked = piece * (TEN_MEGABYTES // 0x10000) + b"0\r\n\r\n"
    assert exchange(gunicorn, head + b"Transfer-Encoding: chunked\r\n\r\n", chunked) == 411
    length = f"Content-Length: {TEN_MEGABYTES}\r\n\r\n".encode()
    assert exchange(gunicorn, head + length, b" " * TEN_MEGABYTES) == 413
    assert changed(marks, stage.marks()) == []
