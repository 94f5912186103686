"""What the palette of the backoffice (Ctrl+K) finds: pages, things to do, and orders by all that their search knows.

Each result is a link, to what the reader may see. Nothing is kept: the theme would keep what was found for minutes,
also for somebody who may no longer see it.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from django.db import DatabaseError
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.dataclasses import SearchResult

from orders.admin.list_views import VIEWS
from orders.admin.local_formats import day
from orders.admin.money_format import money
from orders.admin.printing import DOCUMENTS
from orders.admin.staff_actions import actor_of, reader_of
from orders.models import Order, Status
from orders.services import order_queries, saved_views
from orders.services.access import MANAGE_TOKENS, MANAGE_WEBHOOKS, PLACE_FOR_CUSTOMER, VIEW, Actor
from orders.services.order_queries import InvalidOrderQuery, OrderQuery
from orders.services.searching import meanings_of, searched_in_time

MOST_ORDERS = 8
"""So many are shown; the list has the others."""
ACTIONS: tuple[tuple[Any, str, str], ...] = (
    (gettext_lazy("New order"), "admin:orders_order_add", PLACE_FOR_CUSTOMER),
    (gettext_lazy("Manage saved views"), "admin:orders_order_views", VIEW),
    (gettext_lazy("Add webhook"), "admin:orders_webhookendpoint_add", MANAGE_WEBHOOKS),
    (gettext_lazy("Create service token"), "admin:orders_servicetoken_add", MANAGE_TOKENS),
    (gettext_lazy("Add user"), "admin:auth_user_add", "auth.add_user"),
    (gettext_lazy("Change password"), "admin:password_change", ""),
)
"""What can be done from anywhere: its name, the address where it begins, and the permission that it needs."""


def found(request: HttpRequest, text: str, navigation: Iterable[Mapping[str, Any]]) -> list[SearchResult]:
    """The results for what somebody typed.

    :param navigation: the groups of the sidebar, as the theme has them for this person.
    """
    actor, text = actor_of(request), text.strip()
    may_look = actor.has(VIEW)
    places = [*_pages(navigation), *_actions(actor), *(_views(request) if may_look else ())]
    named = [place for place in places if _is_called(place.title, text)]
    return [*named, *(_orders(text) if may_look else ())]


def _pages(navigation: Iterable[Mapping[str, Any]]) -> Iterator[SearchResult]:
    for group in navigation:
        for item in group["items"]:
            if item["has_permission"]:
                yield SearchResult(str(item["title"]), _("Page"), str(item["link"]), item.get("icon"))


def _actions(actor: Actor) -> Iterator[SearchResult]:
    for title, name, permission in ACTIONS:
        if not permission or actor.has(permission):
            yield SearchResult(str(title), _("Action"), reverse(name), "bolt")


def _views(request: HttpRequest) -> Iterator[SearchResult]:
    orders = reverse("admin:orders_order_changelist")
    for view in VIEWS:
        yield SearchResult(str(view.title), _("View of the orders"), f"{orders}{view.address}", "filter_list")
    for saved in saved_views.views_for(reader_of(request)):
        yield SearchResult(saved.name, _("View of the orders"), f"{orders}?{saved.query}", "filter_list")


def _is_called(title: str, text: str) -> bool:
    """Whether each word that was typed begins one of the title."""
    words = title.casefold().split()
    return all(any(word.startswith(typed) for word in words) for typed in text.casefold().split())


def _orders(text: str) -> Iterator[SearchResult]:
    """The newest orders that a search finds, with what can be printed of the only one, and the way to them all."""
    try:
        with searched_in_time():
            page = order_queries.page_after(OrderQuery(meanings=meanings_of(text), drafts=True), MOST_ORDERS)
    except (InvalidOrderQuery, DatabaseError):
        return  # the list says why
    for order in page.orders:
        yield SearchResult(order.number, _of(order), _address(order, "change"), "receipt_long")
    if len(page.orders) == 1:
        [order] = page.orders
        for name, label in DOCUMENTS.items():
            yield SearchResult(f"{label}: {order.number}", _("Action"), _address(order, name), "print")
    address = f"{reverse('admin:orders_order_changelist')}?{urlencode({'q': text})}"
    yield SearchResult(_("Search the orders for “%(text)s”") % {"text": text}, _("Page"), address, "search")


def _of(order: Order) -> str:
    known = order.contact.name or order.contact.email or order.user_id
    total = money(order.total_price, order.currency)
    return f"{Status(order.status).label}, {known}, {total}, {day(order.created_at)}"


def _address(order: Order, name: str) -> str:
    return reverse(f"admin:orders_order_{name}", args=[order.pk])
