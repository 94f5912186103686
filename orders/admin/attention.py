"""Orders whose stock waits for a person: found in the list, and settled on their page."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from orders.models import Order, reads
from orders.models.parts import Item
from orders.models.states import LineState

if TYPE_CHECKING:
    from django.contrib.admin.options import ModelAdmin

MOST = 1_000
"""So many orders that wait are listed, those that have waited longest; the others once these are settled."""


class NeedsAttention(admin.SimpleListFilter):
    """Orders with a line of which nobody knows what became of its call."""

    title = "stock needs attention"
    parameter_name = "attention"

    def lookups(self, request: HttpRequest, model_admin: "ModelAdmin[Any]") -> list[tuple[str, str]]:
        return [("unknown", "Unknown outcome")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Order]) -> QuerySet[Order]:
        if self.value() != "unknown":
            return queryset
        # By their ids: the ORM's own lookups into the lines do not use the partial index.
        return queryset.filter(pk__in=reads.orders_with_unknown_lines(MOST))


def unknown_lines(order: Order) -> list[tuple[int, Item]]:
    """Index and line of those that wait."""
    return [(index, item) for index, item in enumerate(order.items) if item.stock.state == LineState.UNKNOWN]
