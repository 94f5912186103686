"""The list that somebody has come from to an order's page, as the address of that page says it: the way back, and the
orders beside this one.
"""

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from bson import ObjectId
from django.db import DatabaseError
from django.http import HttpRequest, QueryDict
from django.urls import reverse

from orders.admin.list_form import ListForm, read_by, unknown_in
from orders.admin.list_views import place_at, place_of, token_of
from orders.models import Order
from orders.services import order_queries
from orders.services.order_queries import AgePosition, OrderQuery, Place, time_limit

LIST, PLACE = "_changelist_filters", "place"
"""Django's own parameter for the list's address, and one for a place that what is done to the order may change."""
SECONDS = 0.2
"""What looking for the orders beside may take of the page's time; of a search that takes longer there are none."""


@dataclass(frozen=True)
class Around:
    """Addresses, as far as there are any.

    :ivar back: of the list; `previous` and `next`: of the orders beside.
    """

    back: str
    previous: str = ""
    next: str = ""


def page_again(request: HttpRequest, order: Order) -> str:
    """The address of an order's page as the request has it."""
    return _page(request, order.pk, request.GET.get(PLACE, ""))


def _page(request: HttpRequest, order_id: ObjectId, place: str) -> str:
    kept = {name: value for name, value in ((LIST, request.GET.get(LIST, "")), (PLACE, place)) if value}
    address = reverse("admin:orders_order_change", args=[order_id])
    return f"{address}?{urlencode(kept)}" if kept else address


def around(request: HttpRequest, order: Order, now: datetime) -> Around:
    """The list that the request names, else that of all orders, and what stands in it beside an order."""
    asked = QueryDict(request.GET.get(LIST, ""))
    query, back = _read(asked, request, now), reverse("admin:orders_order_changelist")
    if query is None:
        return Around(back)
    back = f"{back}?{asked.urlencode()}" if asked else back
    row, place = _place(request, order, query)
    try:
        with time_limit(SECONDS):
            before, after = order_queries.neighbours(query, place)
    except DatabaseError:
        return Around(back)
    return Around(back, _beside(request, before, row - 1), _beside(request, after, row + 1))


def _read(asked: QueryDict, request: HttpRequest, now: datetime) -> OrderQuery | None:
    form = ListForm(read_by(asked, request.user))
    return form.query(now) if not unknown_in(asked) and form.is_valid() else None


def _place(request: HttpRequest, order: Order, query: OrderQuery) -> tuple[int, Place]:
    """Where the order was in the list when it was opened; else where it is now."""
    found = place_of(request.GET.get(PLACE, ""), query)
    return found if found and found[1].id == order.pk else (1, place_at(order, query))


def _beside(request: HttpRequest, place: Place | None, row: int) -> str:
    """The address of another order's page, of the same list; empty where there is none."""
    if place is None:
        return ""
    return _page(request, place.id, token_of(max(row, 1), place) if isinstance(place, AgePosition) else "")
