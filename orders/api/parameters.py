"""Query parameters and headers: each either understood or refused, never guessed."""

import re
import time
from collections.abc import Collection
from functools import cache
from itertools import islice
from typing import Any

from bson import ObjectId
from django.conf import settings
from rest_framework import serializers
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.request import Request

from integrations import Deadline
from orders.api.fields import MOST_ERRORS
from orders.services.identifiers import OBJECT_ID, canonical

ENTITY_TAG = r'(?:W/)?"[!#-~\x80-\xff]*"'
"""RFC 9110 section 8.8.3."""
ENTITY_TAGS = rf"[ \t,]*(?:{ENTITY_TAG}[ \t]*(?:,[ \t,]*|$))*"
"""A list of them; elements may be empty (section 5.6.1.2). The pattern cannot backtrack, however long the list is."""
TAGS_OR_ANY = rf"\*|{ENTITY_TAGS}"
OPAQUE = r'(?:W/)?"(.*?)(?:(?:--?|;)(?:gzip|br|zstd|deflate))?"'
"""What of an ETag may be ours, whatever an intermediary that compresses made of it
(docs/adr/0006-entity-tags-by-their-opaque-part.md)."""
VERSION = "0|[1-9][0-9]{0,8}"
"""The ETag of an order."""
PART_NUMBER = "0|[1-9][0-9]{0,5}"
IDEMPOTENCY_KEY = "[!-~]{1,255}"


class NoParameters(serializers.Serializer[Any]):
    """What a write accepts: none, since everything is in its body and headers."""


def read(parameters: type[serializers.Serializer[Any]], request: Request) -> dict[str, Any]:
    """Read the query string. A parameter with an empty value is ignored.

    :raises ValidationError: for a parameter that is unknown, given twice, or has a value that is not understood.
    """
    reader = _reader(parameters)
    known = reader.fields.keys()
    errors = _repeated(request) | {
        name: [f"There is no such parameter here. Known: {', '.join(known) or 'none'}."]
        for name in islice((name for name in request.query_params if name not in known), MOST_ERRORS + 1)
    }
    try:
        data: dict[str, Any] = reader.run_validation(
            {name: value for name, value in request.query_params.items() if value}
        )
    except ValidationError as error:
        found: Any = error.detail
        raise ValidationError({**found, **errors}) from error
    if errors:
        raise ValidationError(errors)
    return data


@cache
def _reader(parameters: type[serializers.Serializer[Any]]) -> serializers.Serializer[Any]:
    """One instance for all requests: a new one would copy every field, which takes longer than the query."""
    return parameters()


def deadline(request: Request) -> Deadline:
    """When calls to peers must end, counted from the arrival of the request; its time at the database ends later."""
    began: float = getattr(request, "began", time.monotonic())
    return Deadline(began + settings.REQUEST_DEADLINE)


def _repeated(request: Request) -> dict[str, list[str]]:
    return {name: ["Given more than once."] for name, values in request.query_params.lists() if len(values) > 1}


def order_id(text: str, name: str = "order_id") -> ObjectId:
    """An id in an address. :raises ValidationError: naming the part of the address, if it is not an ObjectId."""
    if not re.fullmatch(OBJECT_ID, text):
        raise ValidationError({name: ["Not an ObjectId: 24 hex digits are expected."]})
    return ObjectId(text)


def number(text: str, name: str) -> int:
    """The number of a part of an order, from 0. :raises ValidationError: naming the part of the address."""
    if not re.fullmatch(PART_NUMBER, text):
        raise ValidationError({name: ["Not a number: they count from 0."]})
    return int(text)


def user_id(text: str) -> str:
    """A user's id in an address, in its canonical form. :raises MalformedUserId:"""
    return canonical(text)


def etag(version: int) -> str:
    """The ETag of an order at a version."""
    return f'"{version}"'


def expected_versions(request: Request) -> Collection[int] | None:
    """The versions that `If-Match` names; None if the header is missing or `*`: any version will do.

    A tag that is not ours names no version. No order satisfies an empty collection.

    :raises ValidationError: if it is neither `*` nor a list of entity tags.
    """
    given = request.headers.get("If-Match")
    if given is None or given.strip(" \t") == "*":
        return None
    if (versions := _versions(given)) is None:
        raise ValidationError({"If-Match": ['Expected are ETags of the order as you saw it, e.g. "3", or *.']})
    return versions


def none_match(request: Request, tag: int | str) -> bool:
    """Tell whether `If-None-Match` names this version of an order, or this tag of a list: the caller has it already.

    One that is malformed names none.
    """
    given: str | None = request.META.get("HTTP_IF_NONE_MATCH")
    if given is None:
        return False
    return given.strip(" \t") == "*" or str(tag) in (_opaque(given) or ())


def _versions(tags: str) -> frozenset[int] | None:
    """The versions that a list of entity tags names; None if it is malformed."""
    found = _opaque(tags)
    return None if found is None else frozenset(int(tag) for tag in found if re.fullmatch(VERSION, tag))


def _opaque(tags: str) -> frozenset[str] | None:
    """What is in a list of entity tags, without codings; None if it is malformed."""
    if not re.fullmatch(ENTITY_TAGS, tags):
        return None
    return frozenset(tag[1] for tag in (re.fullmatch(OPAQUE, tag) for tag in re.findall(ENTITY_TAG, tags)) if tag)


class KeyMissing(APIException):
    """Placing an order needs an Idempotency-Key here (REQUIRE_IDEMPOTENCY_KEY)."""

    status_code = 400
    default_code = "idempotency_key_required"
    default_detail = "An order needs an Idempotency-Key: one for each basket, the same when it is sent again."


def placement_key(request: Request) -> str | None:
    """The `Idempotency-Key` of a placement.

    :raises KeyMissing: if it is required and missing.
    :raises ValidationError:
    """
    key = idempotency_key(request)
    if key is None and settings.REQUIRE_IDEMPOTENCY_KEY:
        raise KeyMissing
    return key


def idempotency_key(request: Request) -> str | None:
    """The `Idempotency-Key` header.

    :raises ValidationError: if it is not 1 to 255 visible ASCII characters.
    """
    given = request.headers.get("Idempotency-Key")
    if given is not None and not re.fullmatch(IDEMPOTENCY_KEY, given):
        raise ValidationError({"Idempotency-Key": ["Expected are 1 to 255 visible ASCII characters."]})
    return given
