"""How an answer of HTTP is read off a socket: where it ends, and what is none."""

import gzip
import socket
import time
import zlib

import pytest

from integrations.answers import MAX_BODY, MAX_HEAD, Answer, BadAnswer, receive

OK = b"HTTP/1.1 200 OK\r\n"


def read(*pieces: bytes, ends: bool = False, seconds: float = 0.2) -> Answer:
    """Read what comes in these pieces, one send each."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.setblocking(False)
        for piece in pieces:
            theirs.sendall(piece)
        if ends:
            theirs.shutdown(socket.SHUT_WR)
        return receive(ours, seconds)


def test_an_answer_has_its_status_headers_and_body_and_its_connection_lasts() -> None:
    found = read(OK + b"Content-Length: 2\r\nRetry-After:  7 \r\n\r\n{}")
    assert found == Answer(200, {"content-length": "2", "retry-after": "7"}, b"{}", lasting=True)


def test_a_reason_may_be_missing_and_a_header_come_twice() -> None:
    found = read(b"HTTP/1.1 404\r\nX: a\r\nX: b\r\nContent-Length: 0\r\n\r\n")
    assert (found.status, found.headers["x"], found.lasting) == (404, "a, b", True)


def test_chunks_are_put_together_and_their_trailers_left_out() -> None:
    body = b'5;of=2\r\n{"a":\r\n3\r\n 1}\r\n0\r\nDigest: x\r\n\r\n'
    found = read(OK + b"Transfer-Encoding: Chunked\r\n\r\n", body)
    assert (found.body, found.lasting, "digest" in found.headers) == (b'{"a": 1}', True, False)


def test_without_a_length_the_body_ends_with_the_connection() -> None:
    found = read(OK + b"\r\n{", b"}", ends=True)
    assert (found.body, found.lasting) == (b"{}", False)


@pytest.mark.parametrize("status", [204, 304])
def test_some_statuses_have_no_body_whatever_their_headers_say(status: int) -> None:
    found = read(b"HTTP/1.1 %d Nothing\r\nContent-Length: 5\r\n\r\n" % status)
    assert (found.body, found.lasting) == (b"", True)


def test_announcements_are_passed_over() -> None:
    hints = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
    assert read(hints + OK + b"Content-Length: 2\r\n\r\n{}").headers == {"content-length": "2"}


@pytest.mark.parametrize(
    "answer",
    [
        OK + b"Content-Length: 2\r\nConnection: Close\r\n\r\n{}",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        OK + b"Content-Length: 2\r\n\r\n{}HTTP/1.1 200 OK\r\n",
    ],
    ids=["said to close", "of HTTP/1.0", "with more than an answer"],
)
def test_a_connection_does_not_last(answer: bytes) -> None:
    found = read(answer)
    assert (found.body, found.lasting) == (b"{}", False)


@pytest.mark.parametrize(
    ("coding", "packed"),
    [("gzip", gzip.compress(b"{}")), ("X-GZip", gzip.compress(b"{}")), ("deflate", zlib.compress(b"{}"))],
    ids=["gzip", "X-GZip", "deflate"],
)
def test_what_is_packed_though_nobody_asked_for_it_is_unpacked(coding: str, packed: bytes) -> None:
    head = f"Content-Encoding: {coding}\r\nContent-Length: {len(packed)}\r\n\r\n"
    assert read(OK + head.encode() + packed).body == b"{}"


CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
BOMB = gzip.compress(b"x" * (MAX_BODY + 1))
BAD = {
    "nothing": b"",
    "another protocol": b"SSH-2.0-OpenSSH\r\n\r\n",
    "a status of four digits": b"HTTP/1.1 2000 OK\r\n\r\n",
    "a space before the colon": OK + b"Content-Length : 2\r\n\r\n{}",
    "no colon": OK + b"Content-Length\r\n\r\n{}",
    "a folded header": OK + b"X: a\r\n  b\r\nContent-Length: 2\r\n\r\n{}",
    "a length given twice": OK + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    "two lengths": OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} ",
    "a negative length": OK + b"Content-Length: -2\r\n\r\n{}",
    "a length and chunks": OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "another transfer coding": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "a body cut short": OK + b"Content-Length: 3\r\n\r\n{}",
    "a length too large": OK + b"Content-Length: %d\r\n\r\n" % (MAX_BODY + 1),
    "a chunk that is too long": CHUNKED + b"1\r\n{}\r\n0\r\n\r\n",
    "a chunk too large": CHUNKED + b"%x\r\n" % (MAX_BODY + 1),
    "a chunk without a length": CHUNKED + b"\r\n{}\r\n",
    "chunks cut short": CHUNKED + b"2\r\n{}\r\n",
    "no gzip": OK + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
    "half a gzip": OK + b"Content-Encoding: gzip\r\nContent-Length: 12\r\n\r\n" + gzip.compress(b"{}")[:12],
    "a gzip that unpacks to too much": OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(BOMB) + BOMB,
    "a coding that nobody knows": OK + b"Content-Encoding: br\r\nContent-Length: 2\r\n\r\n{}",
    "an endless head": OK + b"X: " + b"x" * (MAX_HEAD + 70_000),
}


@pytest.mark.parametrize("sent", BAD.values(), ids=BAD.keys())
def test_it_is_no_answer(sent: bytes) -> None:
    with pytest.raises(BadAnswer):
        read(sent, ends=True)


def test_a_refusal_is_one_whatever_becomes_of_its_words() -> None:
    found = read(b"HTTP/1.1 409 No\r\nContent-Length: 9\r\n\r\n{", ends=True)
    assert found == Answer(409, {"content-length": "9"}, b"", lasting=False)


def test_what_comes_after_an_answer_is_no_part_of_it() -> None:
    found = read(OK + b"Content-Length: 2\r\n\r\n{}" + b"HTTP/1.1 500 No\r\nX: y\r\nContent-Length: 1\r\n\r\nz")
    assert found == Answer(200, {"content-length": "2"}, b"{}", lasting=False)


def test_silence_ends_with_the_time() -> None:
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        read(OK + b"Content-Length: 2\r\n\r\n{", seconds=0.05)
    assert time.monotonic() - began < 1


def test_without_time_nothing_is_read() -> None:
    with pytest.raises(TimeoutError, match="not complete in time"):
        read(OK + b"Content-Length: 0\r\n\r\n", seconds=-1)
