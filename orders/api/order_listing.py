"""A page of orders, and the way to the next one."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request

from orders.api.order_list_parameters import SORTS, Cursor
from orders.api.rendering import answer
from orders.api.viewsets import caller, link_next_page, unless_known
from orders.services import order_queries
from orders.services.order_queries import OrderQuery
from orders.services.public_order import public_order
from orders.services.searching import meanings_of, searched_in_time

TOO_MANY_TO_SORT = "Too many orders to sort by total. Add a filter, or give a span of days."


def page_of_orders(request: Request, user_id: str | None, given: dict[str, Any]) -> HttpResponse:
    """The page that is asked for.

    :param user_id: whose orders; None for everybody's.
    :param given: as OrdersParameters or UserOrdersParameters has read it.
    :raises NotPermitted: the caller may not read the orders of this user.
    :raises InvalidOrderQuery: too many orders would have to be looked at.
    """
    if user_id is not None:
        caller(request).require_reading_of(user_id)
    query = OrderQuery(
        statuses=given.get("status", ()),
        user_id=user_id,
        ids=order_queries.ids_called(given["number"]) if "number" in given else None,
        reference=given.get("reference", ""),
        since=given.get("start_date"),
        before=given.get("end_date"),
        meanings=meanings_of(given["q"]) if "q" in given else None,
        **SORTS[given["sort"]],
    )
    limit, skip, cursor = given["limit"], given["skip"], given.get("cursor")
    with _in_time(query):
        found = order_queries.list_orders(query, after=cursor and cursor.place, skip=skip, limit=limit + 1)
    response = answer([public_order(order) for order in found[:limit]])
    if len(found) > limit:
        link_next_page(response, request, str(Cursor.behind(found[limit - 1], given["sort"])), skip=0)
    return unless_known(response, request)


def _in_time(query: OrderQuery) -> AbstractContextManager[None]:
    """Bound what may have to look at many orders."""
    if query.meanings:
        return searched_in_time()
    return searched_in_time(TOO_MANY_TO_SORT) if query.lowest_first is not None else nullcontext()
