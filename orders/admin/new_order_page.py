"""Orders that staff place for customers, on the telephone say, and orders whose items they change before payment."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _

from orders.admin import new_order_check, new_order_fields, new_order_form, product_lookup
from orders.admin.new_order_check import Step
from orders.admin.new_order_fields import MORE_ROWS, SPARE_ROWS
from orders.admin.new_order_form import Typed
from orders.admin.new_order_placing import place
from orders.admin.page_bases import ReadOnly, read_or_posted
from orders.admin.posted import seen_version
from orders.admin.staff_actions import act_of, act_posted, actor_of
from orders.models import Order
from orders.services.access import PLACE_FOR_CUSTOMER
from orders.services.errors import OrderError


class NewOrderPages(ReadOnly):
    """The part of the backoffice's order pages that makes orders."""

    def get_urls(self) -> list[URLPattern]:
        protect = self.admin_site.admin_view
        items = path("<path:object_id>/items/", protect(self.items_view), name="orders_order_items")
        return [items, *super().get_urls()]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return actor_of(request).has(PLACE_FOR_CUSTOMER)

    @read_or_posted
    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """GET the form, for the customer of `user_id` where that is given; POST it to check or to place the order."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        blank = new_order_form.blank(request.GET.get("user_id", ""))
        return self._answer(request, blank, None)

    @read_or_posted
    def items_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """GET the form of an order that takes the place of this one; POST it, as a new order's."""
        if not (self.has_view_permission(request) and self.has_add_permission(request)):
            raise PermissionDenied
        old: Order | None = self.get_object(request, object_id)
        if old is None:
            raise Http404
        if not actor_of(request).may("cancel", old.user_id):
            raise PermissionDenied
        return self._answer(request, new_order_form.of_order(old), old)

    def _answer(self, request: HttpRequest, first: Typed, old: Order | None) -> HttpResponse:
        """:param first: what the form shows before anything is typed."""
        if request.method != "POST":
            spare = SPARE_ROWS if first.rows else MORE_ROWS
            return self._form(request, Step(first), old, spare)
        typed = new_order_form.typed(request.POST, old)
        if "more" in request.POST:
            return self._form(request, Step(typed), old, MORE_ROWS)
        fewer = new_order_form.without_row(typed, request.POST)
        if len(fewer.rows) < len(typed.rows):
            return self._form(request, Step(fewer), old)
        if "place" not in request.POST:
            return self._form(request, new_order_check.check(typed, act_of(request)), old)
        return self._place(request, typed, old)

    def _place(self, request: HttpRequest, typed: Typed, old: Order | None) -> HttpResponse:
        try:
            act = act_posted(request)
        except OrderError as error:
            return self._form(request, new_order_check.refused(typed, error), old)
        step = place(typed, act, old, seen_version(request.POST))
        if step.placed is None:
            if old is not None:
                old = self.get_object(request, str(old.pk))
            return self._form(request, step, old)
        number = step.placed["number"]
        told = _("Order %(number)s is placed.") % {"number": number}
        if old is not None:
            names = {"number": number, "old": old.number}
            told = _("Order %(number)s is placed, and order %(old)s is cancelled.") % names
        self.message_user(request, told, messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:orders_order_change", args=[step.placed["_id"]]))

    def _form(self, request: HttpRequest, step: Step, old: Order | None, spare: int = SPARE_ROWS) -> HttpResponse:
        if step.told:
            self.message_user(request, step.told, messages.ERROR)
        title = _("New order")
        if old is not None:
            title = _("Change the items of order %(number)s") % {"number": old.number}
        context = {
            "opts": self.opts,
            "title": title,
            "search_url": product_lookup.address(),
            **new_order_fields.shown(step.typed, step.preview, step.errors, old=old, spare=spare),
        }
        return self.answer(request, "new_order", context, step.status)
