"""What is true when all is over: `python -m tests.proof.chaos_judge`, with the settings of the run.

It migrates the database, says so, and waits for the claims on its standard input. Then the workers get time to finish
what is owed; a person settles what is unknown, by what inventory recorded; the workers finish again. Then every order
is compared with its invariants, with inventory's ledger and with what clients were told, and the feed with all orders.
"""

import json
import os
import sys
import time
from collections import Counter, defaultdict
from typing import Any

import django

if __name__ == "__main__":
    django.setup()

from django.conf import settings
from django.core.management import call_command
from django.utils import timezone
from pymongo import MongoClient

from orders.models import PUBLIC_STATUSES, LineState
from orders.services import access
from orders.services.audit import Act
from orders.services.stock.reconciliation import reconcile
from orders.storage.event_feed import feed
from orders.storage.order_writes import orders
from tests.feed_invariants import problems_of_feed, tell_all
from tests.order_invariants import violations_of
from tests.proof.checks import Ledger, origin, settle_by_truth

Document = dict[str, Any]
Problem = tuple[str, Document | None]

ACTED = {
    LineState.NONE: (0, 0),
    LineState.RESERVED: (1, 0),
    LineState.USED: (1, 0),
    LineState.RELEASED: (1, 1),
}
"""How often inventory has reserved and released a line that ended in a state."""

ROUNDS = 8
"""How often unknown lines are looked into: on a busy machine, a release that is owed again may be lost again."""


def judge(claims: Document) -> Document:
    """:param claims: `stock` (product → units there are), `placed` (key → order ids told), `changed` ([order, status]
    told), `keys`, `patience` in seconds."""
    client: MongoClient[Document] = MongoClient(os.environ["SANDBOX_MONGODB_URI"])
    sandbox = client[os.environ["SANDBOX_MONGODB_DB"]]
    problems: list[Problem] = []
    drained = _drain(claims["patience"])
    unknown = _unknown()
    if claims["keys"]:
        problems += [("a line is unknown, although keys are honoured", order) for order in unknown]
    act = Act(access.system("proof", via="command"), timezone.now(), "looked into the warehouse")
    settled, rounds = 0, 0
    while unknown and rounds < ROUNDS:
        time.sleep(
            settings.STOCK_LEASE
        )  # until then a call may still act that nobody waits for; no person looks sooner
        settled += settle_by_truth(unknown, Ledger(sandbox), act)
        drained += _drain(claims["patience"])
        unknown, rounds = _unknown(), rounds + 1
    owed = orders().find({"stock_due_at": {"$exists": True}})
    problems += [("still owed when the workers had had their time", order) for order in owed]
    found, ledger = list(orders().find()), Ledger(sandbox)
    for order in found:
        problems += [(problem, order) for problem in (*violations_of(order), *_doubled(order), *_lines(order, ledger))]
    problems += [(problem, None) for problem in _stock(found, ledger, claims["stock"])]
    problems += _told(found, claims)
    tell_all()  # where no worker tells
    problems += [(problem, None) for problem in problems_of_feed()]
    return {
        "events": feed().count_documents({}),
        "orders": len(found),
        "statuses": _count(order["status"] for order in found),
        "lines": _count(item["stock"]["state"] for order in found for item in order["items"]),
        "discrepancies": sum(bool(item["stock"].get("discrepancy")) for order in found for item in order["items"]),
        "acted": len(ledger.acted),
        "unknown_settled": settled,
        "drain_seconds": round(drained, 1),
        "violations": [_told_in_full(problem, order, sandbox) for problem, order in problems],
    }


def _unknown() -> list[Document]:
    return list(orders().find({"items.stock.state": LineState.UNKNOWN.value}))


def _drain(patience: float) -> float:
    """Wait until the workers owe nothing and have told everything; return how long that took, in seconds."""
    began = time.monotonic()
    left = {"$or": [{"stock_due_at": {"$exists": True}}, {"untold_at": {"$exists": True}}]}
    while orders().find_one(left, {"_id": 1}) and time.monotonic() - began < patience:
        time.sleep(0.05)
    return time.monotonic() - began


def _doubled(order: Document) -> list[str]:
    """No write is in the history twice: after a failover it may have been sent twice."""
    written = Counter((entry["write_id"], entry["act"], entry.get("line")) for entry in order["history"])
    return [
        f"{act} of line {line} by write {name} is in the history {times} times"
        for (name, act, line), times in written.items()
        if times > 1
    ]


def _lines(order: Document, ledger: Ledger) -> list[str]:
    """Inventory acted for each line as often as its state says, and by the units that it says."""
    found = []
    for index, item in enumerate(order["items"]):
        stock = item["stock"]
        whole = origin(order, index)
        reserves = ledger.acted.get(f"{order['_id']}:{whole}:reserve", [])
        acts = [reserves, ledger.acted.get(f"{order['_id']}:{index}:release", [])]
        expected = ACTED.get(stock["state"])
        times = tuple(map(len, acts))
        if expected is None:
            found.append(f"line {index} ended {stock['state']}")
        elif times != expected and not (stock.get("discrepancy") and times == (1, 0)):
            found.append(f"line {index} is {stock['state']}; inventory reserved and released it {times} times")
        parts = [part["quantity"] for line, part in enumerate(order["items"]) if origin(order, line) == whole]
        if sum(reserves) not in (0, sum(parts)):
            found.append(f"line {whole} of {parts} units had {reserves} reserved")
        given_back = item["quantity"] - (stock.get("discrepancy") or 0)
        if acts[1] and sum(acts[1]) != given_back:
            found.append(f"line {index} should have given {given_back} units back, inventory got {acts[1]}")
    return found


def _stock(found: list[Document], ledger: Ledger, total: dict[str, int]) -> list[str]:
    """Inventory's reserved units are those of our lines; no unit was sold that was not there."""
    held: dict[str, int] = defaultdict(int)
    kept: dict[str, int] = defaultdict(int)
    for item in (item for order in found for item in order["items"]):
        if item["stock"]["state"] in (LineState.RESERVED, LineState.USED):
            held[item["product_id"]] += item["quantity"]
        kept[item["product_id"]] += item["stock"].get("discrepancy") or 0
    problems = []
    for product, units in total.items():
        reserved, available = ledger.reserved[product], ledger.available[product]
        if reserved != held[product] + kept[product]:
            problems.append(f"{product}: inventory holds {reserved}, our orders {held[product]} + {kept[product]} kept")
        if reserved + available != units or available < 0:
            problems.append(f"{product}: {reserved} reserved and {available} available, of {units}")
        if held[product] > units:
            problems.append(f"{product}: {held[product]} units sold of {units}")
    problems += [
        f"reconcile_stock finds {difference}"
        for difference in reconcile(list(total)).differences
        if difference.surplus != kept[difference.product_id]
    ]
    return problems


def _told(found: list[Document], claims: Document) -> list[Problem]:
    """What clients were told is so, and one key placed one order."""
    problems: list[Problem] = []
    by_id = {str(order["_id"]): order for order in found}
    by_key: dict[str, list[Document]] = defaultdict(list)
    for order in found:
        if order["status"] in PUBLIC_STATUSES:
            by_key[order["shipping_address"].get("line2", "")].append(order)
    by_key.pop("", None)
    problems += [
        (f"key {key} placed {len(placed)} orders: {[str(order['_id']) for order in placed]}", placed[0])
        for key, placed in by_key.items()
        if len(placed) > 1
    ]
    for key, ids in claims["placed"].items():
        if len(set(ids)) > 1:
            problems.append((f"key {key} was answered with the orders {sorted(set(ids))}", by_id.get(ids[0])))
        for told in sorted(set(ids)):
            if by_id.get(told, {"status": "missing"})["status"] not in PUBLIC_STATUSES:
                problems.append((f"the client was told that {told} is placed ({key}); it is not", by_id.get(told)))
    for told, status in claims["changed"]:
        order = by_id.get(told)
        if order is None or not any(entry["to"] == status for entry in order["history"] if "line" not in entry):
            problems.append((f"the client was told that {told} is {status}; it never was", order))
    return problems


def _told_in_full(problem: str, order: Document | None, sandbox: Any) -> Document:
    if order is None:
        return {"problem": problem}
    movements = list(sandbox["movements"].find({"order_id": str(order["_id"])}, {"answer": 0, "_id": 0}).sort("at"))
    return {
        "problem": problem, "order": str(order["_id"]), "key": order["shipping_address"].get("line2", ""),
        "document": order, "movements": movements,
    }  # fmt: skip


def _count(values: Any) -> dict[str, int]:
    counted: dict[str, int] = defaultdict(int)
    for value in values:
        counted[value] += 1
    return dict(counted)


def main() -> None:
    """Migrate, then judge the claims that come in, a JSON line; answer with another."""
    call_command("migrate", verbosity=0)
    sys.stdout.write("migrated\n")
    sys.stdout.flush()
    if claims := sys.stdin.readline():
        sys.stdout.write(json.dumps(judge(json.loads(claims)), default=str))


if __name__ == "__main__":
    main()
