"""What the parts of an order are called where only their name is shown."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from orders.models import Hold, Payment, Refund, Return, Shipment

AT = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("part", "name"),
    [
        (Shipment(at=AT, carrier="UPS", tracking_number="1Z"), "UPS 1Z"),
        (Shipment(at=AT), "2026-01-02"),
        (Return(at=AT), "2026-01-02"),
        (Payment(at=AT, amount=Decimal("5.00"), reference="pi_1"), "5.00 pi_1"),
        (Refund(at=AT, amount=Decimal("5.00")), "5.00"),
        (Hold(code="fraud", actor="admin:boss"), "fraud"),
    ],
    ids=str,
)
def test_a_part_is_called_by_what_tells_it_from_others(part: object, name: str) -> None:
    assert str(part) == name
