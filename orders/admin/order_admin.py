"""Orders in the backoffice: found, read, and moved on by buttons. Nothing is saved but through the services."""

import re
from collections.abc import Callable
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.auth.models import AbstractUser
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from unfold.admin import ModelAdmin

from integrations.http import request_id
from orders.admin.attention import ANSWERS, NeedsAttention, unknown_lines
from orders.admin.attention_page import AttentionPages
from orders.admin.paging import CappedPaginator
from orders.admin.searching import query_for
from orders.models import Order
from orders.models.machine import edges_from, transition_names
from orders.services import access, transitions
from orders.services.access import Actor, NotPermitted
from orders.services.acts import Act
from orders.services.errors import OrderError
from orders.services.resolution import resolve_line

VERSION = re.compile(r"[0-9]{1,18}\Z")
SMALL = re.compile(r"[0-9]{1,9}\Z")
INDEXED = {"status__exact", "created_at__gte", "created_at__lt", NeedsAttention.parameter_name}
"""What an address may filter by: the filters' own conditions, each of which has an index."""


@admin.register(Order)
class OrderAdmin(AttentionPages, ModelAdmin):
    """Staff read every order, drafts and rejected ones included, and change it by its transitions only."""

    list_display = ("number", "user_id", "status_name", "total_price", "contents", "stock", "verified", "created_at")
    list_display_links = ("number",)
    list_filter = ("status", NeedsAttention, "created_at")
    search_fields = ("number",)
    search_help_text = "Order number, order id or user id"
    ordering = ("-created_at", "-pk")
    sortable_by = ()
    list_per_page = 50
    list_max_show_all = 50
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # they count every order
    paginator = CappedPaginator
    actions = None
    change_form_template = "admin/orders/order/change_form.html"
    fields = readonly_fields = (
        "number", "status_name", "user_id", "verified", "total_price", "shipping_address", "created_at",
        "placed_at", "updated_at", "version", "stock_due_at",
    )  # fmt: skip

    @admin.display(description="status")
    def status_name(self, order: Order) -> str:
        return str(order.get_status_display())

    @admin.display(description="items")
    def contents(self, order: Order) -> str:
        units = sum(item.quantity for item in order.items)
        return f"{units} in {len(order.items)} line{'s' if len(order.items) != 1 else ''}"

    @admin.display(description="stock")
    def stock(self, order: Order) -> str:
        return ", ".join(dict.fromkeys(item.stock.get_state_display() for item in order.items))

    @admin.display(description="user verified", boolean=True)
    def verified(self, order: Order) -> bool:
        return order.user_verified

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Order | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Order | None = None) -> bool:
        return False

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        return lookup in INDEXED

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Order], search_term: str
    ) -> tuple[QuerySet[Order], bool]:
        if not search_term.strip():
            return queryset, False
        query = query_for(search_term)
        if query is None:
            self.message_user(request, "That is no order number, order id or user id.", messages.WARNING)
            return queryset.none(), False
        return queryset.filter(query), False

    def get_urls(self) -> list[URLPattern]:
        protect = self.admin_site.admin_view
        return [
            path("<path:object_id>/transition/", protect(self.transition_view), name="orders_order_transition"),
            path("<path:object_id>/resolve/", protect(self.resolve_view), name="orders_order_resolve"),
            *super().get_urls(),
        ]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        order, actor = self.get_object(request, object_id), _actor(request)
        edges = [edge for edge in edges_from(order.status) if actor.may(edge.name, order.user_id)] if order else []
        unknown = unknown_lines(order) if order and actor.has(access.RESOLVE) else []
        context = {"order": order, "edges": edges, "unknown": unknown, "show_save": False, **(extra_context or {})}
        return super().change_view(request, object_id, form_url, context)

    def transition_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """POST `transition`, `version` and `reason`: make a transition, and go back to the order."""
        return self._posted(request, object_id, self._change_status)

    def resolve_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """POST `line`, `attempts`, `happened` and `reason`: settle an unknown line, and go back to the order."""
        return self._posted(request, object_id, self._resolve)

    def _posted(
        self, request: HttpRequest, object_id: str, change: Callable[[HttpRequest, Order], str]
    ) -> HttpResponse:
        """Carry out a posted change, which returns what it did in words, and tell of it on the order's page."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.has_view_permission(request):
            raise PermissionDenied
        order = self.get_object(request, object_id)
        if order is None:
            raise Http404
        try:
            self.message_user(request, change(request, order), messages.SUCCESS)
        except NotPermitted as error:
            raise PermissionDenied(error.detail) from error
        except OrderError as error:
            self.message_user(request, f"Nothing was changed. {error.detail}", messages.ERROR)
        except DatabaseError:
            text = "The database did not answer in time. Look whether the order has changed before trying again."
            self.message_user(request, text, messages.ERROR)
        return HttpResponseRedirect(reverse("admin:orders_order_change", args=[object_id]))

    def _change_status(self, request: HttpRequest, order: Order) -> str:
        name, version = request.POST.get("transition", ""), request.POST.get("version", "")
        if name not in transition_names() or not VERSION.match(version):
            raise OrderError("That is no transition of an order.")
        changed = transitions.change_status(
            order_id=order.pk, transition=name, act=_act(request), expected_version=int(version)
        )
        return f"Order {order.number} is now {changed['status']}."

    def _resolve(self, request: HttpRequest, order: Order) -> str:
        act, answer = _act(request), request.POST.get("happened", "")
        line, attempts = request.POST.get("line", ""), request.POST.get("attempts", "")
        act.actor.require(access.RESOLVE)
        if answer not in ANSWERS or not (SMALL.match(line) and SMALL.match(attempts)):
            raise OrderError("That says nothing about a line of an order.")
        changed = resolve_line(
            order_id=order.pk, line=int(line), happened=ANSWERS[answer], act=act, expected_attempts=int(attempts)
        )
        return f"Line {int(line) + 1} of order {order.number} is now {changed['items'][int(line)]['stock']['state']}."


def _act(request: HttpRequest) -> Act:
    return Act(_actor(request), timezone.now(), request.POST.get("reason", "").strip())


def _actor(request: HttpRequest) -> Actor:
    return access.staff(cast("AbstractUser", request.user), request_id=request_id.get() or "")
