"""Orders that staff place for customers, on the telephone say, and orders whose items they change before payment."""

from dataclasses import replace
from http import HTTPStatus
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from integrations import PeerError
from orders.admin import new_order_form, new_order_steps, replacement
from orders.admin.money_format import money
from orders.admin.new_order_form import MORE_ROWS, SPARE_ROWS, Typed
from orders.admin.new_order_steps import Step
from orders.admin.posted import seen_version
from orders.admin.read_only import ReadOnly
from orders.admin.staff_actions import act_of, act_posted, actor_of
from orders.models import Order
from orders.services import product_search
from orders.services.access import PLACE_FOR_CUSTOMER
from orders.services.audit import REASON_CODES
from orders.services.errors import OrderError


class NewOrderPages(ReadOnly):
    """The part of the backoffice's order pages that makes orders."""

    def get_urls(self) -> list[URLPattern]:
        protect = self.admin_site.admin_view
        search = path("products/", protect(self.products_view), name="orders_order_products")
        items = path("<path:object_id>/items/", protect(self.items_view), name="orders_order_items")
        return [search, items, *super().get_urls()]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return actor_of(request).has(PLACE_FOR_CUSTOMER)

    @method_decorator(require_http_methods(["GET", "HEAD", "POST"]))
    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """GET the form, for the customer of `user_id` where that is given; POST it to check or to place the order."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        blank = new_order_form.blank(request.GET.get("user_id", ""))
        return self._answer(request, blank, None)

    @method_decorator(require_http_methods(["GET", "HEAD", "POST"]))
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

    @method_decorator(require_safe)
    def products_view(self, request: HttpRequest) -> HttpResponse:
        """GET, as JSON: the products that are found by `q`; 404 where the product service cannot be searched."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        try:
            found = product_search.search_products(request.GET.get("q", ""), actor=actor_of(request))
        except product_search.NoProductSearch as error:
            raise Http404(error.detail) from error
        except PeerError:
            told = _("The product service did not answer. Enter the product’s id.")
            return JsonResponse({"problem": told}, status=HTTPStatus.SERVICE_UNAVAILABLE)
        shown = [
            {"id": one.product_id, "name": one.name, "sku": one.sku, "price": money(one.price, one.currency)}
            for one in found
        ]
        return JsonResponse({"products": shown})

    def _answer(self, request: HttpRequest, first: Typed, old: Order | None) -> HttpResponse:
        """:param first: what the form shows before anything is typed."""
        if request.method != "POST":
            spare = SPARE_ROWS if first.rows else MORE_ROWS
            return self._form(request, Step(first), old, spare)
        typed = new_order_form.typed(request.POST)
        if old is not None:
            typed = replace(typed, texts={**typed.texts, "user_id": old.user_id})
        if "more" in request.POST:
            return self._form(request, Step(typed), old, MORE_ROWS)
        fewer = new_order_form.without_row(typed, request.POST)
        if len(fewer.rows) < len(typed.rows):
            return self._form(request, Step(fewer), old)
        if "place" not in request.POST:
            return self._form(request, new_order_steps.check(typed, act_of(request)), old)
        return self._place(request, typed, old)

    def _place(self, request: HttpRequest, typed: Typed, old: Order | None) -> HttpResponse:
        try:
            act = act_posted(request)
        except OrderError as error:
            return self._form(request, new_order_steps.refused(typed, error), old)
        step = new_order_steps.place(typed, act, old, seen_version(request.POST))
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
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": title,
            "old": old,
            "obstacle": replacement.obstacle(old) if old else "",
            "codes": REASON_CODES,
            "search_url": reverse("admin:orders_order_products") if product_search.can_search() else "",
            **new_order_form.shown(step.typed, step.preview, step.errors, old=old, spare=spare),
        }
        return TemplateResponse(request, "admin/orders/order/new_order.html", context, status=step.status)
