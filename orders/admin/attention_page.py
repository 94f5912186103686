"""What waits for staff, on one page, each with its ways out as buttons."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from bson import ObjectId
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from unfold.admin import ModelAdmin

from orders.admin.acting import act_of, actor_of, why_not
from orders.admin.order_forms import ANSWERS
from orders.admin.waiting_rows import Row, row_of
from orders.admin.words import settled, span
from orders.models import transition_names
from orders.services import access
from orders.services.access import Actor
from orders.services.audit import Act
from orders.services.errors import OrderError
from orders.services.identifiers import object_id
from orders.services.lifecycle import transitions
from orders.services.order_queries import Alert
from orders.services.reporting import attention
from orders.services.reporting.attention import Waiting
from orders.services.stock.resolution import resolve_line

SMALL = re.compile(r"[0-9]{1,9}\Z")
VERSION = re.compile(r"[0-9]{1,18}\Z")


@dataclass(frozen=True)
class Words:
    """The heading of an alert's section, and what it means."""

    title: str
    meaning: str


WORDS = {
    Alert.UNKNOWN: Words(
        "Unconfirmed stock",
        "Inventory did not answer, so the outcome has to be checked there. Then record the result here.",
    ),
    Alert.OWED: Words(
        "Stock release overdue",
        "Inventory has not confirmed the stock of these orders for over {owed}. It is retried automatically.",
    ),
    Alert.SHORT: Words(
        "Short releases",
        "Inventory took back fewer units than these orders held. Correct the figures there, then acknowledge here.",
    ),
    Alert.UNCHECKED: Words(
        "Unverified customers",
        "Placed while the user service was unavailable. Verify the customer now, or cancel the order.",
    ),
    Alert.UNSHIPPED: Words(
        "Paid, not shipped",
        "No progress for over {unshipped}.",
    ),
}


@dataclass(frozen=True)
class Section:
    waiting: Waiting
    words: Words
    rows: list[Row]

    @property
    def name(self) -> str:
        return self.waiting.alert.value

    @property
    def count(self) -> str:
        return f"{self.waiting.count}{' or more' if self.waiting.more else ''}"

    @property
    def meaning(self) -> str:
        return self.words.meaning.format(owed=span(settings.STOCK_OWED_TOO_LONG), unshipped=span(settings.SHIP_WITHIN))

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
        status = 200
        try:
            context["sections"] = _sections(request)
        except DatabaseError:
            context["problem"], status = "The database did not answer in time. Try again in a moment.", 503
        return TemplateResponse(request, "admin/orders/order/attention.html", context, status=status)

    def _acted(self, request: HttpRequest) -> HttpResponse:
        try:
            self.message_user(request, _carry_out(request), messages.SUCCESS)
        except (OrderError, DatabaseError) as error:
            self.message_user(request, why_not(error), messages.ERROR)
        section = request.POST.get("section", "")
        anchor = f"#{section}" if section in WORDS else ""
        return HttpResponseRedirect(reverse("admin:orders_order_attention") + anchor)


def _sections(request: HttpRequest) -> list[Section]:
    actor, now = actor_of(request), timezone.now()
    return [
        Section(found, WORDS[found.alert], [row_of(found.alert, order, actor, now) for order in found.orders])
        for found in attention.everything(actor=actor, at=now)
        if found.orders
    ]


def _carry_out(request: HttpRequest) -> str:
    """Do what was posted. :returns: what was done, in words."""
    order, name = request.POST.get("order", ""), request.POST.get("act", "")
    _require(name, request.POST.get("transition", ""), actor_of(request))
    act = _act(request)
    do, order_id = ACTS.get(name), object_id(order)
    if do is None or order_id is None:
        raise OrderError("Unknown action.")
    return do(request, order_id, act)


def _require(name: str, transition: str, actor: Actor) -> None:
    """Before all else: who may not do it is not told what is wrong with the form.

    :raises NotPermitted:
    """
    if name in ("resolve", "retry", "accept"):
        actor.require(access.RESOLVE)
    elif name == "verify":
        actor.require_transition("cancel", "")
    elif name == "transition" and transition in transition_names():
        actor.require_transition(transition, "")


def _number(request: HttpRequest, name: str, pattern: re.Pattern[str] = SMALL) -> int:
    given = request.POST.get(name, "")
    if not pattern.match(given):
        raise OrderError("The form is incomplete.")
    return int(given)


def _resolve(request: HttpRequest, order: ObjectId, act: Act) -> str:
    line, attempts = _number(request, "line"), _number(request, "attempts")
    answer = ANSWERS.get(request.POST.get("happened", ""))
    if answer is None:
        raise OrderError("The form is incomplete.")
    changed = resolve_line(order_id=order, line=line, happened=answer, act=act, expected_attempts=attempts)
    return f"Item {line + 1} of order {changed['number']}: {settled(changed['items'][line]['stock']['state'])}."


def _retry(request: HttpRequest, order: ObjectId, act: Act) -> str:
    changed = attention.retry_now(order_id=order, act=act)
    return f"The stock of order {changed['number']} is queued for a retry."


def _accept(request: HttpRequest, order: ObjectId, act: Act) -> str:
    line, missing = _number(request, "line"), _number(request, "discrepancy")
    changed = attention.accept_shortage(order_id=order, line=line, discrepancy=missing, act=act)
    return f"The short release of item {line + 1} of order {changed['number']} is acknowledged."


def _verify(request: HttpRequest, order: ObjectId, act: Act) -> str:
    changed = attention.verify_user(order_id=order, act=act)
    return f"Customer {changed['user_id']} of order {changed['number']} is verified."


def _transition(request: HttpRequest, order: ObjectId, act: Act) -> str:
    name = request.POST.get("transition", "")
    if name not in transition_names():
        raise OrderError("Unknown action.")
    version = _number(request, "version", VERSION)
    changed = transitions.change_status(order_id=order, transition=name, act=act, expected_version=version)
    return f"Order {changed['number']} is now {changed['status']}."


ACTS: dict[str, Callable[[HttpRequest, ObjectId, Act], str]] = {
    "resolve": _resolve, "retry": _retry, "accept": _accept, "verify": _verify, "transition": _transition,
}  # fmt: skip


def _act(request: HttpRequest) -> Act:
    return act_of(request, request.POST.get("reason", "").strip())
