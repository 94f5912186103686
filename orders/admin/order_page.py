"""One order in the backoffice: its page, and what its forms change. Nothing is saved but through the services."""

from http import HTTPStatus
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_safe

from orders.admin import (
    desk_forms,
    list_place,
    order_facts,
    order_forms,
    part_forms,
    printing,
    replacement,
    timeline,
)
from orders.admin.order_forms import Change, Kept
from orders.admin.posted import only_posted, seen_version
from orders.admin.read_only import ReadOnly
from orders.admin.staff_actions import act_posted, actor_of, status_of, why_not
from orders.models import Order
from orders.services.errors import OrderError

FORMS: dict[str, Change] = {
    "transition": order_forms.change_status,
    "address": order_forms.change_address,
    "note": order_forms.write_note,
    "resolve": order_forms.resolve,
    "erase": order_forms.erase_customer,
    "ship": part_forms.ship,
    "tracking": part_forms.change_tracking,
    "cancellation": part_forms.cancel_items,
    "refund": part_forms.refund,
    "return": part_forms.take_back,
    "receive": part_forms.receive,
    "hold": part_forms.hold,
    "lift": part_forms.lift_hold,
    "assign": desk_forms.assign,
    "tag": desk_forms.tag,
}
"""What can be posted to an order, by the last part of the address."""


class OrderPage(ReadOnly):
    """The page of one order: its facts, what may be done with it now, and its printed forms."""

    change_form_template = "admin/orders/order/change_form.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Order]:
        """Without what another service wrote into the collection."""
        return super().get_queryset(request).filter(version__gte=0)

    def get_urls(self) -> list[URLPattern]:
        protect = self.admin_site.admin_view
        forms = [
            path(f"<path:object_id>/{name}/", protect(only_posted(self._posting(change))), name=f"orders_order_{name}")
            for name, change in FORMS.items()
        ]
        prints = [
            path(f"<path:object_id>/{name}/", protect(self._printing(name)), name=f"orders_order_{name}")
            for name in printing.DOCUMENTS
        ]
        version = path("<path:object_id>/version/", protect(self.version_view), name="orders_order_version")
        return [*forms, *prints, version, *super().get_urls()]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show an order; the forms on its page post elsewhere."""
        if request.method not in ("GET", "HEAD"):
            raise PermissionDenied
        order = self._readable(request, object_id)
        if order is None:
            gone: HttpResponse = self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
            return gone
        return self._page(request, order)

    @method_decorator(require_safe)
    def version_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """GET, as JSON: the order's version, and who changed what last; open pages ask for it now and then."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        found = order_facts.last_change(object_id)
        if found is None:
            raise Http404
        return JsonResponse(found)

    def _readable(self, request: HttpRequest, object_id: str) -> Order | None:
        """:raises PermissionDenied: for whoever may not see orders."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        found: Order | None = self.get_object(request, object_id)
        return found

    def _printing(self, name: str) -> Any:
        def view(request: HttpRequest, object_id: str) -> HttpResponse:
            if request.method not in ("GET", "HEAD"):
                return HttpResponseNotAllowed(["GET", "HEAD"])
            order = self._readable(request, object_id)
            if order is None:
                raise Http404
            return printing.document(request, name, order)

        return view

    def _posting(self, change: Change) -> Any:
        def view(request: HttpRequest, object_id: str) -> HttpResponse:
            order = self._readable(request, object_id)
            if order is None:
                raise Http404
            return self._carry_out(request, order, change)

        return view

    def _carry_out(self, request: HttpRequest, order: Order, change: Change) -> HttpResponse:
        """Make a change and go back to the order; where it is refused, show the page with what was typed."""
        try:
            act = act_posted(request)
            self.message_user(request, change(order, request.POST, act), messages.SUCCESS)
        except OrderError as error:
            self.message_user(request, why_not(error), messages.ERROR)
            return self._refused(request, order, error)
        except DatabaseError as error:
            self.message_user(request, why_not(error), messages.ERROR)
            # The order as it was read before: should the change have happened, its version refuses a second try.
            return self._page(request, order, order_forms.kept(request.POST), HTTPStatus.SERVICE_UNAVAILABLE)
        return HttpResponseRedirect(list_place.page_again(request, order))

    def _refused(self, request: HttpRequest, order: Order, error: OrderError) -> HttpResponse:
        now = self.get_object(request, str(order.pk))
        if now is None:
            raise Http404 from error
        return self._page(request, now, order_forms.kept(request.POST, error), status_of(error))

    def _page(
        self, request: HttpRequest, order: Order, kept: Kept | None = None, status: HTTPStatus = HTTPStatus.OK
    ) -> HttpResponse:
        actor, now, kept = actor_of(request), timezone.now(), kept or Kept()
        seen = seen_version(request.POST)
        missed = order_facts.changes_since(order, seen) if seen is not None and seen < order.version else []
        forms = order_forms.offered(order, actor, kept, now)
        around = list_place.around(request, order, now)
        request.list_left = around.back  # type: ignore[attr-defined]  # for the theme's head of the page
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": order,
            "title": order.number,
            "kept": kept,
            "facts": order_facts.facts(order, now),
            "erasure": order_facts.erasure(order, now),
            "replacement": replacement.shown(order, actor),
            "timeline": timeline.timeline(order, now),
            "missed": timeline.entries(order, missed, now),
            "desk": desk_forms.desk(order, actor, request.user, kept),
            "prints": printing.DOCUMENTS,
            "list": around,
            "form_gone": kept.form not in ["", *forms.pop("names")],
            **forms,
        }
        return TemplateResponse(request, self.change_form_template, context, status=status)
