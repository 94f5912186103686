"""An answer of HTTP/1.1 (RFC 9112), read off a socket: whole and in time, or not at all.

`httptools` (Node's parser) says what the bytes mean; when to stop waiting for more, and how much is too much, is said
here. `http.client` with what urllib3 and requests put around it would take most of a small call's processor time.
"""

import socket
import time
import zlib
from dataclasses import dataclass

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

MAX_BODY = 1024 * 1024
"""Bytes, decoded."""
MAX_HEAD = 64 * 1024
"""Bytes of the headers, and of whatever else is not the body."""
_RECEIVED = 64 * 1024
_CODED = {"gzip": 31, "x-gzip": 31, "deflate": 15}
"""How zlib calls what some servers send though they were asked not to."""


class BadAnswer(ValueError):
    """What came is not an answer, not a whole one, or too large."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer. `headers` by their names in lower case; only a 2xx surely has its body.

    :ivar lasting: whether the connection may be used again.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    lasting: bool


class _Reading:
    """What the parser has told so far; its methods are called by it."""

    def __init__(self) -> None:
        self.parser = HttpResponseParser(self)
        self.status, self.complete, self.lasting = 0, False, False
        self.headers: dict[str, str] = {}
        self.body = bytearray()
        self._spare = MAX_HEAD

    def take(self, data: bytes) -> None:
        """:raises BadAnswer: this cannot become an answer any more."""
        before = len(self.body)
        try:
            self.parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:  # 101: what follows is no HTTP any more
            if not self.complete:
                raise BadAnswer(f"what came is no HTTP/1.1: {error}") from error
            self.lasting = False  # more came than the answer
        self._spare -= len(data) - (len(self.body) - before)
        if self._spare < 0:
            raise BadAnswer(f"headers of more than {MAX_HEAD} bytes")
        if len(self.body) > MAX_BODY:
            raise _too_large()

    def end(self) -> None:
        """The other side has closed the connection: a body that says nothing of its length is whole now."""
        if not self.status or "content-length" in self.headers or "transfer-encoding" in self.headers:
            raise BadAnswer("the connection ended before the answer did")
        self.complete = True

    def on_message_begin(self) -> None:
        if self.complete:
            self.lasting = False  # nobody has asked for another
        else:
            self.status, self.headers = 0, {}

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.status:
            return  # a trailer: says nothing here
        key, text = name.decode("latin-1").lower(), value.decode("latin-1").strip(" \t")
        self.headers[key] = f"{self.headers[key]}, {text}" if key in self.headers else text

    def on_headers_complete(self) -> None:
        status = self.parser.get_status_code()
        if status >= 200 and not self.complete:  # lower ones announce the answer
            self.status, self.lasting = status, self.parser.should_keep_alive()

    def on_body(self, data: bytes) -> None:
        if not self.complete:
            self.body += data

    def on_message_complete(self) -> None:
        self.complete = self.complete or self.status > 0


def receive(sock: socket.socket, seconds: float) -> Answer:
    """Read the answer to one request (not to HEAD or CONNECT), within so many seconds in all.

    :raises BadAnswer: see there.
    :raises OSError: the connection broke, or time was up (TimeoutError).
    """
    reading = _Reading()
    try:
        _read_to_its_end(reading, sock, time.monotonic() + seconds)
        body = _decoded(reading)
    except (BadAnswer, OSError):
        if reading.status < 300:
            raise
        return Answer(reading.status, reading.headers, b"", lasting=False)  # it refuses, whatever became of its words
    return Answer(reading.status, reading.headers, body, reading.lasting)


def _read_to_its_end(reading: _Reading, sock: socket.socket, until: float) -> None:
    while not reading.complete:
        left = until - time.monotonic()
        if left <= 0:  # who dribbles gains nothing
            raise TimeoutError("the answer was not complete in time")
        sock.settimeout(left)
        if came := sock.recv(_RECEIVED):
            reading.take(came)
        else:
            reading.end()


def _decoded(reading: _Reading) -> bytes:
    if reading.headers.get("transfer-encoding", "chunked").lower() != "chunked":
        raise BadAnswer("the body's transfer coding is not known")
    body, coding = bytes(reading.body), reading.headers.get("content-encoding", "identity").lower()
    if coding in ("identity", ""):
        return body
    if coding not in _CODED:
        raise BadAnswer("the body's coding is not known")
    unpacking = zlib.decompressobj(wbits=_CODED[coding])
    try:
        unpacked = unpacking.decompress(body, MAX_BODY + 1)
    except zlib.error as error:
        raise BadAnswer("the body is not of the coding that it is said to be") from error
    if len(unpacked) > MAX_BODY:
        raise _too_large()
    if not unpacking.eof:
        raise BadAnswer("the body is not complete")
    return unpacked


def _too_large() -> BadAnswer:
    return BadAnswer(f"the body is larger than {MAX_BODY} bytes")
