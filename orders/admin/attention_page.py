"""What waits for staff, on one page, each with its ways out as buttons."""

from typing import Any

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from orders.admin import attention_counter, attention_forms, attention_summary, snooze_forms
from orders.admin.attention_sections import MEANINGS, asleep, sections
from orders.admin.page_bases import OwnPages
from orders.admin.posted import unsent
from orders.admin.staff_actions import act_posted, actor_of
from orders.services.audit import REASON_CODES
from orders.services.errors import OrderError
from orders.services.reporting import event_troubles
from orders.services.stored_texts import for_reader


class AttentionPages(OwnPages):
    """The attention page's part of the backoffice's order pages."""

    def get_urls(self) -> list[URLPattern]:
        page = path("attention/", self.admin_site.admin_view(self.attention_view), name="orders_order_attention")
        return [page, *super().get_urls()]

    def attention_view(self, request: HttpRequest) -> HttpResponse:
        """Show what waits; POST `act`, `order`, `section` and what the act asks for: take a way out, and come back."""
        self.require_view(request)
        if request.method == "POST":
            return self._acted(request)
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD", "POST"])
        context: dict[str, Any] = {
            "title": _("Needs attention"),
            "sections": [],
            "now": timezone.now(),
            "webhooks_title": attention_summary.WEBHOOKS,
            "events_title": attention_summary.EVENTS,
            "foreign_title": attention_summary.FOREIGN,
            "codes": REASON_CODES.items(),
            "looked_for": attention_summary.looked_for(),
            "snoozing": snooze_forms.choices(),
        }
        attention_counter.forget()  # the number beside the page is that of the page
        status = 200
        try:
            actor = actor_of(request)
            context["sections"], context["asleep"] = sections(actor, context["now"]), asleep(actor, context["now"])
            context["foreign"] = attention_summary.foreign(actor)
            context["troubles"] = event_troubles.event_troubles(actor=actor, at=context["now"])
            context["webhooks"] = [
                (endpoint, for_reader(endpoint.stopped_because)) for endpoint in context["troubles"].webhooks
            ]
        except DatabaseError:
            context["problem"], status = _("The database did not answer in time. Try again in a moment."), 503
        return self.answer(request, "attention", context, status)

    def _acted(self, request: HttpRequest) -> HttpResponse:
        address = reverse("admin:orders_order_attention")
        if failed := self.carry_out(request, lambda: self._take_action(request)):
            address += unsent(failed)
        section = request.POST.get("section", "")
        anchor = f"#{section}" if section in MEANINGS else ""
        return HttpResponseRedirect(address + anchor)

    def _take_action(self, request: HttpRequest) -> str:
        """Do what was posted. :returns: what was done, in words."""
        name = request.POST.get("act", "")
        attention_forms.require_permission(name, request.POST.get("transition", ""), actor_of(request))
        act = act_posted(request)
        if name in attention_forms.OF_SEVERAL:
            return attention_forms.OF_SEVERAL[name](request.POST, act)
        change = attention_forms.CHANGES.get(name)
        order = self.get_object(request, request.POST.get("order", ""))
        if change is None or order is None:
            raise OrderError(_("Unknown action."))
        return change(order, request.POST, act)
