"""Transitions of many orders at a time, from the list: chosen, confirmed, and started as a run."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.db import DatabaseError
from django.forms import Media
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from orders.admin import bulk_confirmation
from orders.admin.bulk_selection import TICK_FIRST, Chosen
from orders.admin.local_formats import count
from orders.admin.page_bases import OwnPages
from orders.admin.staff_actions import actor_of, why_not
from orders.models import BulkRun, transition_label, transition_names
from orders.services.errors import OrderError

LOOK = gettext_lazy("Check under Bulk runs whether a run was started")


class BulkActions(OwnPages):
    """The list's checkboxes, and the actions that the reader may take on the selected orders."""

    @property
    def media(self) -> Media:
        return super().media + Media(css={"all": ["orders/bulk.css"]})

    def get_urls(self) -> list[URLPattern]:
        bulk_view = self.admin_site.admin_view(self.bulk_view)
        return [path("bulk/", bulk_view, name="orders_order_bulk"), *super().get_urls()]

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """The transitions that the reader may make of many orders."""
        actor = actor_of(request)
        return {
            name: (BulkActions.ask, name, transition_label(name))
            for name in transition_names()
            if actor.may_bulk(name)
        }  # fmt: skip

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if request.method == "POST" and request.POST.get("action") in transition_names():
            return self.ask(request)
        return super().changelist_view(request, extra_context)

    def ask(self, request: HttpRequest) -> HttpResponse:
        """POST of the list: show what would happen, and ask for confirmation. Nothing is changed."""

        def answer() -> HttpResponse:
            name = self._permitted(request, request.POST.get("action", ""))
            address = bulk_confirmation.address(request, name)
            return self._confirmation(request, name, bulk_confirmation.of_list(request), address)

        return self._answered(request, answer, request.GET.urlencode())

    def bulk_view(self, request: HttpRequest) -> HttpResponse:
        """POST of the confirmation: start the run, and go to its page. GET of its address: ask for it again."""
        if request.method != "POST":
            return self._ask_again(request)

        def answer() -> HttpResponse:
            name = self._permitted(request, request.POST.get("transition", ""))
            chosen = bulk_confirmation.of_form(request)
            if problem := bulk_confirmation.problem(request, name, chosen):
                return self._confirmation(request, name, chosen, request.get_full_path(), problem)
            return self._started(request, bulk_confirmation.start(request, name, chosen))

        return self._answered(request, answer, request.POST.get("filter", ""))

    def _ask_again(self, request: HttpRequest) -> HttpResponse:
        """Show the confirmation that an address names, as it is now; the list, where it names no transition."""
        if "transition" not in request.GET:
            self.message_user(request, str(TICK_FIRST), messages.WARNING)
            return _to_list(request.GET.get("filter", ""))

        def answer() -> HttpResponse:
            name = self._permitted(request, request.GET.get("transition", ""))
            return self._confirmation(request, name, bulk_confirmation.of_address(request), request.get_full_path())

        return self._answered(request, answer, request.GET.get("filter", ""))

    def _permitted(self, request: HttpRequest, name: str) -> str:
        """The requested transition. :raises NotPermitted: also if the reader may not see orders."""
        self.require_view(request)
        if name not in transition_names():
            raise OrderError(_("Unknown action."))
        actor_of(request).require_bulk(name)
        return name

    def _answered(self, request: HttpRequest, answer: Callable[[], HttpResponse], query: str) -> HttpResponse:
        """The answer, or a message on the list that says what went wrong."""
        try:
            return answer()
        except (OrderError, DatabaseError) as error:
            self.message_user(request, why_not(error, str(LOOK)), messages.ERROR)
        return _to_list(query)

    def _confirmation(
        self, request: HttpRequest, name: str, chosen: Chosen, address: str, problem: str = ""
    ) -> HttpResponse:
        shown = bulk_confirmation.shown(request, name, chosen, address, problem)
        return self.answer(request, "bulk_confirm", {"opts": self.opts, **shown})

    def _started(self, request: HttpRequest, run: BulkRun) -> HttpResponse:
        if actor_of(request).has("orders.view_bulkrun"):
            return HttpResponseRedirect(reverse("admin:orders_bulkrun_change", args=[run.pk]))
        told = ngettext(
            "Run %(run)s started: %(done)s of %(orders)s order done so far, %(problems)s skipped or failed.",
            "Run %(run)s started: %(done)s of %(orders)s orders done so far, %(problems)s skipped or failed.",
            run.total,
        )
        figures = {"done": count(run.done), "orders": count(run.total), "problems": count(run.refused + run.failed)}
        self.message_user(request, told % {"run": run.pk, **figures}, messages.INFO)
        return _to_list("")


def _to_list(query: str) -> HttpResponseRedirect:
    address = reverse("admin:orders_order_changelist")
    return HttpResponseRedirect(f"{address}?{query}" if query else address)
