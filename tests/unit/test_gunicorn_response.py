"""An answer is what gunicorn's own would be, byte by byte, in fewer packets."""

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.http import wsgi
from gunicorn.http.parser import RequestParser

from orders_project.gunicorn_response import Response

LENGTH = ("Content-Length", "5")
(GUNICORNS,) = Response.__bases__
"""Not what `gunicorn.http.wsgi` calls so once a worker of ours has begun in this process."""


@contextmanager
def answering(response_class: Any, method: str, kind: int = socket.SOCK_SEQPACKET) -> Iterator[tuple[Any, Any]]:
    """An answer that is to be given, and the client's end, which keeps apart what is sent apart."""
    cfg = Config()
    ours, theirs = socket.socketpair(socket.AF_UNIX, kind)
    with ours, theirs:
        theirs.sendall(f"{method} / HTTP/1.1\r\nHost: here\r\n\r\n".encode())
        request = next(RequestParser(cfg, ours, ("127.0.0.1", 1)))
        yield response_class(request, ours, cfg), theirs


def packets(
    response_class: Any, method: str, status: str, headers: list[tuple[str, str]], body: Any, **options: Any
) -> list[bytes]:
    """What a whole answer puts on the wire."""
    with answering(response_class, method, **options) as (response, client):
        response.start_response(status, headers)
        if isinstance(body, wsgi.FileWrapper):
            response.write_file(body)
        else:
            for part in body:
                response.write(part)
        response.close()
        response.sock.shutdown(socket.SHUT_WR)
        sent = list(iter(lambda: client.recv(100_000), b""))
    return [re.sub(rb"Date: [^\r]*", b"Date: now", packet) for packet in sent]


@pytest.mark.parametrize(
    ("method", "status", "headers", "body", "in_packets"),
    [
        ("GET", "200 OK", [LENGTH], [b"hello"], 1),
        ("GET", "200 OK", [LENGTH], [b"he", b"llo"], 2),
        ("GET", "200 OK", [], [b"hello", b"again"], 4),
        ("GET", "200 OK", [("Content-Length", "0")], [b""], 1),
        ("GET", "200 OK", [], [], 2),
        ("HEAD", "200 OK", [LENGTH], [], 1),
        ("GET", "304 Not Modified", [("ETag", '"7"')], [], 1),
        ("DELETE", "204 No Content", [], [b""], 1),
        ("GET", "200 OK", [LENGTH], [b"hello, and more than was said"], 1),
    ],
    ids=repr,
)
def test_an_answer_is_the_same_in_fewer_packets(
    method: str, status: str, headers: list[tuple[str, str]], body: list[bytes], in_packets: int
) -> None:
    own = packets(Response, method, status, headers, body)
    theirs = packets(GUNICORNS, method, status, headers, body)
    assert b"".join(own) == b"".join(theirs)
    assert len(own) == in_packets <= len(theirs)


@pytest.mark.parametrize("headers", [[("Content-Length", "9")], []], ids=repr)
def test_a_file_follows_its_head(headers: list[tuple[str, str]], tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"some text")
    own, theirs = (_sent_file(each, tmp_path / "file", headers) for each in (Response, GUNICORNS))
    assert own == theirs
    assert b"\r\n\r\n" in own
    assert b"some text" in own.partition(b"\r\n\r\n")[2]


def _sent_file(response_class: Any, path: Path, headers: list[tuple[str, str]]) -> bytes:
    with path.open("rb") as file:
        body = wsgi.FileWrapper(file)
        return b"".join(packets(response_class, "GET", "200 OK", headers, body, kind=socket.SOCK_STREAM))


def test_the_head_of_an_answer_without_a_body_is_not_kept_waiting() -> None:
    with answering(Response, "HEAD") as (response, client):
        response.start_response("200 OK", [LENGTH])
        response.write(b"the first part, which is not sent")
        assert client.recv(10_000).startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize("part", [b"", "no bytes"], ids=repr)
def test_what_fails_before_anything_went_out_can_still_be_answered_otherwise(part: Any) -> None:
    with answering(Response, "GET") as (response, client):
        response.start_response("200 OK", [])
        with suppress(TypeError):
            response.write(part)
        assert not response.headers_sent
        client.setblocking(False)
        with pytest.raises(BlockingIOError):
            client.recv(1)
