"""The machine is the specification's table, and what is derived from it agrees with it."""

from datetime import UTC, datetime

import pytest
from django.core.exceptions import ValidationError
from django_fsm import TransitionNotAllowed

from orders.models import (
    PUBLIC_STATUSES,
    Attempt,
    HistoryEntry,
    Item,
    LineState,
    Order,
    SavedView,
    ServiceToken,
    Status,
    Stock,
    StockEffect,
    WebhookEndpoint,
    edges,
    edges_from,
    every_line_reserved,
    permission_of,
    public_edges,
    statuses_before,
    stock_effect,
    transition_label,
    transition_names,
)
from orders.services.access import OF_SERVICES, STAFF_WORK

SPECIFIED = {
    "pending": {"paid", "cancelled"},
    "paid": {"processing", "cancelled", "refunded"},
    "processing": {"shipped", "cancelled", "refunded"},
    "shipped": {"delivered", "refunded"},
    "delivered": {"refunded"},
    "cancelled": set(),
    "refunded": set(),
}


def order(status: str, *states: str) -> Order:
    return Order(status=status, items=[Item(stock=Stock(state=state)) for state in states])


def test_the_allowed_transitions_are_exactly_those_specified() -> None:
    assert {status: {edge.target for edge in edges_from(status)} for status in PUBLIC_STATUSES} == SPECIFIED


def test_the_public_statuses_are_the_seven_of_the_specification() -> None:
    assert set(PUBLIC_STATUSES) == set(SPECIFIED)


def test_drafts_become_pending_or_rejected_and_nothing_public_leads_back() -> None:
    hidden = {(edge.name, edge.source, edge.target) for edge in set(edges()) - set(public_edges())}
    assert hidden == {("place", "placing", "pending"), ("reject", "placing", "rejected")}


def test_the_machine_has_no_cycle_so_that_a_status_never_comes_back() -> None:
    seen: set[str] = set()
    remaining = {edge.source for edge in edges()} | {edge.target for edge in edges()}
    while remaining:
        ends = {s for s in remaining if all(edge.target in seen for edge in edges() if edge.source == s)}
        assert ends, f"a cycle among {remaining}"
        seen |= ends
        remaining -= ends


@pytest.mark.parametrize("status", PUBLIC_STATUSES)
def test_the_arrows_from_a_status_come_in_the_order_of_the_statuses(status: str) -> None:
    ranks = [list(Status).index(Status(edge.target)) for edge in edges_from(status)]
    assert ranks == sorted(ranks)


@pytest.mark.parametrize("name", transition_names())
def test_every_transition_that_people_make_has_a_permission_of_its_own(name: str) -> None:
    assert permission_of(name) == f"orders.{name}_order"
    assert f"{name}_order" in dict(Order._meta.permissions)
    assert {edge.permission for edge in edges() if edge.name == name} == {f"orders.{name}_order"}


def test_every_permission_of_the_models_belongs_to_a_transition_or_to_other_work_of_staff() -> None:
    of_transitions = {f"{name}_order" for name in transition_names()}
    work = {permission.removeprefix("orders.") for permission in STAFF_WORK}
    models = (Order, WebhookEndpoint, ServiceToken, SavedView)
    declared = {codename for model in models for codename, _ in model._meta.permissions}
    assert declared == of_transitions | work | {permission.removeprefix("orders.") for permission in OF_SERVICES}


def test_every_arrow_is_described() -> None:
    assert all(edge.doc.endswith(".") for edge in edges())


@pytest.mark.parametrize("status", [status.value for status in Status])
@pytest.mark.parametrize("name", [*transition_names(), "place", "reject"])
def test_a_method_moves_only_along_its_arrows(name: str, status: str) -> None:
    found = order(status, LineState.RESERVED)
    targets = [edge.target for edge in edges() if edge.name == name and edge.source == status]
    if targets:
        getattr(found, name)()
        assert [found.status] == targets
    else:
        with pytest.raises(TransitionNotAllowed):
            getattr(found, name)()
        assert found.status == status
        assert found.stock_effect is StockEffect.NOTHING


def test_the_status_cannot_be_set_by_hand() -> None:
    found = order("pending")
    with pytest.raises(AttributeError):
        found.status = "paid"
    assert found.status == "pending"


@pytest.mark.parametrize("states", [(), ("reserving",), ("reserved", "unknown"), ("reserved", "none")])
def test_no_order_is_placed_before_every_line_is_surely_reserved(states: tuple[str, ...]) -> None:
    draft = order("placing", *states)
    assert not every_line_reserved(draft)
    with pytest.raises(TransitionNotAllowed):
        draft.place()
    assert draft.status == "placing"


EFFECTS = {
    "place": "nothing",
    "reject": "release",
    "pay": "nothing",
    "start_processing": "nothing",
    "ship": "use",
    "deliver": "nothing",
    "cancel": "release",
    "refund": "release",
}


@pytest.mark.parametrize(("name", "effect"), EFFECTS.items())
def test_what_a_transition_owes_inventory(name: str, effect: str) -> None:
    for edge in edges():
        if edge.name == name:
            found = order(edge.source, LineState.RESERVED)
            getattr(found, name)()
            assert found.stock_effect is StockEffect(effect) or found.stock_effect == StockEffect[effect.upper()]


def test_the_texts_of_orders_and_parts_read_for_people() -> None:
    from tests.integration.builders import address, lines

    item = lines(("665f1c0a9b1e8a0012a40001", 2))[0]
    assert str(item) == "2 × 665f1c0a9b1e8a0012a40001"
    assert str(address(state=" ")) == "1 Long Street, 12345 Springfield, Freedonia"
    assert str(Order(number="7KQF-2M9D-XW3H")) == "7KQF-2M9D-XW3H"
    assert str(item.stock) == "none"
    assert str(Attempt(id="a1", until=datetime(2026, 1, 31, 12, 30, 5, tzinfo=UTC))) == "a1 until 12:30:05"
    assert str(HistoryEntry(act="pay", source="pending", target="paid")) == "pay: pending → paid"


def test_every_transition_that_people_make_has_a_name_for_staff() -> None:
    assert [transition_label(name) for name in transition_names()] == [
        "Mark as paid", "Cancel", "Start processing", "Refund", "Mark as shipped", "Mark as delivered",
    ]  # fmt: skip
    assert edges_from("paid")[0].label == "Start processing"


def test_every_wrong_field_of_a_line_and_of_the_address_is_named() -> None:
    from tests.integration.builders import address, lines

    items = lines(("665f1c0a9b1e8a0012a40001", 0))
    wrong = Order(items=items, shipping_address=address(city="", line1="x" * 201))
    with pytest.raises(ValidationError) as refused:
        wrong.clean()
    assert set(refused.value.message_dict) == {
        "items.0.quantity",
        "shipping_address.city",
        "shipping_address.line1",
    }


def test_what_comes_before_a_transition_follows_from_the_arrows() -> None:
    assert statuses_before("ship") == {"pending", "paid", "processing"}
    assert statuses_before("pay") == {"pending"}
    assert statuses_before("deliver") == {"pending", "paid", "processing", "shipped"}


def test_what_a_transition_owes_inventory_is_what_its_method_says() -> None:
    assert {name: stock_effect(name) for name in transition_names()} == {
        "pay": StockEffect.NOTHING, "start_processing": StockEffect.NOTHING, "deliver": StockEffect.NOTHING,
        "ship": StockEffect.USE, "cancel": StockEffect.RELEASE, "refund": StockEffect.RELEASE,
    }  # fmt: skip
