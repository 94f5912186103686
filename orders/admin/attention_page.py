"""What waits for staff, on one page, each with its ways out as buttons."""

from dataclasses import dataclass

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from unfold.admin import ModelAdmin

from orders.admin import labels, order_forms
from orders.admin.attention_rows import Row, row_of
from orders.admin.order_forms import Change
from orders.admin.posted import unsent
from orders.admin.staff_actions import act_posted, actor_of, why_not
from orders.services.audit import REASON_CODES
from orders.services.errors import OrderError
from orders.services.order_queries import Alert
from orders.services.reporting import attention, event_troubles
from orders.services.reporting.attention import Waiting

CHANGES: dict[str, Change] = {
    "resolve": order_forms.resolve,
    "retry": order_forms.retry,
    "accept": order_forms.accept_shortage,
    "verify": order_forms.verify_user,
    "transition": order_forms.change_status,
}
"""What the buttons post as `act`."""


MEANINGS = {
    Alert.UNKNOWN: "Inventory did not answer, so the outcome has to be checked there. Then record the result here.",
    Alert.OWED: "Inventory has not confirmed the stock of these orders for over {owed}. It is retried automatically.",
    Alert.SHORT: "Inventory took back fewer units than these orders held. Correct the figures there, then acknowledge "
    "here.",
    Alert.UNCHECKED: "Placed while the user service was unavailable. Verify the customer now, or cancel the order.",
    Alert.UNSHIPPED: "No progress for over {unshipped}.",
    Alert.MONEY: "Paid for items that were cancelled or returned. Pay it back, then record the refund on the order’s "
    "page.",
}
"""What an alert means, below its name."""

WEBHOOKS, EVENTS = "Webhooks stopped or failing", "Events delayed"
"""The headings of what keeps others from hearing what happens, which no order has."""
FOREIGN = "Orders of another service"


@dataclass(frozen=True)
class Section:
    waiting: Waiting
    rows: list[Row]

    @property
    def name(self) -> str:
        return self.waiting.alert.value

    @property
    def title(self) -> str:
        return self.waiting.alert.label

    @property
    def count(self) -> str:
        return f"{self.waiting.count}{' or more' if self.waiting.more else ''}"

    @property
    def meaning(self) -> str:
        return MEANINGS[self.waiting.alert].format(
            owed=labels.span(settings.STOCK_OWED_TOO_LONG), unshipped=labels.span(settings.SHIP_WITHIN)
        )

    @property
    def hidden(self) -> bool:
        return self.waiting.count > len(self.rows)


class AttentionPages(ModelAdmin):
    """The attention page's part of the backoffice's order pages."""

    def get_urls(self) -> list[URLPattern]:
        page = path("attention/", self.admin_site.admin_view(self.attention_view), name="orders_order_attention")
        return [page, *super().get_urls()]

    def attention_view(self, request: HttpRequest) -> HttpResponse:
        """Show what waits; POST `act`, `order`, `section` and what the act asks for: take a way out, and come back."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method == "POST":
            return self._acted(request)
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD", "POST"])
        context = {**self.admin_site.each_context(request), "title": "Needs attention", "sections": []}
        context |= {
            "now": timezone.now(),
            "webhooks_title": WEBHOOKS,
            "events_title": EVENTS,
            "foreign_title": FOREIGN,
            "codes": REASON_CODES.items(),
        }
        status = 200
        try:
            context["sections"] = _sections(request)
            context["foreign"] = counted(attention.foreign(actor=actor_of(request)))
            context["troubles"] = event_troubles.event_troubles(actor=actor_of(request), at=context["now"])
        except DatabaseError:
            context["problem"], status = "The database did not answer in time. Try again in a moment.", 503
        return TemplateResponse(request, "admin/orders/order/attention.html", context, status=status)

    def _acted(self, request: HttpRequest) -> HttpResponse:
        address = reverse("admin:orders_order_attention")
        try:
            self.message_user(request, self._take_action(request), messages.SUCCESS)
        except (OrderError, DatabaseError) as error:
            self.message_user(request, why_not(error), messages.ERROR)
            address += unsent(error)
        section = request.POST.get("section", "")
        anchor = f"#{section}" if section in MEANINGS else ""
        return HttpResponseRedirect(address + anchor)

    def _take_action(self, request: HttpRequest) -> str:
        """Do what was posted. :returns: what was done, in words."""
        name = request.POST.get("act", "")
        order_forms.require_permission(name, request.POST.get("transition", ""), actor_of(request))
        act = act_posted(request)
        change = CHANGES.get(name)
        order = self.get_object(request, request.POST.get("order", ""))
        if change is None or order is None:
            raise OrderError("Unknown action.")
        return change(order, request.POST, act)


def counted(number: int) -> str:
    """A number as it was counted, up to a limit; empty for none."""
    return f"{number}{' or more' if number >= attention.COUNTED else ''}" if number else ""


def _sections(request: HttpRequest) -> list[Section]:
    actor, now = actor_of(request), timezone.now()
    return [
        Section(found, [row_of(found.alert, order, actor, now) for order in found.orders])
        for found in attention.everything(actor=actor, at=now)
        if found.orders
    ]
