"""Parts of an order through the services: parcels, cancelled lines, payments, refunds, returns and holds."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from bson import Decimal128
from pytest_django import Settings

from integrations.sandbox import Sandbox
from orders.models import Item, Order
from orders.services import access
from orders.services.access import NotPermitted
from orders.services.audit import InvalidReason, ReasonMissing
from orders.services.errors import OrderError
from orders.services.fulfilment.cancelling import cancel_lines
from orders.services.fulfilment.holding import HoldRefused, hold, lift
from orders.services.fulfilment.parts import InvalidLines, LinesNotAvailable, described
from orders.services.fulfilment.refunding import InvalidRefund, RefundTooHigh, refund
from orders.services.fulfilment.returning import (
    NOT_TOLD,
    ReturnNotFound,
    ReturnReceived,
    open_return,
    receive_return,
)
from orders.services.fulfilment.shipping import ShipmentNotFound, change_tracking, ship
from orders.services.lifecycle.allowed_transitions import TransitionRefused
from orders.services.lifecycle.changes import Change
from orders.services.lifecycle.idempotency_keys import KeyReused
from orders.services.lifecycle.payments import InvalidPayment, PaymentTooLow
from orders.services.lifecycle.tracking import InvalidTracking, Tracking
from orders.services.lifecycle.transitions import change_status, change_status_to
from orders.services.lifecycle.versions import StaleOrder
from orders.storage.line_stock import LinePart
from orders.storage.order_writes import orders
from orders.storage.transition_stages import Paid
from tests.integration.builders import (
    A,
    B,
    Document,
    act,
    asked,
    read,
    shelve,
    states,
    stock_of,
)
from tests.integration.parts_helpers import amounts, because, placed, quantities, some
from tests.order_invariants import violations_of

CUSTOMER = access.customer("1")
DHL = Tracking("dhl paket", "00340434161094000000")
STRANGE = ("javascript:alert(1)", "https://", "https://a b", "http://[", "https://" + "x" * 500)


@pytest.fixture(autouse=True)
def _stock(sandbox: Sandbox) -> Any:
    shelve(sandbox, A, available=100)
    shelve(sandbox, B, available=100)
    yield
    broken = {str(order["_id"]): found for order in orders().find() if (found := violations_of(order))}
    assert not broken


# --- shipments -------------------------------------------------------------------------------------------------------


def test_an_order_ships_in_parcels_and_the_last_one_makes_it_shipped(sandbox: Sandbox) -> None:
    order_id = placed("processing")
    first = ship(order_id=order_id, lines=some((0, 2)), tracking=DHL, act=act()).order
    assert (first["status"], quantities(first)) == ("processing", [1, 2, 2])
    assert states(first) == ["reserved", "reserved", "used"]
    assert (first["items"][2]["split_from"], first["items"][2]["shipment"]) == (0, 0)
    assert first["items"][2]["product_id"] == A
    assert first["shipments"][0]["carrier"] == "DHL Paket"
    assert first["shipments"][0]["tracking_url"].endswith("piececode=00340434161094000000")
    last = ship(order_id=order_id, lines=None, tracking=Tracking(), act=act()).order
    assert (last["status"], states(last), len(last["shipments"])) == ("shipped", ["used", "used", "used"], 2)
    assert [item["shipment"] for item in last["items"]] == [1, 1, 0]
    assert last["shipped_at"] is not None
    assert [entry["act"] for entry in last["history"]][-2:] == ["ship_part", "ship"]
    assert stock_of(sandbox) == (97, 3), "shipping calls nobody"
    assert not asked(sandbox, "release")


def test_the_transition_ships_all_that_is_open_in_one_parcel() -> None:
    order_id = placed("processing")
    ship(order_id=order_id, lines=some((1, 1)), tracking=Tracking(), act=act())
    order = change_status_to(order_id=order_id, status="shipped", tracking=DHL, act=act()).order
    assert [item["shipment"] for item in order["items"]] == [1, 1, 0]
    assert order["shipments"][1]["tracking_number"] == DHL.tracking_number


@pytest.mark.parametrize(
    ("asked_for", "error", "where"),
    [
        ([], InvalidLines, "lines"),
        (some((2, 1)), InvalidLines, "lines.0.line"),
        (some((-1, 1)), InvalidLines, "lines.0.line"),
        (some((0, 1), (0, 1)), InvalidLines, "lines.1.line"),
        (some((0, 0)), InvalidLines, "lines.0.quantity"),
        (some((1, 1), (0, 4)), LinesNotAvailable, "lines.1.quantity"),
    ],
)
def test_lines_that_are_not_there_change_nothing(asked_for: Any, error: type[OrderError], where: str) -> None:
    order_id = placed("processing")
    before = read(order_id)
    for change in (
        lambda: ship(order_id=order_id, lines=asked_for, tracking=Tracking(), act=act()),
        lambda: cancel_lines(order_id=order_id, lines=asked_for, act=because()),
    ):
        with pytest.raises(error) as refused:
            change()
        assert list(refused.value.members["errors"]) == [where]
    assert read(order_id) == before


def test_only_an_order_in_processing_ships_and_nothing_ships_twice() -> None:
    order_id = placed("paid")
    with pytest.raises(TransitionRefused, match="Cannot ship an order that is paid"):
        ship(order_id=order_id, lines=None, tracking=Tracking(), act=act())
    change_status_to(order_id=order_id, status="processing", act=act())
    ship(order_id=order_id, lines=some((0, None)), tracking=Tracking(), act=act())
    with pytest.raises(LinesNotAvailable, match="Line 0 is not open"):
        ship(order_id=order_id, lines=some((0, 1)), tracking=Tracking(), act=act())


def test_what_was_done_to_many_lines_is_told_in_a_few_words() -> None:
    order = Order(items=[Item(name="x" * 200, quantity=2)])
    parts = [LinePart(0, 1, 2, "reserved")] * 100
    assert described(order, parts[:1]) == f"1 × {'x' * 200}"
    assert (len(described(order, parts)), described(order, parts)[-1]) == (1000, "…")


def test_tracking_is_added_and_corrected_later() -> None:
    order_id = placed("shipped")
    order = change_tracking(order_id=order_id, shipment=0, tracking=DHL, act=act()).order
    assert order["shipments"][0]["tracking_number"] == DHL.tracking_number
    assert order["history"][-1]["act"] == "track"
    own = Tracking("Bike courier", "7", "https://bikes.example/7")
    assert change_tracking(order_id=order_id, shipment=0, tracking=own, act=act()).order["shipments"][0] == (
        order["shipments"][0]
        | {"carrier": "Bike courier", "tracking_number": "7", "tracking_url": "https://bikes.example/7"}
    )
    with pytest.raises(ShipmentNotFound):
        change_tracking(order_id=order_id, shipment=1, tracking=DHL, act=act())


def test_a_correction_leaves_what_it_does_not_name_and_finds_the_page_again() -> None:
    order_id = placed("processing")
    ship(order_id=order_id, lines=None, tracking=DHL, act=act())

    def corrected(*members: str, **texts: str) -> Document:
        told = change_tracking(order_id=order_id, shipment=0, tracking=Tracking(**texts), members=members, act=act())
        [shipment] = told.order["shipments"]
        return {name: shipment[name] for name in ("carrier", "tracking_number", "tracking_url")}

    renumbered = corrected("tracking_number", tracking_number="7")
    assert renumbered == Tracking("DHL Paket", "7").shown()
    own = corrected("tracking_url", tracking_url="https://bikes.example/7")
    assert own == renumbered | {"tracking_url": "https://bikes.example/7"}
    assert corrected("carrier", carrier="Bikes") == {"carrier": "Bikes", "tracking_number": "7", "tracking_url": ""}


def test_a_page_that_is_too_long_to_be_kept_is_left_out() -> None:
    assert Tracking("UPS", "\U0001f4e6" * 60).shown()["tracking_url"] == ""


@pytest.mark.parametrize(
    ("tracking", "where"),
    [
        (Tracking("x" * 41), "carrier"),
        (Tracking(tracking_number="x" * 65), "tracking_number"),
        (Tracking(carrier="a\x00b"), "carrier"),
        *((Tracking(tracking_url=url), "tracking_url") for url in STRANGE),
    ],
)
def test_tracking_that_cannot_be_kept_is_refused(tracking: Tracking, where: str) -> None:
    with pytest.raises(InvalidTracking) as refused:
        tracking.shown()
    assert list(refused.value.members["errors"]) == [where]


def test_a_shop_names_carriers_of_its_own(settings: Settings) -> None:
    settings.CARRIERS = {"Bikes": "https://bikes.example/{number}"}
    assert Tracking("bikes", "a/b").shown()["tracking_url"] == "https://bikes.example/a%2Fb"
    assert Tracking("bikes").shown()["tracking_url"] == ""


def test_a_part_is_shipped_once_for_each_key_and_only_at_the_version_that_was_seen() -> None:
    order_id = placed("processing")
    same: dict[str, Any] = {"order_id": order_id, "lines": some((0, 1)), "tracking": DHL, "idempotency_key": "k"}
    first = ship(act=act(), **same)
    again = ship(act=act(), **same)
    assert (first.replayed, again.replayed, len(again.order["shipments"])) == (False, True, 1)
    with pytest.raises(KeyReused):
        ship(act=act(), **same | {"lines": some((0, 2))})
    with pytest.raises(StaleOrder):
        ship(act=act(), **same | {"idempotency_key": "l", "expected_versions": [1]})


# --- cancelled parts -------------------------------------------------------------------------------------------------


def test_a_cancelled_part_is_released_and_its_price_is_owed(sandbox: Sandbox) -> None:
    order_id = placed("paid")
    price = read(order_id)["items"][0]["price"].to_decimal()
    order = cancel_lines(order_id=order_id, lines=some((0, 1)), act=because()).order
    assert (order["status"], quantities(order)) == ("paid", [2, 2, 1])
    assert states(order) == ["reserved", "reserved", "released"]
    assert order["items"][2]["removed"] == "cancelled"
    assert stock_of(sandbox) == (98, 2)
    assert amounts(order)[2] == str(price)
    assert order["history"][-2]["code"] == "customer"


def test_the_last_open_part_makes_the_order_cancelled_or_shipped() -> None:
    order_id = placed("paid")
    cancel_lines(order_id=order_id, lines=some((0, None)), act=because())
    order = cancel_lines(order_id=order_id, lines=some((1, None)), act=because()).order
    assert (order["status"], order["history"][-2]["act"]) == ("cancelled", "cancel")
    assert amounts(order)[2] == str(order["total_price"].to_decimal())
    order_id = placed("processing")
    ship(order_id=order_id, lines=some((0, None)), tracking=DHL, act=act())
    order = cancel_lines(order_id=order_id, lines=some((1, None)), act=because()).order
    assert (order["status"], states(order)) == ("shipped", ["used", "released"])
    assert order["shipped_at"] is not None


def test_after_a_first_parcel_the_whole_cannot_be_cancelled() -> None:
    order_id = placed("processing")
    ship(order_id=order_id, lines=some((0, 1)), tracking=DHL, act=act())
    with pytest.raises(TransitionRefused, match="Cancel the items that have not") as refused:
        change_status(order_id=order_id, transition="cancel", act=because())
    assert refused.value.members["allowed"] == ["shipped", "refunded"]


def test_customers_cancel_parts_of_their_own_orders_and_nothing_that_has_shipped() -> None:
    order_id = placed("pending")
    mine = because(actor=CUSTOMER)
    assert cancel_lines(order_id=order_id, lines=some((0, 1)), act=mine).order["status"] == "pending"
    for change in (
        lambda: ship(order_id=order_id, lines=None, tracking=DHL, act=mine),
        lambda: open_return(order_id=order_id, lines=None, act=mine),
        lambda: receive_return(order_id=order_id, number=0, restock=True, act=mine),
        lambda: refund(order_id=order_id, act=mine),
        lambda: hold(order_id=order_id, act=mine),
        lambda: lift(order_id=order_id, act=mine),
    ):
        with pytest.raises(NotPermitted):
            change()
    shipped = placed("shipped")
    with pytest.raises(TransitionRefused, match="Cannot cancel an order that is shipped"):
        cancel_lines(order_id=shipped, lines=some((0, 1)), act=mine)


def test_staff_give_a_reason_for_a_cancelled_part() -> None:
    staff = access.system("clerk", via="command")
    with pytest.raises(ReasonMissing):
        cancel_lines(order_id=placed("paid"), lines=some((0, 1)), act=act(staff))
    with pytest.raises(ReasonMissing, match="other"):
        because("other")
    with pytest.raises(InvalidReason, match="unknown"):
        because("boredom")


# --- money -----------------------------------------------------------------------------------------------------------


def test_a_payment_is_recorded_once_by_its_reference_and_finds_the_order() -> None:
    order_id = placed("pending")
    total = read(order_id)["total_price"].to_decimal()
    payment = Paid(reference=" pi_3Qx ", method="card")
    order = change_status_to(order_id=order_id, status="paid", payment=payment, act=act()).order
    assert amounts(order) == (str(total), "0.00", "0.00")
    [kept] = order["payments"]
    assert (kept["reference"], kept["method"], kept["amount"].to_decimal()) == ("pi_3Qx", "card", total)
    assert "pi3qx" in "".join(order["terms"])
    again = change_status_to(order_id=order_id, status="paid", payment=payment, act=act())
    assert (again.replayed, len(again.order["payments"])) == (True, 1)
    with pytest.raises(TransitionRefused):
        change_status_to(order_id=order_id, status="paid", payment=Paid(reference="other"), act=act())
    with pytest.raises(TransitionRefused):
        change_status_to(order_id=order_id, status="paid", payment=replace(payment, amount=total + 1), act=act())


def test_a_payment_pays_the_order_and_what_is_beyond_it_is_owed() -> None:
    order_id = placed("pending")
    total = read(order_id)["total_price"].to_decimal()
    with pytest.raises(PaymentTooLow) as refused:
        change_status_to(order_id=order_id, status="paid", payment=Paid(total - Decimal("0.01")), act=act())
    assert refused.value.members["due"] == str(total)
    order = change_status_to(order_id=order_id, status="paid", payment=Paid(total + 5), act=act()).order
    assert amounts(order) == (str(total + 5), "0.00", "5.00")


@pytest.mark.parametrize(
    ("payment", "where"),
    [
        (Paid(Decimal(0)), "payment.amount"),
        (Paid(Decimal("1.001")), "payment.amount"),
        (Paid(Decimal(10**12)), "payment.amount"),
        (Paid(reference="x" * 65), "payment.reference"),
        (Paid(method="a\x07"), "payment.method"),
    ],
)
def test_a_payment_that_cannot_be_kept_changes_nothing(payment: Paid, where: str) -> None:
    order_id = placed("pending")
    with pytest.raises(InvalidPayment) as refused:
        change_status_to(order_id=order_id, status="paid", payment=payment, act=act())
    assert list(refused.value.members["errors"]) == [where]
    assert read(order_id)["status"] == "pending"


def test_refunds_add_up_and_the_one_that_reaches_the_whole_ends_the_order(sandbox: Sandbox) -> None:
    order_id = placed("paid")
    total = read(order_id)["total_price"].to_decimal()
    order = refund(order_id=order_id, amount=Decimal("1.00"), reference="re_1", act=because()).order
    assert (order["status"], amounts(order)) == ("paid", (str(total), "1.00", "0.00"))
    assert (order["refunds"][0]["reference"], order["refunds"][0]["code"]) == ("re_1", "customer")
    with pytest.raises(RefundTooHigh) as refused:
        refund(order_id=order_id, amount=total, act=because())
    assert refused.value.members["left"] == str(total - 1)
    order = refund(order_id=order_id, act=because()).order
    assert (order["status"], amounts(order)) == ("refunded", (str(total), str(total), "0.00"))
    assert states(order) == ["released", "released"]
    assert stock_of(sandbox) == (100, 0)
    with pytest.raises(RefundTooHigh):
        refund(order_id=order_id, amount=Decimal("0.01"), act=because())


def test_a_refund_of_lines_comes_to_their_price() -> None:
    order_id = placed("delivered")
    price = read(order_id)["items"][0]["price"].to_decimal()
    order = refund(order_id=order_id, lines=some((0, 2)), act=because()).order
    assert amounts(order)[1] == str(2 * price)
    assert order["status"] == "delivered"


def test_a_cancelled_order_owes_what_was_paid_until_it_is_refunded() -> None:
    order_id = placed("paid")
    total = str(read(order_id)["total_price"].to_decimal())
    order = change_status(order_id=order_id, transition="cancel", act=because())
    assert amounts(order) == (total, "0.00", total)
    order = refund(order_id=order_id, act=because()).order
    assert (order["status"], amounts(order)) == ("cancelled", (total, total, "0.00"))
    unpaid = placed("pending")
    assert amounts(change_status(order_id=unpaid, transition="cancel", act=because())) == ("0.00", "0.00", "0.00")


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        ({"amount": Decimal(0)}, "amount"),
        ({"amount": Decimal("0.001")}, "amount"),
        ({"amount": Decimal(1), "lines": some((0, 1))}, "amount"),
        ({"reference": "x" * 65}, "reference"),
        ({"reference": "a\x00"}, "reference"),
    ],
)
def test_a_refund_that_makes_no_sense_changes_nothing(wrong: dict[str, Any], where: str) -> None:
    order_id = placed("paid")
    before = read(order_id)
    with pytest.raises(InvalidRefund) as refused:
        refund(order_id=order_id, act=because(), **wrong)
    assert list(refused.value.members["errors"]) == [where]
    assert read(order_id) == before


def test_any_number_of_refunds_at_once_never_give_back_more_than_was_paid() -> None:
    order_id = placed("delivered")
    hundred = Decimal128("100.00")
    paid = {"paid": hundred, "payments.0.amount": hundred, "owed": Decimal128("1.00")}
    orders().update_one({"_id": order_id}, {"$set": paid})
    prices = {"items.price": Decimal128("19.80"), "total_price": Decimal128("99.00")}
    orders().update_one({"_id": order_id}, [{"$set": prices}])

    def attempt(_number: int) -> Change | OrderError:
        try:
            return refund(order_id=order_id, amount=Decimal("1.00"), act=because())
        except OrderError as error:
            return error

    with ThreadPoolExecutor(8) as pool:
        came = list(pool.map(attempt, range(300)))
    assert sum(isinstance(one, Change) for one in came) == 100
    order = read(order_id)
    assert (order["status"], amounts(order), len(order["refunds"])) == ("refunded", ("100.00", "100.00", "0.00"), 100)


def test_the_same_refund_with_the_same_key_is_made_once_also_at_once() -> None:
    order_id = placed("paid")
    same: dict[str, Any] = {"order_id": order_id, "amount": Decimal("1.00"), "idempotency_key": "k"}
    with ThreadPoolExecutor(8) as pool:
        came = list(pool.map(lambda _: refund(act=because(), **same), range(24)))
    assert sum(not one.replayed for one in came) == 1
    assert amounts(read(order_id))[1] == "1.00"


def test_an_order_of_before_the_ledger_counts_as_paid_in_full() -> None:
    order_id = placed("delivered")
    orders().update_one({"_id": order_id}, {"$unset": {"paid": 1, "payments": 1, "refunded": 1}})
    total = read(order_id)["total_price"].to_decimal()
    order = refund(order_id=order_id, amount=Decimal("2.00"), act=because()).order
    assert amounts(order) == (str(total), "2.00", "0.00")


# --- returns ---------------------------------------------------------------------------------------------------------


def test_what_comes_back_goes_into_stock_again_and_its_price_is_owed(sandbox: Sandbox) -> None:
    order_id = placed("delivered")
    price = read(order_id)["items"][0]["price"].to_decimal()
    opened = open_return(order_id=order_id, lines=some((0, 1)), act=because()).order
    assert (quantities(opened), states(opened)) == ([2, 2, 1], ["used", "used", "used"])
    assert (opened["items"][2]["returned_in"], opened["items"][2]["shipment"]) == (0, 0)
    with pytest.raises(LinesNotAvailable):
        open_return(order_id=order_id, lines=some((2, 1)), act=because())
    order = receive_return(order_id=order_id, number=0, restock=True, act=act()).order
    assert states(order) == ["used", "used", "released"]
    assert (order["items"][2]["removed"], order["returns"][0]["restocked"]) == ("returned", True)
    assert stock_of(sandbox) == (98, 2)
    assert amounts(order)[2] == str(price)
    with pytest.raises(ReturnReceived):
        receive_return(order_id=order_id, number=0, restock=True, act=act())
    for number in (-1, 1):
        with pytest.raises(ReturnNotFound):
            receive_return(order_id=order_id, number=number, restock=True, act=act())
    refunded = refund(order_id=order_id, lines=some((2, 1)), act=because()).order
    assert amounts(refunded)[2] == "0.00"


def test_what_cannot_be_sold_again_stays_out_of_stock(sandbox: Sandbox) -> None:
    order_id = placed("shipped")
    open_return(order_id=order_id, lines=None, act=because())
    order = receive_return(order_id=order_id, number=0, restock=False, act=act()).order
    assert (states(order), stock_of(sandbox)) == (["used", "used"], (97, 3))
    assert order["history"][-1]["detail"].endswith("Not restocked.")
    with pytest.raises(LinesNotAvailable, match="No item"):
        open_return(order_id=order_id, lines=None, act=because())


def test_an_inventory_that_consumes_is_not_told(settings: Settings, sandbox: Sandbox) -> None:
    settings.INVENTORY_CONSUMES = True
    order_id = placed("shipped")
    open_return(order_id=order_id, lines=None, act=because())
    order = receive_return(order_id=order_id, number=0, restock=True, act=act()).order
    assert order["history"][-1]["detail"].endswith(NOT_TOLD)
    assert not asked(sandbox, "release")


# --- holds -----------------------------------------------------------------------------------------------------------


def test_an_order_on_hold_is_neither_prepared_nor_shipped() -> None:
    order_id = placed("paid")
    held = hold(order_id=order_id, act=because("fraud", "Two cards")).order
    assert held["hold"]["code"] == "fraud"
    with pytest.raises(HoldRefused):
        hold(order_id=order_id, act=because())
    with pytest.raises(TransitionRefused, match="on hold") as refused:
        change_status_to(order_id=order_id, status="processing", act=act())
    assert refused.value.members["allowed"] == ["cancelled", "refunded"]
    lifted = lift(order_id=order_id, act=act()).order
    assert not {"hold", "held_at"} & lifted.keys()
    with pytest.raises(HoldRefused):
        lift(order_id=order_id, act=act())
    change_status_to(order_id=order_id, status="processing", act=act())
    hold(order_id=order_id, act=because())
    with pytest.raises(TransitionRefused, match="on hold"):
        ship(order_id=order_id, lines=some((0, 1)), tracking=DHL, act=act())
    with pytest.raises(ReasonMissing):
        hold(order_id=placed("paid"), act=act())
    with pytest.raises(HoldRefused, match="shipped"):
        hold(order_id=placed("shipped"), act=because())


@pytest.mark.parametrize(
    "end",
    [
        lambda order_id: change_status(order_id=order_id, transition="cancel", act=because()),
        lambda order_id: change_status(order_id=order_id, transition="refund", act=because()),
        lambda order_id: cancel_lines(order_id=order_id, lines=some((0, None), (1, None)), act=because()),
        lambda order_id: refund(order_id=order_id, act=because()),
    ],
)
def test_what_has_ended_is_not_held_back(end: Any) -> None:
    order_id = placed("paid")
    hold(order_id=order_id, act=because("fraud"))
    cancel_lines(order_id=order_id, lines=some((0, 1)), act=because())
    refund(order_id=order_id, amount=Decimal("1.00"), act=because())
    assert "held_at" in read(order_id)
    end(order_id)
    assert not {"hold", "held_at"} & read(order_id).keys()
