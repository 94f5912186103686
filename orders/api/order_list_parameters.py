"""What a list of orders is asked for by: filters, an order, and where its last page ended."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from bson import ObjectId
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from orders.api.fields import MomentField, PatternField, TextField, UserIdField, WholeNumberField
from orders.models import PUBLIC_STATUSES, Document, Order
from orders.services.order_queries import OrderQuery, Position, TotalPosition
from orders.services.searching import LONGEST_SEARCH

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
