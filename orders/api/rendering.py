"""JSON in and out: numbers exact, and written by orjson."""

import json
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson
from django.http import HttpResponse
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer

SIGNS = (b",", b"[", b"{")
MOST_SIGNS = 25_000
"""Commas and opening brackets of a body, which has no more values than these: twice what the largest request needs."""
LONGEST_NUMBER = 100
"""Characters of a number, and the limit of its exponent."""


class ExactJSONParser(BaseParser):
    """Parse JSON with every number exact: a price never passes through a float."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        body = stream.read()
        if sum(map(body.count, SIGNS)) > MOST_SIGNS:  # before anything is made of each
            raise ParseError("The body has more members and elements than any request needs.")
        try:
            # orjson is the stricter (no NaN, no half surrogates, no bottomless nesting), but knows floats only.
            orjson.loads(body)
            return json.loads(body, parse_float=_number, parse_int=_whole, object_pairs_hook=_unique)
        except (ValueError, RecursionError) as error:
            raise ParseError(f"The body is not JSON: {error}.") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object as a dict. Duplicate names are refused: intermediaries may have read the other value."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name is there twice in an object")
    return found


def _number(text: str) -> Decimal:
    """:raises ValueError: it is too long, too large or too small to be worked with."""
    try:
        number = Decimal(_plain(text))
        if abs(number.adjusted()) <= LONGEST_NUMBER:
            return number
    except InvalidOperation:
        pass
    raise ValueError(f"the exponent of {text[:20]} is out of range")


def _whole(text: str) -> int:
    return int(_plain(text))


def _plain(text: str) -> str:
    if len(text) > LONGEST_NUMBER:
        raise ValueError(f"a number has more than {LONGEST_NUMBER} digits")
    return text


class OrjsonRenderer(BaseRenderer):
    """Write JSON; naive datetimes are UTC, as the database hands them out."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        return b"" if data is None else written(data)


def written(data: Any) -> bytes:
    return orjson.dumps(data, default=str, option=orjson.OPT_NAIVE_UTC | orjson.OPT_UTC_Z)


def answer(data: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> HttpResponse:
    """The same as DRF's Response, rendered at once instead of as a template response."""
    return HttpResponse(written(data), content_type=OrjsonRenderer.media_type, status=status, headers=headers)
