"""What must be true of every order: each rule holds on good ones, and fails on the one that breaks it."""

from datetime import UTC, datetime
from typing import Any

import pytest
from bson import Decimal128

from tests import order_invariants as invariants
from tests.factories import LINE_STATES, ROUTES
from tests.order_invariants import RULES, violations_of

Document = dict[str, Any]
AT = datetime(2026, 1, 1, tzinfo=UTC)
PRICE = Decimal128("5.00")


def entry(act: str, source: str = "", target: str = "", line: int | None = None) -> Document:
    return {"act": act, "from": source, "to": target} | ({} if line is None else {"line": line})


def outcome(line: int, target: str, act: str = "stock") -> Document:
    return entry(act, target=target, line=line)


def item(state: str, **stock: Any) -> Document:
    stock = {"state": state, "attempts": 1, "error": ""} | stock
    return {"product_id": "a", "quantity": 1, "price": PRICE, "stock": stock}


def part(state: str, **members: Any) -> Document:
    """A line that was split off the first one."""
    return item(state) | {"split_from": 0} | members


def money(amount: str) -> Decimal128:
    return Decimal128(amount)


def order(status: str, *states: str, **changes: Any) -> Document:
    """An order that came to its status by its route; its lines in these states, or in the usual one."""
    history, source = [entry("draft", "", "placing")], "placing"
    for act, target in ROUTES[status]:
        history.append(entry(act, source, target))
        source = target
    items = [item(state) for state in states or (LINE_STATES.get(status, "reserved"),)]
    owed = status == "placing" or bool({"reserving", "releasing"} & {line["stock"]["state"] for line in items})
    document = {"status": status, "version": len(history) - 1, "items": items, "history": history}
    document["total_price"] = Decimal128(PRICE.to_decimal() * len(changes.get("items", items)))
    return document | ({"stock_due_at": AT} if owed else {}) | changes


def route(*steps: tuple[str, str, str]) -> list[Document]:
    return [entry(*step) for step in (("draft", "", "placing"), *steps)]


SHIPPED = (
    ("place", "placing", "pending"),
    ("pay", "pending", "paid"),
    ("start_processing", "paid", "processing"),
    ("ship", "processing", "shipped"),
)
REFUNDED_AFTER_SHIPPING = route(*SHIPPED, ("refund", "shipped", "refunded"))

GOOD = {
    **{status: order(status) for status in ROUTES},
    "two lines": order("pending", "reserved", "reserved"),
    "an imported order": order("delivered", "none", history=[entry("import", "", "delivered")], version=0),
    "a note in between": order(
        "pending", history=[*route(("place", "placing", "pending")), entry("note", "", "")], version=2
    ),
    "a release that waits for a person": order("cancelled", "unknown", "released"),
    "a release under way": order("cancelled", "releasing"),
    "a draft whose reserve waits for a person": order("placing", "unknown", "none"),
    "a reserve that waits for a person": order("rejected", "unknown", "released"),
    "refunded after shipping": order("refunded", "used", history=REFUNDED_AFTER_SHIPPING, version=5),
    "an attempt": order("cancelled", items=[item("releasing", attempt={"id": "x", "until": AT})], stock_due_at=AT),
    "a part cancelled, and one shipped": order(
        "processing",
        items=[item("reserved"), part("released", removed="cancelled"), part("used", shipment=0)],
        shipments=[{"at": AT}],
        paid=money("15.00"),
        refunded=money("2.00"),
        refunds=[{"at": AT, "amount": money("2.00")}],
        owed=money("3.00"),
    ),
    "a part that came back, and went into stock": order(
        "delivered",
        items=[item("used"), part("releasing", removed="returned", returned_in=0)],
        returns=[{"at": AT}],
        stock_due_at=AT,
    ),
    "a part that came back, and did not": order("delivered", items=[item("used"), part("used", removed="returned")]),
    "a release after it was resolved": order(
        "cancelled",
        history=[
            *order("cancelled")["history"],
            outcome(0, "unknown"),
            outcome(0, "releasing", "resolve"),
            outcome(0, "released"),
        ],
    ),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_good_order_breaks_no_rule(name: str) -> None:
    assert violations_of(GOOD[name]) == []


BROKEN: dict[str, tuple[str, Document, str]] = {
    "words that are no longer its own": (
        "search_terms_are_of_its_words",
        order("paid", user_id="auth0|7", terms=["lisbon"]),
        "found by ['lisbon'], but its words are ['auth07']",
    ),
    "a history that begins in the middle": (
        "history_is_a_path",
        order("paid", history=[entry("pay", "pending", "paid")], version=0),
        "history: pay from 'pending' to 'paid', when the order was ''",
    ),
    "a jump": (
        "history_is_a_path",
        order("shipped", history=route(SHIPPED[0], SHIPPED[3]), version=2),
        "history: ship from 'processing' to 'shipped', when the order was 'pending'",
    ),
    "an arrow that the machine has not": (
        "history_is_a_path",
        order("shipped", history=route(SHIPPED[0], ("ship", "pending", "shipped")), version=2),
        "history: ship from 'pending' to 'shipped', when the order was 'pending'",
    ),
    "a transition by a wrong name": (
        "history_is_a_path",
        order("paid", history=route(SHIPPED[0], ("cancel", "pending", "paid")), version=2),
        "history: cancel from 'pending' to 'paid', when the order was 'pending'",
    ),
    "a status that the history does not explain": (
        "history_is_a_path",
        order("paid", history=route(SHIPPED[0]), version=1),
        "history ends at 'pending', the order is 'paid'",
    ),
    "no history": (
        "history_is_a_path",
        order("pending", history=[], version=-1),
        "history ends at '', the order is 'pending'",
    ),
    "a version given twice": (
        "every_change_has_its_version",
        order("paid", version=1),
        "version 1, but 3 changes in the history",
    ),
    "a version without a change": (
        "every_change_has_its_version",
        order("paid", version=3),
        "version 3, but 3 changes in the history",
    ),
    "a release that no worker will find": (
        "stock_is_due_with_its_time",
        order("cancelled", "releasing", stock_due_at=None),
        "stock is due, and no time is set",
    ),
    "a draft that no worker will find": (
        "stock_is_due_with_its_time",
        order("placing", "reserved", stock_due_at=None),
        "stock is due, and no time is set",
    ),
    "a worker that is called for nothing": (
        "stock_is_due_with_its_time",
        order("cancelled", "unknown", stock_due_at=AT),
        "a time is set, and no stock is due",
    ),
    "stock held by a cancelled order": (
        "lines_agree_with_the_status",
        order("cancelled", "released", "reserved"),
        "line 1 is reserved in an order that is cancelled",
    ),
    "an order placed with an unknown reserve": (
        "lines_agree_with_the_status",
        order("pending", "unknown"),
        "line 0 is unknown in an order that is pending",
    ),
    "a line that was released after shipping": (
        "lines_agree_with_the_status",
        order("shipped", "released"),
        "line 0 is released in an order that is shipped",
    ),
    "a line that was released by a refund after shipping": (
        "lines_agree_with_the_status",
        order("refunded", "released", history=REFUNDED_AFTER_SHIPPING, version=5),
        "line 0 is released in an order that is refunded",
    ),
    "a line used by an order that never shipped": (
        "lines_agree_with_the_status",
        order("refunded", "used"),
        "line 0 is used in an order that is refunded",
    ),
    "a part that was cancelled and is still held": (
        "lines_agree_with_the_status",
        order("paid", items=[item("reserved"), part("reserved", removed="cancelled")]),
        "line 1 is reserved in an order that is paid",
    ),
    "a part that was shipped and released": (
        "lines_agree_with_the_status",
        order("processing", items=[item("reserved"), part("released", shipment=0)], shipments=[{"at": AT}]),
        "line 1 is released in an order that is processing",
    ),
    "a unit that was lost in a split": (
        "parts_add_up",
        order("pending", items=[item("reserved"), part("reserved")], total_price=money("15.00")),
        "the lines come to 10.00, the order to 15.00",
    ),
    "a parcel that is not there": (
        "parts_name_what_is_there",
        order("shipped", items=[item("used"), part("used", shipment=1)], shipments=[{"at": AT}]),
        "lines name shipment [1], and there are 1",
    ),
    "more given back than was paid": (
        "the_ledger_balances",
        order("paid", paid=money("5.00"), refunded=money("5.01")),
        "5.01 was refunded, and 5.00 paid",
    ),
    "a refund that is not counted": (
        "the_ledger_balances",
        order("paid", paid=money("5.00"), refunded=money("1.00"), refunds=[{"amount": money("1.00")}] * 2),
        "the refunds come to 2.00, and 1.00 is said",
    ),
    "a payment that is not counted": (
        "the_ledger_balances",
        order("paid", paid=money("5.00"), refunded=money("0.00"), payments=[{"amount": money("5.00")}] * 2),
        "the payments come to 10.00, and 5.00 is said",
    ),
    "money that is owed unseen": (
        "the_ledger_balances",
        order("cancelled", paid=money("5.00"), refunded=money("0.00")),
        "0.00 is owed, where 5.00 was paid, 0.00 refunded, and 0 is what the customer gets",
    ),
    "an attempt on a line that owes nothing": (
        "attempts_are_only_on_due_lines",
        order("cancelled", items=[item("unknown", attempt={"id": "x", "until": AT})]),
        "line 0 is unknown and yet under an attempt",
    ),
    "two releases": (
        "no_line_was_released_twice",
        order("cancelled", history=[*order("cancelled")["history"], *[outcome(0, "released")] * 2]),
        "line 0 was released 2 times",
    ),
    "a release beside that of a person": (
        "no_line_was_released_twice",
        order(
            "cancelled",
            history=[*order("cancelled")["history"], outcome(0, "released"), outcome(0, "released", "resolve")],
        ),
        "line 0 was released 2 times",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_order_breaks_its_rule_and_no_other(name: str) -> None:
    rule, document, told = BROKEN[name]
    assert list(getattr(invariants, rule)(document)) == [told]
    assert violations_of(document) == [told]


def test_every_rule_has_an_order_that_breaks_it() -> None:
    assert {rule.__name__ for rule in RULES} == {rule for rule, _, _ in BROKEN.values()}


ALLOWED = {
    **dict.fromkeys(("placing", "pending", "paid", "processing"), "reserved"),
    **dict.fromkeys(("shipped", "delivered"), "used"),
    **dict.fromkeys(("cancelled", "rejected", "refunded"), "releasing"),
}


@pytest.mark.parametrize("status", ROUTES)
def test_every_status_says_which_states_its_lines_may_be_in(status: str) -> None:
    tried = ("reserved", "used", "releasing")
    assert [state for state in tried if not violations_of(order(status, state))] == [ALLOWED[status]]
