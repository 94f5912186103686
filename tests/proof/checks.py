"""What must hold of one case after recovery, checked against both sides: our orders, and the sandbox's own ledger."""

from itertools import product
from typing import Any

from pymongo.database import Database

from orders.models import LineState, Status
from orders.services.audit import Act
from orders.services.stock.resolution import resolve_line
from tests.order_invariants import violations_of
from tests.proof.scenarios import STOCK, Case

Document = dict[str, Any]
HOLDING = {LineState.RESERVED.value, LineState.USED.value}


class Ledger:
    """What the sandbox did, by line: `<order>:<line>:<reserve|release>` → units each time that it acted."""

    def __init__(self, database: Database[Document]) -> None:
        self.acted: dict[str, list[int]] = {}
        for movement in database["movements"].find():
            self.acted.setdefault(movement["key"], []).append(movement["quantity"])
        levels = {str(stock["_id"]): stock for stock in database["stock"].find()}
        self.reserved = {name: level["reserved"] for name, level in levels.items()}
        self.available = {name: level["available"] for name, level in levels.items()}

    def happened(self, order_id: object, line: int, call: str) -> bool:
        return bool(self.acted.get(f"{order_id}:{line}:{call}"))


def violations(case: Case, orders: list[Document], ledger: Ledger, *, told: str | None, settled: bool) -> list[str]:
    """Everything that is wrong with one case's orders and products; its neighbour's orders are among them.

    :param told: what the act answered; None where it died.
    :param settled: whether unknown lines have been settled by a person: then nothing may be left open.
    """
    found = [problem for order in orders for problem in violations_of(order)]
    found += doubled(orders, ledger)
    found += _stock(case, orders, ledger, settled=settled)
    mine = [order for order in orders if order["user_id"] == case.user_id]
    placed = [order for order in mine if order["status"] not in (Status.PLACING, Status.REJECTED)]
    if len(placed) > 1:
        found.append(f"{len(placed)} orders were placed under one idempotency key")
    if told == "placed" and not placed:
        found.append("the client was told that the order is placed, and it is not there")
    if any(order.get("stock_due_at") for order in orders):
        found.append("something is still owed after recovery")
    return found


def doubled(orders: list[Document], ledger: Ledger) -> list[str]:
    """No line was reserved twice, released twice, or released without having been reserved or after shipping."""
    found = []
    for order in orders:
        for line, item in enumerate(order["items"]):
            times = {call: ledger.acted.get(f"{order['_id']}:{line}:{call}", []) for call in ("reserve", "release")}
            found += [f"line {line}: {call} acted {len(acts)} times" for call, acts in times.items() if len(acts) > 1]
            if times["release"] and not ledger.happened(order["_id"], origin(order, line), "reserve"):
                found.append(f"line {line} was released and never reserved")
            if times["release"] and item["stock"]["state"] == LineState.USED:
                found.append(f"line {line} was released and shipped")
    return found


def _stock(case: Case, orders: list[Document], ledger: Ledger, *, settled: bool) -> list[str]:
    """Inventory's reserved units are those of our lines, give or take what nobody knows."""
    found = []
    for index, name in enumerate(case.products):
        lines = [item for order in orders for item in order["items"] if item["product_id"] == name]
        ours = sum(map(held, lines))
        unknown = [item["quantity"] for item in lines if item["stock"]["state"] == LineState.UNKNOWN]
        possible = {ours + sum(units) for units in product(*((0, units) for units in unknown))}
        if ledger.reserved[name] not in possible:
            found.append(f"inventory holds {ledger.reserved[name]} of product {index}, our orders {sorted(possible)}")
        if ledger.reserved[name] + ledger.available[name] != STOCK:
            found.append(f"product {index} has {ledger.reserved[name] + ledger.available[name]} units, not {STOCK}")
        if settled and unknown:
            found.append(f"product {index} still has unknown lines")
    return found


def origin(order: Document, line: int) -> int:
    """The line that was reserved, of which this one may be a part."""
    while (whole := order["items"][line].get("split_from")) is not None:
        line = whole
    return line


def held(item: Document) -> int:
    """Units that inventory must hold for a line; a discrepancy is what it did not give back, seen by staff."""
    if item["stock"]["state"] in HOLDING:
        return int(item["quantity"])
    return int(item["stock"].get("discrepancy") or 0)


def settle_by_truth(orders: list[Document], ledger: Ledger, act: Act) -> int:
    """Be the person who looks into the warehouse: settle every unknown line by what the ledger says."""
    count = 0
    for order in orders:
        for line, item in enumerate(order["items"]):
            if item["stock"]["state"] == LineState.UNKNOWN:
                happened = ledger.happened(order["_id"], line, item["stock"]["call"])
                resolve_line(order_id=order["_id"], line=line, happened=happened, act=act)
                count += 1
    return count
