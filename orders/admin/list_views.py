"""The list's built-in views, each no more than an address with filters, and what is asked for in words."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from bson import ObjectId
from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from orders.admin.list_form import DATES, OLDEST, ListForm
from orders.admin.local_formats import day
from orders.models import Order, Status
from orders.services.order_queries import (
    NEEDS_ATTENTION,
    TO_SHIP,
    AgePosition,
    Alert,
    OrderQuery,
    Place,
    Position,
    TotalPosition,
)

Parameters = dict[str, list[str]]

MOST_COUNTED = 100
TOKEN = re.compile(r"([0-9]{1,9})\.(?:(s|[0-9]{1,14}(?:_[0-9]{1,6})?)\.)?(-?[0-9]{1,14})\.([0-9a-f]{24})\Z")
"""Row; of a list by time in a status `s`, of one by total the total, with `_` for its point; milliseconds; id."""
EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - naive UTC, as stored

CHIP_LABELS = {"product": gettext_lazy("Product"), "user": gettext_lazy("Customer")}
"""Fields by what they mean, where a name stands beside the id."""
CHIP_DATES = {"since": gettext_lazy("%(date)s from"), "until": gettext_lazy("%(date)s until")}
"""The ends of a span of days, by what has become of the orders then: `Paid from`."""


@dataclass(frozen=True)
class View:
    """A tab above the list."""

    title: Any
    parameters: Parameters

    @property
    def address(self) -> str:
        return address(self.parameters)


ALL = View(gettext_lazy("All"), {})
VIEWS = (
    ALL,
    View(gettext_lazy("To ship"), {"status": list(TO_SHIP), "sort": [OLDEST]}),  # who waits longest is served first
    View(gettext_lazy("Needs attention"), {"flag": [*NEEDS_ATTENTION], "sort": [OLDEST]}),
    View(gettext_lazy("On hold"), {"flag": [Alert.HELD.value], "sort": [OLDEST]}),
    View(gettext_lazy("Money owed"), {"flag": [Alert.MONEY.value], "sort": [OLDEST]}),
    View(gettext_lazy("Unpaid"), {"status": [Status.PENDING.value]}),
)


@dataclass(frozen=True)
class Chip:
    """One thing that is asked for, and the address of the list without it."""

    text: str
    without: str


def address(parameters: Parameters) -> str:
    """The list's address with these parameters, relative to itself."""
    return f"?{query_of(parameters).urlencode()}"


def query_of(parameters: Parameters) -> QueryDict:
    """The parameters as a request would have them."""
    query = QueryDict(mutable=True)
    for name, values in sorted(parameters.items()):
        query.setlist(name, values)
    return query


def same(one: Parameters, other: Parameters) -> bool:
    """Tell whether two addresses ask for the same, in whatever order."""
    return _sets(one) == _sets(other)


def _sets(parameters: Parameters) -> dict[str, set[str]]:
    return {name: set(values) - {""} for name, values in parameters.items() if any(values)}


def chips(form: ListForm, parameters: Parameters, names: Mapping[str, str]) -> Iterator[Chip]:
    """What a form asks for, value by value, but the order and the columns.

    :param names: what the values of fields are called, by the field.
    """
    for name, values in parameters.items():
        if name in {"sort", "columns"} or name not in form.fields:
            continue
        for value in filter(None, values):
            rest = parameters | {name: [other for other in values if other != value]}
            told = f"{names[name]} ({value})" if name in names else _value(form, name, value)
            if name != "flag":
                told = _("%(filter)s: %(value)s") % {"filter": _label(form, name), "value": told}
            yield Chip(told, address({key: kept for key, kept in rest.items() if kept}))


def _value(form: ListForm, name: str, given: str) -> str:
    """A value as people read it; as it was given where it cannot be read."""
    field = form.fields[name]
    if isinstance(field, forms.DateField | forms.DecimalField):
        try:
            known = field.clean(given)
        except ValidationError:
            return given
        return day(known) if isinstance(known, date) else number_format(known)
    return str(dict(getattr(field, "choices", ())).get(given, given))


def _label(form: ListForm, name: str) -> str:
    """What a field is called beside its value, e.g. `Paid from`."""
    if name in CHIP_DATES:
        return CHIP_DATES[name] % {"date": dict(DATES).get(form.data.get("date", ""), _("Date"))}
    return str(CHIP_LABELS.get(name) or form.fields[name].label)


def token_of(row: int, place: Place) -> str:
    """A place in the list as it stands in an address: the row's number, what the list is sorted by, and the id."""
    if isinstance(place, AgePosition):
        return f"{row}.s.{_milliseconds(place.since)}.{place.id}"
    if isinstance(place, TotalPosition):
        return f"{row}.{f'{place.total:f}'.replace('.', '_')}.{_milliseconds(place.created_at)}.{place.id}"
    return f"{row}.{_milliseconds(place.created_at)}.{place.id}"


def place_of(token: str, query: OrderQuery) -> tuple[int, Place] | None:
    """The row and the place that a token means in the order of a query; None for anything else."""
    found = TOKEN.match(token)
    if found is None:
        return None
    try:
        moment = EPOCH + timedelta(milliseconds=int(found[3]))
    except OverflowError:
        return None
    key = ObjectId(found[4])
    place: Place
    if found[2] is None:
        place = Position(moment, key)
    elif found[2] == "s":
        place = AgePosition(moment, key)
    else:
        place = TotalPosition(Decimal(found[2].replace("_", ".")), moment, key)
    return (int(found[1]), place) if type(place) is _kind(query) else None


def place_at(order: Order, query: OrderQuery) -> Place:
    """The place at which an order stands in the order of a query."""
    kind = _kind(query)
    if kind is AgePosition:
        return AgePosition(_naive(order.status_since), order.pk)
    if kind is TotalPosition:
        return TotalPosition(order.total_price, _naive(order.created_at), order.pk)
    return Position(_naive(order.created_at), order.pk)


def _kind(query: OrderQuery) -> type[Place]:
    if query.longest_first is not None:
        return AgePosition
    return Position if query.lowest_first is None else TotalPosition


def _naive(moment: datetime | None) -> datetime:
    """As stored."""
    return moment.astimezone(UTC).replace(tzinfo=None) if moment else EPOCH


def _milliseconds(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(milliseconds=1)
