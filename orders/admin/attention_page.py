"""What waits for staff, on one page, each with its ways out as buttons."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.admin import ModelAdmin

from orders.admin import attention_counter, order_forms, snooze_forms
from orders.admin.attention_sections import MEANINGS, asleep, at_least, sections
from orders.admin.order_forms import Change
from orders.admin.posted import unsent
from orders.admin.staff_actions import act_posted, actor_of, why_not
from orders.services.audit import REASON_CODES
from orders.services.errors import OrderError
from orders.services.order_queries import NEEDS_ATTENTION
from orders.services.reporting import attention, event_troubles
from orders.services.stored_texts import for_reader

CHANGES: dict[str, Change] = {
    "resolve": order_forms.resolve,
    "retry": order_forms.retry,
    "accept": order_forms.accept_shortage,
    "verify": order_forms.verify_user,
    "transition": order_forms.change_status,
}
"""What the buttons post as `act`."""
OF_SEVERAL = {"snooze": snooze_forms.snooze, "wake": snooze_forms.wake}
"""What the forms about the selected orders of a section post as `act`; transitions go to the list's bulk actions."""
WEBHOOKS, EVENTS = gettext_lazy("Webhooks stopped or failing"), gettext_lazy("Events delayed")
"""The headings of what keeps others from hearing what happens, which no order has."""
FOREIGN = gettext_lazy("Orders of another service")


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
        context = {**self.admin_site.each_context(request), "title": _("Needs attention"), "sections": []}
        context |= {
            "now": timezone.now(),
            "webhooks_title": WEBHOOKS,
            "events_title": EVENTS,
            "foreign_title": FOREIGN,
            "codes": REASON_CODES.items(),
            "looked_for": "; ".join(map(str, [*(alert.label for alert in NEEDS_ATTENTION), EVENTS, WEBHOOKS, FOREIGN])),
            "snoozing": snooze_forms.choices(),
        }
        attention_counter.forget()  # the number beside the page is that of the page
        status = 200
        try:
            actor = actor_of(request)
            context["sections"], context["asleep"] = sections(actor, context["now"]), asleep(actor, context["now"])
            context["foreign"] = counted(attention.foreign(actor=actor))
            context["troubles"] = event_troubles.event_troubles(actor=actor, at=context["now"])
            context["webhooks"] = [
                (endpoint, for_reader(endpoint.stopped_because)) for endpoint in context["troubles"].webhooks
            ]
        except DatabaseError:
            context["problem"], status = _("The database did not answer in time. Try again in a moment."), 503
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
        if name in OF_SEVERAL:
            return OF_SEVERAL[name](request.POST, act)
        change = CHANGES.get(name)
        order = self.get_object(request, request.POST.get("order", ""))
        if change is None or order is None:
            raise OrderError(_("Unknown action."))
        return change(order, request.POST, act)


def counted(number: int) -> str:
    """A number as it was counted, up to a limit; empty for none."""
    return at_least(number, more=number >= attention.COUNTED) if number else ""
