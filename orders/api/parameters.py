"""Query parameters and headers: each either understood or refused, never guessed."""

import re
import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from itertools import islice
from typing import Any

from bson import ObjectId
from django.conf import settings
from rest_framework import serializers
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.request import Request

from integrations import Deadline
from orders.api.fields import MOST_ERRORS, MomentField, PatternField, TextField, UserIdField, WholeNumberField
from orders.models import PUBLIC_STATUSES, Document, Order
from orders.services.identifiers import OBJECT_ID, canonical
from orders.services.order_queries import OrderQuery, Position, TotalPosition
from orders.services.searching import LONGEST_SEARCH

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
LARGEST_SKIP = 2**31 - 1
CREATED = r"[0-9]{1,13}-[0-9a-f]{24}"
CURSOR = rf"(created_at\.)?{CREATED}|-?total_price\.[0-9]{{1,14}}-{CREATED}"
NEWEST_FIRST = "-created_at"
SORTS: dict[str, dict[str, Any]] = {
    NEWEST_FIRST: {},
    "created_at": {"oldest_first": True},
    "total_price": {"lowest_first": True},
    "-total_price": {"lowest_first": False},
}
"""`sort` → how :class:`OrderQuery` says it."""


@dataclass(frozen=True)
class Cursor:
    """Where a page ended, in which order."""

    sort: str
    place: Position | TotalPosition

    @classmethod
    def behind(cls, order: Document, sort: str) -> "Cursor":
        moment, order_id = order["created_at"], order["_id"]
        if "lowest_first" in SORTS[sort]:
            return cls(sort, TotalPosition(order["total_price"].to_decimal(), moment, order_id))
        return cls(sort, Position(moment, order_id))

    @classmethod
    def read(cls, text: str) -> "Cursor":
        """:param text: as CURSOR has it."""
        sort, _, place = text.rpartition(".")
        *cents, milliseconds, order_id = place.split("-")
        moment = datetime.fromtimestamp(int(milliseconds) / 1000, UTC).replace(tzinfo=None)
        if cents:
            return cls(sort, TotalPosition(Decimal(cents[0]).scaleb(-2), moment, ObjectId(order_id)))
        return cls(sort or NEWEST_FIRST, Position(moment, ObjectId(order_id)))

    def __str__(self) -> str:
        sort = "" if self.sort == NEWEST_FIRST else f"{self.sort}."
        cents = f"{self.place.total.scaleb(2):.0f}-" if isinstance(self.place, TotalPosition) else ""
        moment = round(self.place.created_at.replace(tzinfo=UTC).timestamp() * 1000)
        return f"{sort}{cents}{moment}-{self.place.id}"


class CursorField(PatternField):
    """A :class:`Cursor`. Opaque to clients."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(CURSOR, expected="a cursor of this API", **kwargs)

    def to_internal_value(self, data: Any) -> Any:
        return Cursor.read(super().to_internal_value(data))


class StatusesField(PatternField):
    """Statuses, separated by commas. A text to clients: several of their generators write no list with commas."""

    def __init__(self, **kwargs: Any) -> None:
        one = f"({'|'.join(PUBLIC_STATUSES)})"
        pattern = f"{one}(,{one}){{0,{len(PUBLIC_STATUSES) - 1}}}"
        super().__init__(pattern, expected=f"one or several, with commas, of {', '.join(PUBLIC_STATUSES)}", **kwargs)

    def to_internal_value(self, data: Any) -> Any:
        return tuple(dict.fromkeys(super().to_internal_value(data).split(",")))


class UserOrdersParameters(serializers.Serializer[Any]):
    """What GET /orders/user/{user_id} understands."""

    status = StatusesField(
        required=False, help_text="Only orders in this status, or in one of several: `paid,processing`."
    )
    number = serializers.CharField(
        required=False,
        max_length=LONGEST_SEARCH,
        help_text="Only the order of this number, as people type it: case, blanks and hyphens make no difference.",
    )
    reference = TextField(
        required=False,
        max_length=Order._meta.get_field("reference").max_length or 0,
        help_text="Only orders of this reference, exactly.",
    )
    sort = PatternField(
        "-?(created_at|total_price)",
        expected=" or ".join(SORTS),
        default=NEWEST_FIRST,
        help_text="`created_at` lists the oldest first, `total_price` the lowest, `-` before it the newest or highest.",
    )
    skip = WholeNumberField(min_value=0, max_value=LARGEST_SKIP, default=0, help_text="Orders to pass over.")
    limit = WholeNumberField(min_value=1, max_value=100, default=10, help_text="Orders of one page.")
    cursor = CursorField(required=False, help_text="Where the last page of this `sort` ended: its `Next-Cursor`.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        cursor: Cursor | None = attrs.get("cursor")
        if cursor and cursor.sort != attrs["sort"]:
            raise ValidationError({"cursor": [f"It is of a list with sort={cursor.sort}."]})
        return attrs


class OrdersParameters(UserOrdersParameters):
    """What GET /orders/ understands."""

    user_id = UserIdField(required=False, help_text="Whose orders; customers see their own only.")
    start_date = MomentField(required=False, help_text="Placed at or after this: a date, or a datetime.")
    end_date = MomentField(required=False, whole_day=True, help_text="Up to this; a date means the whole of that day.")
    q = serializers.CharField(
        required=False,
        max_length=LONGEST_SEARCH,
        help_text="For admins: orders with all of these words, found by their beginning in names, company, e-mail "
        "address, phone number, town, postal code, reference, products, numbers and ids; or with this total (64.90).",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        problems = OrderQuery(since=attrs.get("start_date"), before=attrs.get("end_date")).problems
        if problems:
            raise ValidationError({"end_date": [*problems.values()]})
        return super().validate(attrs)


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
