"""Query parameters and headers: each either understood or refused, never guessed."""

import base64
import binascii
import re
from collections.abc import Collection
from datetime import UTC, datetime, time, timedelta
from typing import Any

from bson import ObjectId
from bson.errors import InvalidId
from django.utils.dateparse import parse_date, parse_datetime
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from orders.api.fields import WholeNumberField
from orders.models.reads import Position
from orders.models.states import PUBLIC_STATUSES

ETAG = re.compile(r'"(\d{1,9})"\Z')
IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,255}\Z")
LARGEST_SKIP = 2**31 - 1
LATEST = datetime.max.replace(tzinfo=UTC)


@extend_schema_field(OpenApiTypes.STR)
class MomentField(serializers.Field[datetime, str, str, Any]):
    """A date, or a datetime (UTC where it names no zone). As an end, a date means the whole of that day."""

    def __init__(self, *, whole_day: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.whole_day = whole_day

    def to_internal_value(self, data: str) -> datetime:
        # A plus sign that was not escaped arrives as a space.
        text = re.sub(r" (\d\d:?\d\d)\Z", r"+\1", data.strip())
        try:
            if day := parse_date(text):
                return self._bound(datetime.combine(day, time(), tzinfo=UTC), timedelta(days=1))
            if moment := parse_datetime(text):
                moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
                return self._bound(moment, timedelta(milliseconds=1))
        except (ValueError, OverflowError):
            pass
        raise ValidationError("Neither a date (2026-01-31) nor a datetime (2026-01-31T12:00:00Z).")

    def _bound(self, start: datetime, length: timedelta) -> datetime:
        if not self.whole_day:
            return start
        return start + length if start <= LATEST - length else LATEST

    def to_representation(self, value: datetime) -> str:
        return value.isoformat()


@extend_schema_field(OpenApiTypes.STR)
class CursorField(serializers.Field[Position, str, str, Any]):
    """Where the last page ended; opaque to clients."""

    def to_internal_value(self, data: str) -> Position:
        try:
            moment, order_id = base64.urlsafe_b64decode(data.encode() + b"==").decode().split(":")
            created_at = datetime.fromtimestamp(int(moment) / 1000, UTC).replace(tzinfo=None)
            return Position(created_at, ObjectId(order_id))
        except (binascii.Error, ValueError, InvalidId, OverflowError, OSError) as error:
            raise ValidationError("Not a cursor of this API.") from error

    def to_representation(self, value: Position) -> str:
        moment = round(value.created_at.replace(tzinfo=UTC).timestamp() * 1000)
        return base64.urlsafe_b64encode(f"{moment}:{value.id}".encode()).decode().rstrip("=")


class UserOrdersParameters(serializers.Serializer[Any]):
    """What GET /orders/user/{user_id} understands."""

    status = serializers.ChoiceField(choices=[(s, s) for s in PUBLIC_STATUSES], required=False)
    skip = WholeNumberField(min_value=0, max_value=LARGEST_SKIP, default=0)
    limit = WholeNumberField(min_value=1, max_value=100, default=10)
    cursor = CursorField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["skip"] and "cursor" in attrs:
            raise ValidationError({"cursor": "Give either skip or cursor."})
        return attrs


class OrdersParameters(UserOrdersParameters):
    """What GET /orders/ understands."""

    user_id = serializers.CharField(max_length=36, required=False)
    start_date = MomentField(required=False)
    end_date = MomentField(required=False, whole_day=True)


def read(parameters: type[serializers.Serializer[Any]], request: Request) -> dict[str, Any]:
    """Read the query string.

    :raises ValidationError: for a parameter that is unknown, given twice, or has a value that is not understood.
    """
    known = parameters().fields.keys()
    errors = _repeated(request) | {
        name: [f"There is no such parameter here. Known: {', '.join(known)}."]
        for name in request.query_params
        if name not in known
    }
    serializer = parameters(data=request.query_params.dict())
    if not serializer.is_valid() or errors:
        raise ValidationError({**serializer.errors, **errors})
    data: dict[str, Any] = serializer.validated_data
    return data


def _repeated(request: Request) -> dict[str, list[str]]:
    return {name: ["Given more than once."] for name, values in request.query_params.lists() if len(values) > 1}


def order_id(text: str) -> ObjectId:
    """:raises ValidationError: if it is no ObjectId."""
    if not re.fullmatch(r"[0-9a-fA-F]{24}", text):
        raise ValidationError({"order_id": ["Not an ObjectId: 24 hex digits are expected."]})
    return ObjectId(text)


def etag(version: int) -> str:
    """The ETag of an order at a version."""
    return f'"{version}"'


def expected_version(request: Request) -> int | None:
    """The version that `If-Match` asks for; None where there is no such header, or it is `*`.

    :raises ValidationError: if it is not one strong ETag of ours.
    """
    given = request.headers.get("If-Match")
    if given is None or given.strip() == "*":
        return None
    if match := ETAG.match(given.strip()):
        return int(match[1])
    raise ValidationError({"If-Match": ['Expected is the ETag of the order as you saw it, e.g. "3".']})


def none_match(request: Request, version: int) -> bool:
    """Tell whether `If-None-Match` names this version: the caller has it already (weak comparison, RFC 9110)."""
    given: Collection[str] = request.headers.get("If-None-Match", "").split(",")
    return any(tag.strip().removeprefix("W/") in {"*", etag(version)} for tag in given)


def idempotency_key(request: Request) -> str | None:
    """The `Idempotency-Key` header.

    :raises ValidationError: if it is not 1 to 255 visible ASCII characters.
    """
    given = request.headers.get("Idempotency-Key")
    if given is not None and not IDEMPOTENCY_KEY.match(given):
        raise ValidationError({"Idempotency-Key": ["Expected are 1 to 255 visible ASCII characters."]})
    return given
