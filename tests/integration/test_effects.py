"""What a transition is said to cause is what it then causes."""

from decimal import Decimal

import pytest
from bson import ObjectId

from integrations.sandbox import Sandbox
from orders.models import Document, edges_from
from orders.services import access
from orders.services.fulfilment.cancelling import cancel_lines
from orders.services.fulfilment.holding import hold
from orders.services.fulfilment.parts import LineRequest
from orders.services.fulfilment.refunding import refund
from orders.services.fulfilment.shipping import ship
from orders.services.lifecycle.effects import possible_transitions
from orders.services.lifecycle.tracking import Tracking
from orders.services.lifecycle.transitions import change_status, change_status_to
from tests.integration.builders import ADMIN, A, B, act, place, read

PATH = ("pending", "paid", "processing", "shipped", "delivered")
POSSIBLE = [(status, edge.name) for status in PATH for edge in edges_from(status)]


def brought_to(status: str) -> ObjectId:
    """An order of 3 and 2 units, one of which was cancelled before it was paid; if it was, 1.00 was refunded."""
    order_id: ObjectId = place((A, 3), (B, 2)).order["_id"]
    cancel_lines(order_id=order_id, lines=[LineRequest(0, 1)], act=act(reason="Too many"))
    for target in PATH[1 : PATH.index(status) + 1]:
        change_status_to(order_id=order_id, status=target, act=act())
        if target == "paid":
            refund(order_id=order_id, amount=Decimal("1.00"), act=act(reason="A scratch"))
    return order_id


def units(order: Document, *states: str) -> int:
    return sum(item["quantity"] for item in order["items"] if item["stock"]["state"] in states)


def money(order: Document, name: str) -> Decimal:
    return order[name].to_decimal() if name in order else Decimal(0)


@pytest.mark.parametrize(("status", "transition"), POSSIBLE)
def test_a_transition_causes_what_was_said(sandbox: Sandbox, status: str, transition: str) -> None:
    order_id = brought_to(status)
    before = read(order_id)
    said = {edge.name: effect for edge, effect in possible_transitions(order_id=order_id, actor=ADMIN)}[transition]
    after = change_status(order_id=order_id, transition=transition, act=act(reason="As was said"))
    assert said.releases == units(after, "released") - units(before, "released")
    assert said.ships == units(after, "used") - units(before, "used")
    assert said.refunds == money(after, "refunded") - money(before, "refunded")
    assert said.owes == money(after, "owed")


def test_what_a_condition_refuses_is_not_possible(sandbox: Sandbox) -> None:
    def names(order_id: ObjectId, actor: access.Actor = ADMIN) -> list[str]:
        return [edge.name for edge, _ in possible_transitions(order_id=order_id, actor=actor)]

    order_id = brought_to("processing")
    assert names(order_id) == ["ship", "cancel", "refund"]
    assert names(order_id, access.customer("1")) == ["cancel"]
    ship(order_id=order_id, lines=[LineRequest(0, 1)], tracking=Tracking(), act=act())
    assert names(order_id) == ["ship", "refund"]
    hold(order_id=order_id, act=act(reason="Two cards"))
    assert names(order_id) == ["refund"]
    with pytest.raises(access.OrderNotFound):
        names(order_id, access.customer("2"))
