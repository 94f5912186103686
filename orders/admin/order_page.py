"""One order in the backoffice: its page, and what its forms change. Nothing is saved but through the services."""

from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect, JsonResponse
from django.urls import URLPattern, path

from orders.admin import list_place, offered_forms, order_facts, order_page_contents, printing
from orders.admin.offered_forms import Kept
from orders.admin.order_forms import Change
from orders.admin.page_bases import ReadOnly, only_read
from orders.admin.posted import only_posted
from orders.admin.posted_changes import FORMS
from orders.admin.staff_actions import act_posted, status_of
from orders.models import Order
from orders.services.errors import OrderError


class OrderPage(ReadOnly):
    """The page of one order: its facts, what may be done with it now, and its printed forms."""

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

    @only_read
    def version_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """GET, as JSON: the order's version, and who changed what last; open pages ask for it now and then."""
        self.require_view(request)
        found = order_facts.last_change(object_id)
        if found is None:
            raise Http404
        return JsonResponse(found)

    def _readable(self, request: HttpRequest, object_id: str) -> Order | None:
        """:raises PermissionDenied: for whoever may not see orders."""
        self.require_view(request)
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
            return self._change(request, order, change)

        return view

    def _change(self, request: HttpRequest, order: Order, change: Change) -> HttpResponse:
        """Make a change and go back to the order; where it is refused, show the page with what was typed."""
        failed = self.carry_out(request, lambda: change(order, request.POST, act_posted(request)))
        if isinstance(failed, OrderError):
            return self._refused(request, order, failed)
        if failed is not None:
            # The order as it was read before: should the change have happened, its version refuses a second try.
            return self._page(request, order, offered_forms.kept(request.POST), status_of(failed))
        return HttpResponseRedirect(list_place.page_again(request, order))

    def _refused(self, request: HttpRequest, order: Order, error: OrderError) -> HttpResponse:
        now = self.get_object(request, str(order.pk))
        if now is None:
            raise Http404 from error
        return self._page(request, now, offered_forms.kept(request.POST, error), status_of(error))

    def _page(
        self, request: HttpRequest, order: Order, kept: Kept | None = None, status: HTTPStatus = HTTPStatus.OK
    ) -> HttpResponse:
        context = {"opts": self.opts, **order_page_contents.contents(request, order, kept or Kept())}
        return self.answer(request, "change_form", context, status)
