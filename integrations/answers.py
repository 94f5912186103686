"""An answer of HTTP/1.1 (RFC 9112), read off a socket: whole and in time, or not at all.

`http.client` and what urllib3 and requests put around it take most of a small call's processor time, and leave it
to the caller to bound time and size. What they know besides (files, streams, redirects, cookies) no peer needs.
"""

import re
import socket
import time
import zlib
from dataclasses import dataclass

MAX_BODY = 1024 * 1024
"""Bytes, decoded."""
MAX_HEAD = 64 * 1024
"""Bytes of a status line and its headers, and of a line of a chunked body."""
_RECEIVED = 64 * 1024

_STATUS = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: [^\r\n]*)?")
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n\0]*)")
_LENGTH = re.compile(r"[0-9]{1,18}")
_FOLD = re.compile(rb"\r\n[ \t]+")
_CHUNK = re.compile(rb"([0-9a-fA-F]{1,8})[ \t]*(?:;[^\r\n]*)?")
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


class _Incoming:
    """The bytes that come from a socket until a moment; who dribbles gains nothing."""

    def __init__(self, sock: socket.socket, seconds: float) -> None:
        self._sock = sock
        self._until = time.monotonic() + seconds
        self._held = b""

    @property
    def spent(self) -> bool:
        """Whether nothing is held that nobody has asked for."""
        return not self._held

    def _more(self) -> bool:
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer was not complete in time")
        self._sock.settimeout(left)
        came = self._sock.recv(_RECEIVED)
        self._held = self._held + came if self._held else came
        return bool(came)

    def upto(self, end: bytes) -> bytes:
        """What comes before `end`, which is taken off too."""
        while (at := self._held.find(end)) < 0:
            if len(self._held) > MAX_HEAD:
                raise BadAnswer(f"a head or a line is longer than {MAX_HEAD} bytes")
            if not self._more():
                raise BadAnswer("the connection ended before the answer did")
        found, self._held = self._held[:at], self._held[at + len(end) :]
        return found

    def exactly(self, count: int) -> bytes:
        if len(self._held) < count:
            parts = bytearray(self._held)
            while len(parts) < count:
                self._held = b""
                if not self._more():
                    raise BadAnswer("the connection ended before the answer did")
                parts += self._held
            self._held = bytes(parts)
        found, self._held = self._held[:count], self._held[count:]
        return found

    def rest(self) -> bytes:
        """Everything until the other side ends the connection."""
        parts = bytearray(self._held)
        self._held = b""
        while len(parts) <= MAX_BODY and self._more():
            parts += self._held
            self._held = b""
        return bytes(parts)


def receive(sock: socket.socket, seconds: float) -> Answer:
    """Read the answer to one request (not to HEAD or CONNECT), within so many seconds in all.

    :raises BadAnswer: see there.
    :raises OSError: the connection broke, or time was up (TimeoutError).
    """
    incoming = _Incoming(sock, seconds)
    minor, status, headers = _head(incoming)
    while 100 <= status < 200:  # "Continue" and the like announce the answer; nobody has asked to switch protocols
        minor, status, headers = _head(incoming)
    try:
        body, framed = _body(incoming, status, headers)
    except (BadAnswer, OSError):
        if 200 <= status < 300:
            raise
        return Answer(status, headers, b"", lasting=False)  # a refusal is a refusal by its status, whatever its words
    lasting = framed and incoming.spent and minor == b"1" and "close" not in headers.get("connection", "").lower()
    return Answer(status, headers, body, lasting)


def _head(incoming: _Incoming) -> tuple[bytes, int, dict[str, str]]:
    first, *lines = _FOLD.sub(b" ", incoming.upto(b"\r\n\r\n")).split(b"\r\n")
    status = _STATUS.fullmatch(first)
    if status is None:
        raise BadAnswer("what came is no HTTP/1.1")
    headers: dict[str, str] = {}
    for line in lines:
        header = _HEADER.fullmatch(line)
        if header is None:
            raise BadAnswer("a header is malformed")
        name, value = header[1].decode("ascii").lower(), header[2].decode("latin-1").rstrip(" \t")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return status[1], int(status[2]), headers


def _body(incoming: _Incoming, status: int, headers: dict[str, str]) -> tuple[bytes, bool]:
    """The body, and whether the answer itself says where it ends (RFC 9112, section 6.3)."""
    coding, length = headers.get("transfer-encoding"), headers.get("content-length")
    framed = True
    if status in (204, 304):
        body = b""
    elif coding is not None:
        if coding.lower() != "chunked" or length is not None:
            raise BadAnswer("it is not clear where the body ends")
        body = _chunks(incoming)
    elif length is not None:
        body = incoming.exactly(_size(length))
    else:
        body, framed = incoming.rest(), False
    return _decoded(_bounded(body), headers.get("content-encoding", "identity").lower()), framed


def _size(length: str) -> int:
    given = {each.strip() for each in length.split(",")}  # the same twice is once
    if len(given) > 1 or not _LENGTH.fullmatch(number := given.pop()):
        raise BadAnswer("the body's length is no number")
    if int(number) > MAX_BODY:
        raise _too_large()
    return int(number)


def _chunks(incoming: _Incoming) -> bytes:
    body = bytearray()
    while True:
        size = _CHUNK.fullmatch(incoming.upto(b"\r\n"))
        if size is None:
            raise BadAnswer("the length of a chunk is no number")
        if (count := int(size[1], 16)) == 0:
            break
        if len(body) + count > MAX_BODY:
            raise _too_large()
        body += incoming.exactly(count)
        if incoming.exactly(2) != b"\r\n":
            raise BadAnswer("a chunk is longer than it says")
    while incoming.upto(b"\r\n"):  # trailers say nothing here
        pass
    return bytes(body)


def _decoded(body: bytes, coding: str) -> bytes:
    if coding in ("identity", ""):
        return body
    if coding not in _CODED:
        raise BadAnswer("the body's coding is not known")
    unpacking = zlib.decompressobj(wbits=_CODED[coding])
    try:
        unpacked = unpacking.decompress(body, MAX_BODY + 1)
    except zlib.error as error:
        raise BadAnswer("the body is not of the coding that it is said to be") from error
    if not unpacking.eof and len(unpacked) <= MAX_BODY:
        raise BadAnswer("the body is not complete")
    return _bounded(unpacked)


def _bounded(body: bytes) -> bytes:
    if len(body) > MAX_BODY:
        raise _too_large()
    return body


def _too_large() -> BadAnswer:
    return BadAnswer(f"the body is larger than {MAX_BODY} bytes")
