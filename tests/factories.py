"""Orders as they would have come about, straight into the database: for reads, which ask no peer."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import factory
from factory.django import DjangoModelFactory

from orders.models import Address, HistoryEntry, Item, Order, Stock
from orders.services.identifiers import new_number
from orders.services.search_terms import terms_of

ROUTES: dict[str, tuple[tuple[str, str], ...]] = {
    "placing": (),
    "rejected": (("reject", "rejected"),),
    "pending": (("place", "pending"),),
    "paid": (("place", "pending"), ("pay", "paid")),
    "processing": (("place", "pending"), ("pay", "paid"), ("start_processing", "processing")),
    "shipped": (("place", "pending"), ("pay", "paid"), ("start_processing", "processing"), ("ship", "shipped")),
    "delivered": (
        ("place", "pending"), ("pay", "paid"), ("start_processing", "processing"), ("ship", "shipped"),
        ("deliver", "delivered"),
    ),
    "cancelled": (("place", "pending"), ("cancel", "cancelled")),
    "refunded": (("place", "pending"), ("pay", "paid"), ("refund", "refunded")),
}  # fmt: skip
"""Status → the transitions (name, target) by which an order gets there; each counts its version up by one."""

LINE_STATES = {
    "placing": "reserving", "rejected": "none", "shipped": "used", "delivered": "used",
    "cancelled": "released", "refunded": "released",
}  # fmt: skip
"""Status → what became of the lines' stock; elsewhere they are reserved."""


def history_of(status: str, at: datetime, user_id: str) -> list[HistoryEntry]:
    """The history of an order in this status; the customer placed it, `staff` did the rest."""
    entries, source = [("draft", "", "placing")], "placing"
    for name, target in ROUTES[status]:
        entries.append((name, source, target))
        source = target
    own = {"draft", "place", "reject"}
    return [
        HistoryEntry(
            at=at + timedelta(milliseconds=position),
            act=act,
            source=origin,
            target=target,
            actor=f"customer:{user_id}" if act in own else "admin:staff",
            via="api",
            request_id=f"request-{position}",
            write_id=f"{position:032x}",
        )
        for position, (act, origin, target) in enumerate(entries)
    ]


class OrderFactory(DjangoModelFactory):  # type: ignore[type-arg]
    """`OrderFactory(status="paid", user_id="7", created_at=…)`; `lines` says how many there are (two units each)."""

    class Meta:
        model = Order

    class Params:
        lines = 1

    number = factory.LazyFunction(new_number)
    user_id = "1"
    status = "pending"
    created_at = factory.Sequence(lambda n: datetime(2026, 3, 1, 12, tzinfo=UTC) + timedelta(seconds=n))
    updated_at = factory.SelfAttribute("created_at")
    placed_at = factory.SelfAttribute("created_at")
    status_since = factory.SelfAttribute("created_at")
    shipping_address = factory.LazyFunction(
        lambda: Address(line1="1 Long Street", city="Springfield", postal_code="12345", country="Freedonia")
    )

    terms = factory.LazyAttribute(terms_of)

    @factory.lazy_attribute
    def items(self: Any) -> list[Item]:
        return [
            Item(
                product_id=f"665f1c0a9b1e8a0012a4{index + 1:04x}",
                quantity=2,
                price=Decimal("14.90"),
                stock=Stock(state=LINE_STATES.get(self.status, "reserved"), attempts=1),
            )
            for index in range(self.lines)
        ]

    charges = factory.LazyFunction(list)

    @factory.lazy_attribute
    def total_price(self: Any) -> Decimal:
        beside = sum((charge.amount for charge in self.charges), Decimal(0))
        return sum((item.price * item.quantity for item in self.items), beside)

    @factory.lazy_attribute
    def history(self: Any) -> list[HistoryEntry]:
        return history_of(self.status, self.created_at, self.user_id)

    @factory.lazy_attribute
    def version(self: Any) -> int:
        return len(self.history) - 1
