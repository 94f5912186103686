"""Transitions of many orders at a time, from the list: chosen, planned, confirmed, and carried out as a run."""

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from bson import ObjectId
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError
from django.forms import Media
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from unfold.admin import ModelAdmin

from integrations.deadline import Deadline
from orders.admin import bulk_selection, bulk_words
from orders.admin.acting import act_of, actor_of, why_not
from orders.admin.bulk_selection import Chosen
from orders.models import BulkRun
from orders.models.bulk_run import BulkState
from orders.models.machine import transition_names
from orders.services import bulk
from orders.services.audit import LONGEST_REASON, Act, InvalidReason, ReasonMissing
from orders.services.errors import OrderError
from orders.services.identifiers import object_id
from orders.services.lifecycle.transitions import REASON_NEEDED, require_reason
from orders.storage.database import time_limit

logger = logging.getLogger(__name__)

FEW, FEW_RELEASING = 100, 20
"""So many orders are dealt with while whoever confirmed it waits; more are left to the workers."""
LONGEST_LOOK = timedelta(minutes=15)
"""So long what a confirmation shows is taken for true; then it is shown anew."""
A_MOMENT = 3.0
"""Seconds that are waited for them."""
SMALL = re.compile(r"[0-9]{1,9}\Z")
TOO_MANY = (
    "There are too many orders to be counted in time. Narrow the list by status or by days, or use "
    "manage.py transition_orders."
)
LOOK = "See under Bulk runs whether a run was started"


class BulkActions(ModelAdmin):
    """The list's checkboxes and what can be done with the ticked orders, by whoever may."""

    @property
    def media(self) -> Media:
        return super().media + Media(css={"all": ["orders/bulk.css"]})

    def get_urls(self) -> list[URLPattern]:
        bulk_view = self.admin_site.admin_view(self.bulk_view)
        return [path("bulk/", bulk_view, name="orders_order_bulk"), *super().get_urls()]

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """The transitions that the reader may make of many orders; without any the list has no checkboxes."""
        actor = actor_of(request)
        return {
            name: (BulkActions.ask, name, bulk_words.label(name))
            for name in transition_names()
            if actor.may_bulk(name)
        }  # fmt: skip

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if request.method == "POST" and request.POST.get("action") in transition_names():
            return self.ask(request)
        return super().changelist_view(request, extra_context)

    def ask(self, request: HttpRequest) -> HttpResponse:
        """POST of the list: show what would happen, and ask whether it shall. Nothing is changed."""

        def answer() -> HttpResponse:
            name = self._permitted(request, "action")
            with counted_in_time():
                chosen = bulk_selection.of_list(request.GET, request.POST)
            return self._confirmation(request, name, chosen)

        return self._answered(request, answer, request.GET.urlencode())

    def bulk_view(self, request: HttpRequest) -> HttpResponse:
        """POST of the confirmation: start the run, and go to its page."""
        if request.method != "POST":
            self.message_user(request, bulk_selection.TICK_FIRST, messages.WARNING)
            return _to_list("")

        def answer() -> HttpResponse:
            name = self._permitted(request, "transition")
            with counted_in_time():
                chosen = bulk_selection.of_confirmation(request.POST)
            try:
                act = act_of(request, request.POST.get("reason", ""))
                require_reason(name, act)
            except (InvalidReason, ReasonMissing) as error:
                return self._confirmation(request, name, chosen, error.detail)
            if problem := self._outdated(request, name, chosen):
                return self._confirmation(request, name, chosen, problem)
            return self._started(request, self._start(request, name, chosen, act))

        return self._answered(request, answer, request.POST.get("filter", ""))

    def _permitted(self, request: HttpRequest, field: str) -> str:
        """The transition that is asked for. :raises NotPermitted: also for whoever may not even see orders."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        name = request.POST.get(field, "")
        if name not in transition_names():
            raise OrderError("That is no transition of orders.")
        actor_of(request).require_bulk(name)
        return name

    def _answered(self, request: HttpRequest, answer: Callable[[], HttpResponse], query: str) -> HttpResponse:
        """The answer, or a message on the list that says why there is none."""
        try:
            return answer()
        except (OrderError, DatabaseError) as error:
            self.message_user(request, why_not(error, LOOK), messages.ERROR)
        return _to_list(query)

    def _confirmation(self, request: HttpRequest, name: str, chosen: Chosen, problem: str = "") -> HttpResponse:
        with counted_in_time():
            plan = bulk.plan(selection=chosen.selection, transition=name, actor=actor_of(request))
        hidden = chosen.fields | {"transition": name, "planned": str(plan.total), "run": str(ObjectId())}
        hidden |= {"can": str(plan.can), "shown": timezone.now().isoformat()}
        context = {
            **self.admin_site.each_context(request),
            "title": f"{bulk_words.label(name)} {bulk_words.count(plan.can, 'order')}?",
            "opts": self.opts,
            "label": bulk_words.label(name),
            "target": bulk_words.target(name),
            "chosen": chosen,
            "plan": plan,
            "figures": bulk_words.figures(plan, name),
            "refusals": bulk_words.refusals(plan),
            "releases": not bulk.is_together(name),
            "reason": request.POST.get("reason", ""),
            "needs_reason": name in REASON_NEEDED,
            "longest_reason": LONGEST_REASON,
            "problem": problem,
            "hidden": hidden,
            "back": chosen.fields.get("filter") or request.GET.urlencode(),
        }
        return TemplateResponse(request, "admin/orders/order/bulk_confirm.html", context)

    def _start(self, request: HttpRequest, name: str, chosen: Chosen, act: Act) -> BulkRun:
        given, planned = request.POST.get("run", ""), request.POST.get("planned", "")
        run = bulk.start_run(
            selection=chosen.selection,
            transition=name,
            act=act,
            run_id=object_id(given),
        )
        most = FEW if bulk.is_together(name) else FEW_RELEASING
        taken_down = run.state != BulkState.SELECTING or "orders" not in run.selection
        if taken_down and SMALL.match(planned) and int(planned) <= most:
            return _carried_on(run)
        return run

    def _outdated(self, request: HttpRequest, name: str, chosen: Chosen) -> str:
        """Why what was confirmed is not what would happen now; empty where it is, or less."""
        shown, can = bulk_selection.moment(request.POST.get("shown", "")), request.POST.get("can", "")
        if shown is None or timezone.now() - shown > LONGEST_LOOK or not SMALL.match(can):
            return "This page has been open for long. These are the orders as they are now: please confirm once more."
        with counted_in_time():
            plan = bulk.plan(selection=chosen.selection, transition=name, actor=actor_of(request))
        if plan.can > int(can):
            more = bulk_words.count(plan.can - int(can), "order")
            return f"By now it would be {more} more than you were shown. Please confirm once more."
        return ""

    def _started(self, request: HttpRequest, run: BulkRun) -> HttpResponse:
        if actor_of(request).has("orders.view_bulkrun"):
            return HttpResponseRedirect(reverse("admin:orders_bulkrun_change", args=[run.pk]))
        told = f"{run.done:,} of {bulk_words.count(run.total, 'order')} done, {run.refused + run.failed:,} not possible"
        self.message_user(request, f"Run {run.pk} was started: {told} so far.", messages.INFO)
        return _to_list("")


@contextmanager
def counted_in_time() -> Iterator[None]:
    """Let a page take no longer than it may to find out which orders are meant, and how many they are.

    :raises OrderError: it would take longer.
    """
    try:
        with time_limit(settings.BACKOFFICE_QUERY_MS / 1000):
            yield
    except DatabaseError as error:
        if getattr(error.__cause__, "timeout", False):
            raise OrderError(TOO_MANY) from error
        raise


def _carried_on(run: BulkRun) -> BulkRun:
    """The run after a moment; whatever keeps it from coming to its end, its page tells, and the workers go on."""
    try:
        return bulk.carry_on(run.pk, until=Deadline.after(A_MOMENT))
    except Exception:
        logger.exception("run %s was started, but not carried on here", run.pk)
        return run


def _to_list(query: str) -> HttpResponseRedirect:
    address = reverse("admin:orders_order_changelist")
    return HttpResponseRedirect(f"{address}?{query}" if query else address)
