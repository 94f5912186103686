"""The products among which the form of a new order offers a choice: looked up by the product service, as one types."""

from http import HTTPStatus

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _

from integrations import PeerError
from orders.admin.money_format import money
from orders.admin.page_bases import OwnPages, only_read
from orders.admin.staff_actions import actor_of
from orders.services import product_search


def address() -> str:
    """Where products are looked up; empty where the product service cannot be searched."""
    return reverse("admin:orders_order_products") if product_search.can_search() else ""


class ProductLookup(OwnPages):
    """The look-up's part of the backoffice's order pages."""

    def get_urls(self) -> list[URLPattern]:
        lookup = path("products/", self.admin_site.admin_view(self.products_view), name="orders_order_products")
        return [lookup, *super().get_urls()]

    @only_read
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
