"""Bodies that end before they are whole, over a real connection to a real gunicorn: refused, and nothing happens."""

import json
import time

import pytest
from django.test import Client

from tests.functional.access.fixtures import clients_fixture, key_server_fixture, stage_fixture  # noqa: F401
from tests.functional.access.stage import Stage, changed
from tests.functional.hostile.operations import Operation, operations
from tests.functional.served import Address, converse, exchange, gunicorn_fixture, hang_up  # noqa: F401

pytestmark = pytest.mark.slow

WRITES = [operation for operation in operations() if operation.method != "GET"]


def requests_of(stage: Stage, client: Client, operation: Operation) -> list[tuple[bytes, bytes]]:
    """Requests of one operation, as head and body, that would be carried out if they were whole."""
    target = operation.address.format(**stage.named(operation.order()))
    head = (
        f"{operation.method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
        f"Authorization: {client.defaults['HTTP_AUTHORIZATION']}\r\n"
    )
    whole = [json.dumps(body).encode() for body in operation.bodies()] or [b"{}"]
    cut = [(body[:sent], len(body)) for body in whole for sent in (0, len(body) // 2, len(body) - 1)]
    cut += [(body, len(body) + missing) for body in whole for missing in (1, 100)]
    return [(f"{head}Content-Length: {length}\r\n\r\n".encode(), body) for body, length in cut]


@pytest.mark.parametrize("operation", WRITES, ids=lambda operation: operation.name)
def test_a_cut_body_is_refused_and_nothing_happens(
    stage: Stage, gunicorn: Address, clients: dict[str, Client], operation: Operation
) -> None:
    marks = stage.marks()
    for head, body in requests_of(stage, clients["admin"], operation):
        answer = converse(gunicorn, head, body, ends=True)
        assert answer.startswith(b"HTTP/1.1 400 "), (head, body, answer)
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "body_cut_off"
    assert changed(marks, stage.marks()) == []


def test_a_client_that_hangs_up_in_the_middle_of_a_body_has_asked_for_nothing(
    stage: Stage, gunicorn: Address, clients: dict[str, Client]
) -> None:
    marks = stage.marks()
    for operation in WRITES:
        for head, body in requests_of(stage, clients["admin"], operation):
            hang_up(gunicorn, head + body)
    time.sleep(1)  # a placement, the longest of them, takes a twentieth of that
    assert changed(marks, stage.marks()) == []


def test_the_same_requests_are_carried_out_when_they_are_whole(
    stage: Stage, gunicorn: Address, clients: dict[str, Client]
) -> None:
    before = stage.snapshot()
    for operation in WRITES:
        for body in operation.bodies() or [{}]:
            [(head, _), *_] = requests_of(stage, clients["admin"], operation)
            written = json.dumps(body).encode()
            head = head.partition(b"Content-Length")[0] + f"Content-Length: {len(written)}\r\n\r\n".encode()
            assert exchange(gunicorn, head, written, ends=True) in (200, 201, 202, 204), operation.name
            stage.restore(before)


def test_a_cut_form_is_refused_in_the_backoffice_too(stage: Stage, gunicorn: Address) -> None:
    marks = stage.marks()
    head = b"POST /admin/login/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 100\r\n"
    for kind in (b"application/x-www-form-urlencoded", b"multipart/form-data; boundary=x"):
        assert exchange(gunicorn, head + b"Content-Type: " + kind + b"\r\n\r\n", b"username=a&pass", ends=True) == 400
    assert changed(marks, stage.marks()) == []
