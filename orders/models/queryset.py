"""Chainable reads of orders for the ORM's users (the admin, the commands)."""

from datetime import datetime

from django_mongodb_backend.queryset import MongoQuerySet

from orders.models.states import EPOCH, PUBLIC_STATUSES, Status


class OrderQuerySet(MongoQuerySet):
    """Orders, narrowed down."""

    def public(self) -> "OrderQuerySet":
        """Orders that a storefront may show: no drafts, nothing rejected."""
        return self.filter(status__in=PUBLIC_STATUSES)

    def unpaid(self) -> "OrderQuerySet":
        return self.filter(status=Status.PENDING)

    def placed_before(self, moment: datetime) -> "OrderQuerySet":
        return self.filter(placed_at__lt=moment)

    def stock_owed(self) -> "OrderQuerySet":
        """Orders that a worker still has to look at."""
        return self.filter(stock_due_at__gt=EPOCH)
