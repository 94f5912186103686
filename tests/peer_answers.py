"""What a peer can answer: well, badly, or as somebody who means harm; made up by chance, the same for the same seed.

An answer is made of parts, so that it is known what it says: `status` is that of a head which nobody can misread, and
`good` whether all of it is as it should be. Where doubts were put in, they are None and False.
"""

import gzip
import socket
import zlib
from dataclasses import dataclass
from random import Random

from tests.raw_server import abort

PRODUCT = "665f1c0a9b1e8a0012a4aaaa"
QUANTITY = 2
SAID: dict[str, tuple[tuple[str, str], ...]] = {
    "verify": (("valid", "true"), ("user_id", "1"), ("email", '"a@example.com"'), ("full_name", '"A"')),
    "product": (
        *(("_id", f'"{PRODUCT}"'), ("name", '"Lamp"'), ("price", "19.99"), ("category", '"light"')),
        *(("sku", '"LA-1"'), ("image_url", '"https://img.example/1.png"'), ("currency", '"EUR"')),
    ),
    "check": (("available", "true"), ("current_quantity", "9"), ("requested_quantity", "2")),
    "stock": (("product_id", f'"{PRODUCT}"'), ("available_quantity", "9"), ("reserved_quantity", "3")),
    "reserve": (("reserved", "true"), ("product_id", f'"{PRODUCT}"'), ("quantity", "2"), ("available_quantity", "7")),
    "release": (("released", "true"), ("product_id", f'"{PRODUCT}"'), ("quantity", "2"), ("available_quantity", "9")),
}
"""The members of each operation's good answer, their values as they are written."""

NUMBERS = (
    "0e99999999999999999999", "1e-99999999999999999999", "-1e99999999999999999999", "1E+999999", "1e-999999", "1e400",
    "-0", "-0.0", "-1", "0", "0.1", "0.30000000000000004", "1.0", "2.0", "2e0", "20e-1", "1e5", "4294967298",
    "9223372036854775808", "1" * 4300, "9" * 10_000, "-" + "9" * 10_000, "0." + "1" * 10_000, "1" * 400 + ".5",
    "NaN", "Infinity", "-Infinity", "01", "+1", "1.", ".5", "0x2", "2 2", "1_000", "\u0662",
)  # fmt: skip
TEXTS = (
    '""', '"true"', '"2"', '"\\ud800"', '"\\udc00\\ud800"', '"\\u0000"', '"\\u202e"', '"a\\r\\nERROR forged"', '"\x00"',
    '"\ud83d\ude00"'.encode("utf-16", "surrogatepass").decode("utf-16"), f'"{"x" * 100_000}"', '"unclosed', "'2'",
)  # fmt: skip
WORDS = ("null", "true", "false", "True", "[]", "{}", "[true]", '{"$oid": "x"}', "")
WHEN = (
    "0", "7", " 120 ", "-1", "+5", "1.5", "1e3", "9" * 9, "9" * 12, "9" * 400, "9" * 5000, "soon", "", "5, 7", "\xb2",
    "Thu, 01 Jan 1970 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "Fri, 31 Dec 9999 23:59:59 -2359",
    "Mon, 01 Jan 0001 00:00:00 +2359", "Fri, 31 Dec 99999 23:59:59 GMT", "Thu, 99 Jan 2026 99:99:99 GMT",
    "Thu, 01 Jan 2026 00:00:00 +9999", "Thu, 01 Jan 2026 00:00:00 +999999999999999999", "Thu", ",,,",
    "Thu, 01 Jan 999999999999999999999 00:00:00 GMT", "Sun Nov  6 08:49:37 1994", "Sunday, 06-Nov-94 08:49:37 GMT",
    "Thu, 30 Feb 2040 00:00:00 GMT", "Thu, 01 Jan 2099 00:00:60 GMT", "Thu, 01 Jan 2099 \xff GMT",
)  # fmt: skip
ODD_HEADERS = (
    "Content-Length: -2", "Content-Length: +2", "Content-Length: 2, 3", "Content-Length: 99999999999999999999999999",
    "Content-Length: 0x2", "Content-Length:", "Content-Length: 2\r\nContent-Length: 3",
    "Transfer-Encoding: gzip, chunked", "Transfer-Encoding: chunked, chunked", "Transfer-Encoding: ,chunked",
    "Transfer-Encoding: identity",
    "Transfer-Encoding: chunked\r\nContent-Length: 2", "No colon", ": no name", "Sp ace: x", "X : y", " folded: x",
    "X: a\r\n  folded", "X: \x00", "X: \x7f\x01", "X\x00Y: z", "X: a\rb", "X: a\n", "\xe4: \xf6", f"X: {70_000 * 'x'}",
    "Content-Encoding: br", "Content-Encoding: gzip", "Content-Encoding: deflate", "Content-Encoding: gzip, gzip",
    "Connection: upgrade\r\nUpgrade: websocket", "Upgrade: h2c", "Connection: upgrade, close",
)  # fmt: skip
PLAIN_HEADERS = (
    "Content-Type: application/json", "Content-Type: text/html; charset=utf-16", "Server: \xe4\xf6",
    "Connection: close", "Connection: keep-alive", "Keep-Alive: timeout=0", "Set-Cookie: a=b; Path=/", "X-Empty:",
    "Location: //elsewhere/[",
    "ETag: W/\"1\"", "Date: nonsense", "WWW-Authenticate: Bearer",
)  # fmt: skip
STARTS = (
    b"", b"\r\n\r\n", b"HTTP/1.1", b"HTTP/2 200 OK\r\n\r\n", b"HTTP/0.9 200 OK\r\n\r\n", b"http/1.1 200 OK\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\x00\x00\x12\x04\x00\x00\x00\x00\x00", b"SSH-2.0-OpenSSH\r\n",
    b"\x16\x03\x01\x02", b"ICY 200 OK\r\n\r\n", b"HTTP/1.1 2000 OK\r\n\r\n", b"HTTP/1.1 20 OK\r\n\r\n",
    b"HTTP/1.1 -200 OK\r\n\r\n", b"HTTP/1.1  200 OK\r\n\r\n", b"HTTP/1.1 OK\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x05Hello",
    b"HTTP/1.1 100 Continue\r\n" * 2 + b"\r\n", b"HTTP/1.1 199 ?\r\nContent-Length: 5\r\n\r\nabcde",
    b"HTTP/1.1 100 Continue\r\n\r\n" * 3000, b'{"reserved": true, "quantity": 2}',
)  # fmt: skip
ANNOUNCED = (
    b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 102 Processing\r\n\r\n",
    b"HTTP/1.1 103 Hints\r\nLink: x\r\nRetry-After: 9\r\n\r\n",
)  # fmt: skip
STATUSES = (
    200, 200, 200, 200, 201, 202, 204, 205, 206, 226, 300, 301, 304, 307, 400, 401, 403, 404, 405, 408, 409, 410, 413,
    418, 421, 422, 425, 429, 451, 499, 500, 500, 501, 502, 503, 503, 504, 511, 599, 600, 999,
)  # fmt: skip
REASONS = (" OK", " ", "", " \xe4\xf6", " 503 Service Unavailable")
BODIES = (
    b"", b"null", b"[]", b"{}", b'"reserved"', b"<html>Bad Gateway</html>", b"\xff\xfe{\x00}\x00", b"\xef\xbb\xbf{}",
    b"{" * 100_000, b'{"exists": true}', b'{"available": 50, "sufficient": true}', b'{"reserved": 1}', b"{}{}", b"\x00",
    b'{"reserved": true, "quantity": 2', b'{"reserved": true, "quantity": 2}}', b"x" * 1_100_000,
)  # fmt: skip
EXTENSIONS = (b"", b";a=b", b';a="' + b"x" * 300 + b'"')
TRAILERS = (b"", b"", b"Digest: x\r\n", b"Retry-After: 5\r\n")
CHUNKS = (
    b"zz\r\n",
    b"-1\r\n",
    b"f" * 20 + b"\r\n",
    b"5\n",
    b"\r\n",
    b"1\r\nab\r\n",
    b";\r\n",
    b"7" + b"f" * 15 + b"\r\n",
)
ENDS = ("closed",) * 15 + ("reset", "reset", "kept")


@dataclass(frozen=True)
class Said:
    """An answer as it is sent.

    :ivar pieces: what is sent at a time.
    :ivar end: what follows: the connection is `closed`, `reset` or `kept` open in silence.
    :ivar status: of a final answer whose head is beyond doubt; else None.
    :ivar good: it is what was asked for, whole, and well-formed.
    """

    pieces: tuple[bytes, ...]
    end: str
    status: int | None
    good: bool

    @property
    def content(self) -> bytes:
        return b"".join(self.pieces)

    def __call__(self, connection: socket.socket) -> bool:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in self.pieces:
            connection.sendall(piece)
        return abort(connection) if self.end == "reset" else self.end == "kept"


def answer(random: Random, operation: str) -> Said:
    """Any answer to an operation."""
    end = random.choice(ENDS)
    if random.random() < 0.08:
        return Said((random.choice(STARTS),), end, None, good=False)
    status = random.choice(STATUSES) if random.random() < 0.8 else random.randint(200, 999)
    body, good = _body(random, operation)
    framing, sent, sound = _framed(random, body)
    headers = framing + random.sample(PLAIN_HEADERS, random.randint(0, 3))
    if random.random() < 0.4:
        headers.append(f"Retry-After: {random.choice(WHEN)}")
    clear = random.random() < 0.8
    if not clear:
        headers.append(random.choice(ODD_HEADERS))
    random.shuffle(headers)
    start = f"HTTP/{random.choice(('1.1', '1.1', '1.0'))} {status}{random.choice(REASONS)}"
    head = "\r\n".join([start, *headers, "", ""]).encode("latin-1")
    content = b"".join(random.choices(ANNOUNCED, k=random.choice((0, 0, 1, 2)))) + head + sent
    if random.random() < 0.2:
        content, clear = _damaged(random, content), False
    good = good and sound and clear and status in (200, 201, 202) and end == "closed"
    return Said(_in_pieces(random, content), end, status if clear else None, good)


def _body(random: Random, operation: str) -> tuple[bytes, bool]:
    """A body, and whether it is good."""
    kind = random.choice(("good", "good", "odd", "odd", "odd", "missing", "twice", "refused", "told", "other"))
    if kind == "other":
        return random.choice((*BODIES, random.randbytes(random.randint(1, 60)))), False
    members = list(SAID[operation])
    place = random.randrange(len(members))
    name = members[place][0]
    match kind:
        case "odd":
            members[place] = (name, _odd(random))
        case "missing":
            del members[place]
        case "twice":
            members.insert(random.randint(0, len(members)), (name, _odd(random)))
        case "refused":
            members[0] = (members[0][0], "false")
    if kind in ("refused", "told"):
        members.append((random.choice(("detail", "message")), _odd(random)))
    text = "{" + ", ".join(f'"{name}": {value}' for name, value in members) + "}"
    return text.encode(), kind == "good"


def _odd(random: Random) -> str:
    """A value that is not what anybody expects, or no JSON at all."""
    depth = random.randint(1, 1100)
    nested = ("[" * depth + "]" * depth, '{"a":' * depth + "1" + "}" * depth, "[" * 100_000)
    return random.choice(random.choice((NUMBERS, TEXTS, WORDS, nested)))


def _framed(random: Random, body: bytes) -> tuple[list[str], bytes, bool]:
    """How it is told where the body ends: headers, what is sent, and whether that is sound."""
    match random.choice(("length", "length", "chunks", "closing", "packed", "short", "long", "bad chunks")):
        case "length":
            return [f"Content-Length: {len(body)}"], body, True
        case "chunks":
            size = max(random.randint(1, 40), len(body) // 20)
            extension, trailer = random.choice(EXTENSIONS), random.choice(TRAILERS)
            parts = (body[at : at + size] for at in range(0, len(body), size))
            sent = b"".join(b"%x%s\r\n%s\r\n" % (len(part), extension, part) for part in parts)
            return ["Transfer-Encoding: chunked"], sent + b"0\r\n" + trailer + b"\r\n", True
        case "packed":
            name, pack = random.choice((("gzip", gzip.compress), ("deflate", zlib.compress)))
            packed = pack(body)
            return [f"Content-Encoding: {name}", f"Content-Length: {len(packed)}"], packed, True
        case "short":
            return [f"Content-Length: {len(body) + random.randint(1, 10**7)}"], body, False
        case "long":
            return [f"Content-Length: {random.randint(0, max(0, len(body) - 1))}"], body, False
        case "bad chunks":
            return ["Transfer-Encoding: chunked"], random.choice(CHUNKS) + body, False
    return [], body, True


def _damaged(random: Random, content: bytes) -> bytes:
    """The same with a few bytes lost, added or changed, mostly in its head."""
    for _ in range(random.randint(1, 3)):
        at = random.randint(0, min(len(content), random.choice((12, 120, len(content)))))
        before, after = content[:at], content[at:]
        strange = random.randbytes(random.randint(1, 4))
        content = random.choice(
            (before, before + strange + after[1:], before + strange + after, before + after[9:], content + after)
        )
    return content


def _in_pieces(random: Random, content: bytes) -> tuple[bytes, ...]:
    cuts = sorted(random.randint(0, len(content)) for _ in range(random.choice((0, 0, 1, 3))))
    return tuple(content[start:end] for start, end in zip([0, *cuts], [*cuts, len(content)], strict=True))
