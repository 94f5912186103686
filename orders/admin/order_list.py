"""The list of orders: its columns, and where its filters, search and pages come from."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin

from orders.admin import badges, list_columns
from orders.admin.money_format import money
from orders.admin.order_changelist import OrderChangeList
from orders.models import Order, Status
from orders.services.order_queries import Alert, raised


class OrderList(ModelAdmin):
    """The list's part of the backoffice's order pages; what an address may ask for is in `list_form`."""

    list_display = (list_columns.FIRST, *list_columns.COLUMNS)
    list_display_links = (list_columns.FIRST,)
    sortable_by = ()
    list_per_page = 50
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_disable_select_all = True
    list_fullwidth = True
    actions = None
    list_before_template = "admin/orders/order/list_before.html"
    change_list_template = "admin/orders/order/change_list.html"

    class Media:
        css = {"all": ["orders/list.css"]}
        js = ["orders/list_export.js"]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return OrderChangeList

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The list, or at once the order whose number or id was searched for."""
        response = super().changelist_view(request, extra_context)
        found = getattr(response, "context_data", None) or {}
        hit = found["cl"].only_hit if "cl" in found else None
        if hit is None:
            return response
        return HttpResponseRedirect(reverse("admin:orders_order_change", args=[hit.pk]))

    @admin.display(description=list_columns.COLUMNS["customer"])
    def customer(self, order: Order) -> SafeString:
        return list_columns.customer(order)

    @admin.display(description=list_columns.COLUMNS["placed"])
    def placed(self, order: Order) -> SafeString:
        return list_columns.ago(order.created_at, timezone.now())

    @admin.display(description=list_columns.COLUMNS["contents"])
    def contents(self, order: Order) -> SafeString:
        return list_columns.contents(order)

    @admin.display(description=list_columns.COLUMNS["total"])
    def total(self, order: Order) -> str:
        return money(order.total_price, order.currency)

    @admin.display(description=list_columns.COLUMNS["status_badge"])
    def status_badge(self, order: Order) -> SafeString:
        return badges.of(Status(order.status))

    @admin.display(description=list_columns.COLUMNS[list_columns.AGE])
    def age(self, order: Order) -> SafeString | str:
        return list_columns.ago(order.status_since, timezone.now()) if order.status_since else ""

    @admin.display(description=list_columns.COLUMNS["stock"])
    def stock(self, order: Order) -> SafeString:
        return badges.in_a_row(badges.of_stock(item.stock) for item in order.items)

    @admin.display(description=list_columns.COLUMNS["flags"], empty_value="")
    def flags(self, order: Order) -> SafeString:
        found = raised(order, timezone.now())  # unverified says what unchecked says
        return badges.in_a_row(badges.of(alert) for alert in found if alert is not Alert.UNCHECKED)
