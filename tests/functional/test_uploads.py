"""Files: nobody has one to give to this service, so none is taken, kept or even read through, at any address."""

import pytest
from django.core.files import uploadhandler
from django.test import Client

from tests.functional.access.fixtures import clients_fixture, key_server_fixture, stage_fixture  # noqa: F401
from tests.functional.access.stage import Stage
from tests.functional.served import Address, converse, gunicorn_fixture  # noqa: F401

ADDRESSES = [
    "/admin/login/", "/admin/", "/admin/orders/order/", "/admin/password_change/", "/admin/nothing/", "/nothing",
    "/api/v1/orders/", "/api/v1/nothing", "/api/v1/docs", "/health",
]  # fmt: skip
MULTIPART = "multipart/form-data; boundary=x"


def form(content: bytes, *, filename: str = "a.bin") -> bytes:
    text = b'--x\r\nContent-Disposition: form-data; name="username"\r\n\r\nalice\r\n'
    part = f'--x\r\nContent-Disposition: form-data; name="f"; filename="{filename}"\r\n'.encode()
    return text + part + b"Content-Type: application/octet-stream\r\n\r\n" + content + b"\r\n--x--\r\n"


@pytest.fixture(name="no_files")
def no_files_fixture(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that keeps a file, on disk or in memory, can be made."""
    monkeypatch.setattr(uploadhandler, "TemporaryUploadedFile", None)
    monkeypatch.setattr(uploadhandler, "InMemoryUploadedFile", None)


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("caller", ["nobody", "superuser", "admin"])
@pytest.mark.usefixtures("no_files")
def test_a_file_is_refused_at_every_address_whoever_sends_it(
    stage: Stage, clients: dict[str, Client], address: str, caller: str
) -> None:
    for content in (b"", b"abc", b"x" * 250_000):
        response = clients.get(caller, Client()).generic("POST", address, form(content), MULTIPART)
        if address.startswith("/api/"):
            assert response.status_code in (401, 404, 405, 415)
        else:
            assert response.status_code == 400
            assert b"Files cannot be uploaded here." in response.content


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_large_body_is_refused_before_it_is_read(stage: Stage, gunicorn: Address, address: str) -> None:
    for kind in (MULTIPART, "application/x-www-form-urlencoded", "application/octet-stream", "application/json"):
        for method in ("POST", "GET", "PUT"):
            head = (
                f"{method} {address} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: 100000000\r\n\r\n"
            )
            assert converse(gunicorn, head.encode(), form(b"")[:50]).startswith(b"HTTP/1.1 413 ")


def test_a_form_without_files_may_come_in_parts(stage: Stage, clients: dict[str, Client]) -> None:
    part = b'--x\r\nContent-Disposition: form-data; name="username"\r\n\r\nalice\r\n'
    nothing_chosen = b'--x\r\nContent-Disposition: form-data; name="f"; filename=""\r\n\r\n\r\n'
    response = Client().generic("POST", "/admin/login/", part + nothing_chosen + b"--x--\r\n", MULTIPART)
    assert response.status_code == 200
    assert b'value="alice"' in response.content


@pytest.mark.parametrize("address", ["/admin/login/", "/api/v1/orders/", "/api/v1/orders/" + "0" * 24])
@pytest.mark.parametrize("coding", ["gzip", "br", "deflate", "x-gzip", "identity, gzip", "nothing"])
def test_a_body_in_a_coding_that_is_not_read_is_refused(
    stage: Stage, clients: dict[str, Client], address: str, coding: str
) -> None:
    body = '{"user_id": "1"}'
    response = clients["admin"].generic("POST", address, body, "application/json", HTTP_CONTENT_ENCODING=coding)
    assert response.status_code == 415
    assert response["Accept-Encoding"] == "identity"


def test_a_body_that_says_that_it_is_not_coded_is_read(stage: Stage, clients: dict[str, Client]) -> None:
    for coding in ("identity", "Identity", ""):
        response = clients["admin"].post("/api/v1/orders/", {}, "application/json", HTTP_CONTENT_ENCODING=coding)
        assert (response.status_code, response.json()["code"]) == (400, "invalid")
