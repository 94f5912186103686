"""Query parameters and headers: each either understood or refused, never guessed."""

import re
import time
from collections.abc import Collection
from datetime import UTC, datetime
from functools import cache
from typing import Any

from bson import ObjectId
from django.conf import settings
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from integrations.deadline import Deadline
from orders.api.fields import OBJECT_ID, MomentField, PatternField, UserIdField, WholeNumberField
from orders.models.reads import Position
from orders.models.states import PUBLIC_STATUSES

ETAG_OR_ANY = r'\*|"[0-9]{1,9}"'
IDEMPOTENCY_KEY = "[!-~]{1,255}"
LARGEST_SKIP = 2**31 - 1
CURSOR = r"[0-9]{1,13}-[0-9a-f]{24}"


class CursorField(PatternField):
    """Where the last page ended: its last order's milliseconds and id. Opaque to clients."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(CURSOR, expected="a cursor of this API", **kwargs)

    def to_internal_value(self, data: Any) -> Any:
        moment, _, order_id = super().to_internal_value(data).partition("-")
        return Position(datetime.fromtimestamp(int(moment) / 1000, UTC).replace(tzinfo=None), ObjectId(order_id))

    def to_representation(self, value: Any) -> str:
        moment = round(value.created_at.replace(tzinfo=UTC).timestamp() * 1000)
        return f"{moment}-{value.id}"


class UserOrdersParameters(serializers.Serializer[Any]):
    """What GET /orders/user/{user_id} understands."""

    status = serializers.ChoiceField(
        choices=[(s, s) for s in PUBLIC_STATUSES], required=False, help_text="Only orders in this status."
    )
    skip = WholeNumberField(min_value=0, max_value=LARGEST_SKIP, default=0, help_text="Orders to pass over.")
    limit = WholeNumberField(min_value=1, max_value=100, default=10, help_text="Orders of one page.")
    cursor = CursorField(required=False, help_text="Where the last page ended: its `Next-Cursor`.")


class OrdersParameters(UserOrdersParameters):
    """What GET /orders/ understands."""

    user_id = UserIdField(required=False, help_text="Whose orders; customers see their own only.")
    start_date = MomentField(required=False, help_text="Placed at or after this: a date, or a datetime.")
    end_date = MomentField(required=False, whole_day=True, help_text="Up to this; a date means the whole of that day.")


def read(parameters: type[serializers.Serializer[Any]], request: Request) -> dict[str, Any]:
    """Read the query string.

    :raises ValidationError: for a parameter that is unknown, given twice, or has a value that is not understood.
    """
    reader = _reader(parameters)
    known = reader.fields.keys()
    errors = _repeated(request) | {
        name: [f"There is no such parameter here. Known: {', '.join(known)}."]
        for name in request.query_params
        if name not in known
    }
    try:
        data: dict[str, Any] = reader.run_validation(request.query_params.dict())
    except ValidationError as error:
        found: Any = error.detail
        raise ValidationError({**found, **errors}) from error
    if errors:
        raise ValidationError(errors)
    return data


@cache
def _reader(parameters: type[serializers.Serializer[Any]]) -> serializers.Serializer[Any]:
    """One for all requests: each new one copies every field, which takes longer than the query."""
    return parameters()


def deadline(request: Request) -> Deadline:
    """When a request's talking must end: counted from its arrival, as the database's time is, which ends later."""
    began: float = getattr(request, "began", time.monotonic())
    return Deadline(began + settings.REQUEST_DEADLINE)


def _repeated(request: Request) -> dict[str, list[str]]:
    return {name: ["Given more than once."] for name, values in request.query_params.lists() if len(values) > 1}


def order_id(text: str) -> ObjectId:
    """:raises ValidationError: if it is no ObjectId."""
    if not re.fullmatch(OBJECT_ID, text):
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
    if re.fullmatch(ETAG_OR_ANY, given.strip()):
        return int(given.strip().strip('"'))
    raise ValidationError({"If-Match": ['Expected is the ETag of the order as you saw it, e.g. "3".']})


def none_match(request: Request, version: int) -> bool:
    """Tell whether `If-None-Match` names this version: the caller has it already (weak comparison, RFC 9110)."""
    given: Collection[str] = request.META.get("HTTP_IF_NONE_MATCH", "").split(",")
    return any(tag.strip().removeprefix("W/") in {"*", etag(version)} for tag in given)


def idempotency_key(request: Request) -> str | None:
    """The `Idempotency-Key` header.

    :raises ValidationError: if it is not 1 to 255 visible ASCII characters.
    """
    given = request.headers.get("Idempotency-Key")
    if given is not None and not re.fullmatch(IDEMPOTENCY_KEY, given):
        raise ValidationError({"Idempotency-Key": ["Expected are 1 to 255 visible ASCII characters."]})
    return given
