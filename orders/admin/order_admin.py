"""Orders in the backoffice: found, read, and moved on by buttons. Nothing is saved but through the services."""

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from orders.admin.attention import NeedsAttention
from orders.admin.order_page import OrderPage
from orders.admin.paging import CappedPaginator
from orders.admin.searching import query_for
from orders.models import Order

INDEXED = {"status__exact", "created_at__gte", "created_at__lt", NeedsAttention.parameter_name}
"""What an address may filter by: the filters' own conditions, each of which has an index."""


@admin.register(Order)
class OrderAdmin(OrderPage):
    """Staff read every order, drafts and rejected ones included, and change it by its transitions only."""

    list_display = ("number", "user_id", "status_name", "total_price", "contents", "stock", "verified", "created_at")
    list_display_links = ("number",)
    list_filter = ("status", NeedsAttention, "created_at")
    search_fields = ("number",)
    search_help_text = "Order number, order id or user id"
    ordering = ("-created_at", "-pk")
    sortable_by = ()
    list_per_page = 50
    list_max_show_all = 50
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # they count every order
    paginator = CappedPaginator
    actions = None

    @admin.display(description="status")
    def status_name(self, order: Order) -> str:
        return str(order.get_status_display())

    @admin.display(description="items")
    def contents(self, order: Order) -> str:
        units = sum(item.quantity for item in order.items)
        return f"{units} in {len(order.items)} line{'s' if len(order.items) != 1 else ''}"

    @admin.display(description="stock")
    def stock(self, order: Order) -> str:
        return ", ".join(dict.fromkeys(item.stock.get_state_display() for item in order.items))

    @admin.display(description="user verified", boolean=True)
    def verified(self, order: Order) -> bool:
        return order.user_verified

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        return lookup in INDEXED

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Order], search_term: str
    ) -> tuple[QuerySet[Order], bool]:
        if not search_term.strip():
            return queryset, False
        query = query_for(search_term)
        if query is None:
            self.message_user(request, "That is no order number, order id or user id.", messages.WARNING)
            return queryset.none(), False
        return queryset.filter(query), False
