"""One order in the backoffice: its page, and what its forms change. Nothing is saved but through the services."""

import re
from collections.abc import Callable
from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.models import AbstractUser
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from unfold.admin import ModelAdmin

from integrations.http import request_id
from orders.admin.attention import ANSWERS, unknown_lines
from orders.models import Order
from orders.models.machine import edges_from, transition_names
from orders.services import access, transitions
from orders.services.access import Actor, NotPermitted
from orders.services.acts import Act
from orders.services.errors import OrderError
from orders.services.resolution import resolve_line

VERSION = re.compile(r"[0-9]{1,18}\Z")
SMALL = re.compile(r"[0-9]{1,9}\Z")


class OrderPage(ModelAdmin):
    """The page of one order, its buttons and what they post."""

    change_form_template = "admin/orders/order/change_form.html"
    fields = readonly_fields = (
        "number", "status_name", "user_id", "verified", "total_price", "shipping_address", "created_at",
        "placed_at", "updated_at", "version", "stock_due_at",
    )  # fmt: skip

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Order | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Order | None = None) -> bool:
        return False

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
