"""The list of orders: its columns, filters, search and pages."""

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from orders.admin.attention import NeedsAttention
from orders.admin.paging import CappedPaginator
from orders.admin.searching import query_for
from orders.models import Order

INDEXED = {"status__exact", "created_at__gte", "created_at__lt", NeedsAttention.parameter_name}
"""What an address may filter by: the filters' own conditions, each of which has an index."""


class OrderList(ModelAdmin):
    """The list's part of the backoffice's order pages."""

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

    @admin.display(description="items")
    def contents(self, order: Order) -> str:
        units = sum(item.quantity for item in order.items)
        return f"{units} in {len(order.items)} line{'s' if len(order.items) != 1 else ''}"

    @admin.display(description="stock")
    def stock(self, order: Order) -> str:
        return ", ".join(dict.fromkeys(item.stock.get_state_display() for item in order.items))

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
