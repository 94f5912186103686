"""A storefront's steps with the client of openapi-python-client; prints what it saw."""

import json
import os
import sys

from order_client import AuthenticatedClient
from order_client.api.orders import cancel_order, change_order_status, get_order, list_orders, place_order
from order_client.models import (
    AddressRequest,
    ContactRequest,
    ItemRequest,
    Order,
    OrderStatus,
    PlaceOrderRequest,
    Problem,
    StatusRequest,
)

client = AuthenticatedClient(base_url=os.environ["BASE"], token=os.environ["TOKEN"])


def place() -> Order:
    body = PlaceOrderRequest(
        user_id="1",
        items=[ItemRequest(product_id=os.environ["PRODUCT"], quantity=2, price=os.environ["PRICE"])],
        shipping_address=AddressRequest(
            line1="1 Long Street", city="Springfield", postal_code="12345", country="Freedonia"
        ),
        contact=ContactRequest(name="Margaret", phone="555 0199"),
    )
    placed = place_order.sync(client=client, body=body, idempotency_key=os.environ["KEY"])
    assert isinstance(placed, Order), placed
    return placed


first, again = place(), place()
read = get_order.sync(first.id, client=client)
listed = list_orders.sync(client=client, status=OrderStatus.PENDING, limit=100)
cancelled = change_order_status.sync(first.id, client=client, body=StatusRequest(status=OrderStatus.CANCELLED))
refused = cancel_order.sync_detailed(first.id, client=client)
problem = refused.parsed
assert isinstance(read, Order)
assert isinstance(cancelled, Order)
assert isinstance(listed, list)
assert isinstance(problem, Problem)
price: str = read.items[0].price
status: OrderStatus = cancelled.status
sys.stdout.write(
    json.dumps(
        {
            "id": first.id,
            "again": again.id,
            "read": read.id,
            "listed": [order.id for order in listed],
            "price": price,
            "names": [read.contact.name, read.items[0].name],
            "total": read.total_price,
            "status": status.value,
            "refused": refused.status_code.value,
            "code": problem.code,
            "current_status": problem.current_status.value if problem.current_status else None,
        }
    )
)
