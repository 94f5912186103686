"""What must be true of every order, at every moment, whatever failed before: what the tests and the proof judge by."""

from collections.abc import Callable, Iterator
from decimal import Decimal

from orders.models import DUE_STATES, PUBLIC_STATUSES, Document, LineState, Status, edges
from orders.services.search_terms import terms_of
from orders.storage.ledger import ENDED, money_of, worth_of

Rule = Callable[[Document], Iterator[str]]

HELD = {LineState.NONE.value, LineState.RESERVED.value}
GIVEN_BACK = {
    *(LineState.NONE.value, LineState.RELEASING.value, LineState.RELEASED.value, LineState.UNKNOWN.value),
}
GONE = {LineState.NONE.value, LineState.USED.value}

LINES_BY_STATUS = {
    Status.PLACING: {
        *(LineState.NONE.value, LineState.RESERVING.value, LineState.RESERVED.value, LineState.UNKNOWN.value),
    },
    Status.PENDING: HELD,
    Status.PAID: HELD,
    Status.PROCESSING: HELD,
    Status.SHIPPED: GONE,
    Status.DELIVERED: GONE,
    Status.CANCELLED: GIVEN_BACK,
    Status.REJECTED: GIVEN_BACK,
    Status.REFUNDED: GIVEN_BACK,
}
"""Which states a line may be in, by its order's status; once shipped, only in GONE.

`none` is also a historical order's line.
"""


def violations_of(order: Document) -> list[str]:
    """What is wrong with one stored order, in plain words; empty where nothing is."""
    return [problem for rule in RULES for problem in rule(order)]


def history_is_a_path(order: Document) -> Iterator[str]:
    """The history is a path through the machine, from the beginning to the order's status."""
    arrows = {(edge.name, edge.source, edge.target) for edge in edges()} | {
        ("draft", "", Status.PLACING.value),
        *((act, "", status) for act in ("import", "adopt") for status in PUBLIC_STATUSES),
    }
    status = ""
    for entry in order["history"]:
        if entry.get("line") is not None or not entry["to"]:
            continue
        if entry["from"] != status or (entry["act"], entry["from"], entry["to"]) not in arrows:
            yield f"history: {entry['act']} from {entry['from']!r} to {entry['to']!r}, when the order was {status!r}"
        status = entry["to"]
    if status != order["status"]:
        yield f"history ends at {status!r}, the order is {order['status']!r}"


def every_change_has_its_version(order: Document) -> Iterator[str]:
    """Versions never repeat: the version counts the changes that people see, and each of those is in the history."""
    seen = sum(entry.get("line") is None for entry in order["history"])
    if order["version"] != seen - 1:
        yield f"version {order['version']}, but {seen} changes in the history"


def stock_is_due_with_its_time(order: Document) -> Iterator[str]:
    """A worker finds every order with stock due, and no other."""
    is_due = any(item["stock"]["state"] in DUE_STATES for item in order["items"])
    is_due = is_due or order["status"] == Status.PLACING
    has_time = order.get("stock_due_at") is not None
    if is_due != has_time:
        yield "stock is due, and no time is set" if is_due else "a time is set, and no stock is due"


def lines_agree_with_the_status(order: Document) -> Iterator[str]:
    """No line is released after shipping, and none is held by a cancelled order."""
    shipped = any(entry.get("line") is None and entry["to"] == Status.SHIPPED for entry in order["history"])
    allowed = GONE if shipped else LINES_BY_STATUS[Status(order["status"])]
    for index, item in enumerate(order["items"]):
        if item["stock"]["state"] not in _allowed(item, allowed):
            yield f"line {index} is {item['stock']['state']} in an order that is {order['status']}"


def _allowed(item: Document, by_status: set[str]) -> set[str]:
    """A part that was cancelled is given back whatever has become of the order; one that came back may be."""
    if item.get("removed") == "returned":
        return GIVEN_BACK | GONE
    if item.get("removed"):
        return GIVEN_BACK
    return GONE if item.get("shipment") is not None else by_status


def parts_add_up(order: Document) -> Iterator[str]:
    """Whatever becomes of parts, all that was ordered is there, at its price."""
    charges = order.get("charges") or ()
    if not charges and not any("split_from" in item for item in order["items"]):
        return
    total = sum(item["price"].to_decimal() * item["quantity"] for item in order["items"])
    total += sum(charge["amount"].to_decimal() for charge in charges)
    if total != order["total_price"].to_decimal():
        what = "lines and charges" if charges else "lines"
        yield f"the {what} come to {total}, the order to {order['total_price']}"


def parts_name_what_is_there(order: Document) -> Iterator[str]:
    """Lines name shipments and returns that the order has, and each shipment has a line."""
    for name, whole in (("shipment", "shipments"), ("returned_in", "returns")):
        there = len(order.get(whole) or ())
        named = {item[name] for item in order["items"] if item.get(name) is not None}
        if not named <= set(range(there)):
            yield f"lines name {name} {sorted(named)}, and there are {there}"


def the_ledger_balances(order: Document) -> Iterator[str]:
    """Nothing is given back beyond what was paid, the sums are those of the entries, and what is owed follows."""
    paid, refunded, owed = money_of(order)
    if refunded > paid:
        yield f"{refunded} was refunded, and {paid} paid"
    for name, said in (("refunds", refunded), ("payments", paid)):
        entries = order.get(name)
        come_to = sum((entry["amount"].to_decimal() for entry in entries or ()), Decimal(0))
        if entries and come_to != said:
            yield f"the {name} come to {come_to}, and {said} is said"
    if "paid" in order:
        worth = Decimal(0) if order["status"] in ENDED else worth_of(order["items"], order.get("charges") or ())
        if owed != max(Decimal(0), paid - refunded - worth):
            yield f"{owed} is owed, where {paid} was paid, {refunded} refunded, and {worth} is what the customer gets"


def attempts_are_only_on_due_lines(order: Document) -> Iterator[str]:
    """Only a line with a call due is under an attempt; an unknown one waits for a person."""
    for index, item in enumerate(order["items"]):
        if item["stock"].get("attempt") and item["stock"]["state"] not in DUE_STATES:
            yield f"line {index} is {item['stock']['state']} and yet under an attempt"


def no_line_was_released_twice(order: Document) -> Iterator[str]:
    """Each line's history has one release at most."""
    outcomes = [entry for entry in order["history"] if entry.get("line") is not None]
    released = [entry["line"] for entry in outcomes if entry["to"] == LineState.RELEASED]
    for line in sorted({line for line in released if released.count(line) > 1}):
        yield f"line {line} was released {released.count(line)} times"


def search_terms_are_of_its_words(order: Document) -> Iterator[str]:
    """Whoever changes what an order is found by, changes its search terms; those that were stored before have none."""
    if order.get("terms") not in (None, terms_of(order)):
        yield f"found by {order['terms']}, but its words are {terms_of(order)}"


RULES: tuple[Rule, ...] = (
    history_is_a_path,
    every_change_has_its_version,
    stock_is_due_with_its_time,
    lines_agree_with_the_status,
    attempts_are_only_on_due_lines,
    no_line_was_released_twice,
    search_terms_are_of_its_words,
    parts_add_up,
    parts_name_what_is_there,
    the_ledger_balances,
)
