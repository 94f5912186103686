"""HTTP requests and responses as plain values, and JSON that keeps decimals exact."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from email.message import Message
from typing import Any, NoReturn
from urllib.parse import parse_qsl, unquote, urlsplit

from bson import ObjectId

# Looked up without regard to case.
Headers = Message | Mapping[str, str]

BODILESS = frozenset({204, 304})


class BadControlError(ValueError):
    """A control request is malformed; the message names what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, wholly read: path segments decoded, each query parameter once (the last wins)."""

    method: str
    segments: tuple[str, ...]
    query: Mapping[str, str]
    headers: Headers
    body: bytes

    @classmethod
    def of(cls, method: str, target: str, headers: Headers, body: bytes) -> "Request":
        """Take apart the request target."""
        parts = urlsplit(target)
        segments = tuple(unquote(segment) for segment in parts.path.split("/") if segment)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        return cls(method, segments, query, headers, body)


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP response. `body` is anything `render` takes, or bytes, which are sent as they are."""

    status: int
    body: object
    headers: Mapping[str, str] = field(default_factory=dict)

    def payload(self) -> bytes:
        """Return the bytes of the body; none for a status that forbids one."""
        if self.status in BODILESS:
            return b""
        return self.body if isinstance(self.body, bytes) else render(self.body).encode()


def failure(status: int, detail: object) -> Response:
    """Return a response in the peers' one error shape, `{"detail": …}`."""
    return Response(status, {"detail": detail})


def render(value: object) -> str:
    """Write `value` as JSON: a Decimal as an exact number, a datetime in ISO 8601, an ObjectId as hex digits.

    :raises TypeError: for any other value that JSON does not know.
    """
    match value:
        case Mapping():
            fields = (f"{json.dumps(str(key))}:{render(item)}" for key, item in value.items())
            return "{" + ",".join(fields) + "}"
        case list() | tuple():
            return "[" + ",".join(map(render, value)) + "]"
        case Decimal():
            return format(value, "f")
        case datetime():
            return json.dumps(value.isoformat())
        case ObjectId():
            return json.dumps(str(value))
    return json.dumps(value)


def parse_object(body: bytes) -> dict[str, Any]:
    """Read a JSON object, its fractional numbers as Decimal.

    :raises ValueError: if it is not JSON (NaN and Infinity are not), or JSON but no object.
    """
    try:
        value = json.loads(body, parse_float=Decimal, parse_constant=_refuse)
    except RecursionError as error:
        raise ValueError("JSON nested too deeply") from error
    if not isinstance(value, dict):
        raise ValueError("a JSON object is expected")
    return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
