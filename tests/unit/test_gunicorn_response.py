"""An answer is what gunicorn's own would be, byte by byte, in fewer packets."""

import re
import socket
from pathlib import Path
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.http import wsgi
from gunicorn.http.parser import RequestParser

from orders_project.gunicorn_response import Response

LENGTH = ("Content-Length", "5")


def packets(
    response_class: Any, method: str, status: str, headers: list[tuple[str, str]], body: Any, *, kind: int
) -> list[bytes]:
    """What an answer puts on a socket that keeps apart what is sent apart."""
    cfg = Config()
    ours, theirs = socket.socketpair(socket.AF_UNIX, kind)
    with ours, theirs:
        theirs.sendall(f"{method} / HTTP/1.1\r\nHost: here\r\n\r\n".encode())
        request = next(RequestParser(cfg, ours, ("127.0.0.1", 1)))
        response = response_class(request, ours, cfg)
        response.start_response(status, headers)
        if isinstance(body, wsgi.FileWrapper):
            response.write_file(body)
        else:
            for part in body:
                response.write(part)
        response.close()
        ours.shutdown(socket.SHUT_WR)
        sent = list(iter(lambda: theirs.recv(100_000), b""))
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
    own = packets(Response, method, status, headers, body, kind=socket.SOCK_SEQPACKET)
    theirs = packets(wsgi.Response, method, status, headers, body, kind=socket.SOCK_SEQPACKET)
    assert b"".join(own) == b"".join(theirs)
    assert len(own) == in_packets <= len(theirs)


@pytest.mark.parametrize("headers", [[("Content-Length", "9")], []], ids=repr)
def test_a_file_follows_its_head(headers: list[tuple[str, str]], tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"some text")
    own, theirs = (_sent_file(each, tmp_path / "file", headers) for each in (Response, wsgi.Response))
    assert own == theirs
    assert b"\r\n\r\n" in own
    assert b"some text" in own.partition(b"\r\n\r\n")[2]


def _sent_file(response_class: Any, path: Path, headers: list[tuple[str, str]]) -> bytes:
    with path.open("rb") as file:
        body = wsgi.FileWrapper(file)
        return b"".join(packets(response_class, "GET", "200 OK", headers, body, kind=socket.SOCK_STREAM))
