"""What comes after the deaths: workers, a person who looks into the warehouse, clients who ask again."""

import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.utils import timezone

from orders.services import access
from orders.services.audit import Act
from orders.services.events.delivering import deliver
from orders.services.stock.worker import settle_due
from orders.storage import webhook_endpoints
from orders.storage.event_feed import feed
from orders.storage.order_writes import orders
from tests.feed_invariants import problems_of_delivery, problems_of_feed, tell_all
from tests.proof import checks
from tests.proof.consumer import received
from tests.proof.scenarios import REFUND, Case, place, refund_part

PATIENCE = 120.0
"""Seconds for the workers to finish what is owed."""

Told = dict[int, Any]
Problems = list[dict[str, Any]]


def recover(cases: list[Case], told: Told, deliveries: Path) -> dict[str, Any]:
    """Recover, and check: once as the workers leave it, once when a person and the clients have done their part.

    :param deliveries: where the consumer of webhooks keeps what it is sent.
    """
    settle_all()
    tell_all()
    sandbox = orders().database.client[os.environ["SANDBOX_MONGODB_DB"]]
    problems = _violations(cases, told, checks.Ledger(sandbox), settled=False)
    found = _orders_by_user()
    mine = [order for case in cases for order in _orders_of(case, found)]
    act = Act(access.system("proof", via="command"), timezone.now(), "looked into the warehouse")
    unknown = checks.settle_by_truth(mine, checks.Ledger(sandbox), act)
    settle_all()
    problems += _ask_again(cases)
    settle_all()
    problems += _violations(cases, told, checks.Ledger(sandbox), settled=True)
    problems += [
        problem for case in cases if case.scenario == "delivering" for problem in _undelivered(case, deliveries)
    ]
    tell_all()
    problems += [{"problem": problem} for problem in problems_of_feed()]
    return {"violations": problems, "unknown": unknown}


def settle_all() -> None:
    """Run a worker's passes until nothing is owed any more; bounded in time."""
    until = time.monotonic() + PATIENCE
    while orders().find_one({"stock_due_at": {"$exists": True}}, {"_id": 1}) and time.monotonic() < until:
        settle_due(actor=access.system("settle_stock", via="worker"), limit=10_000)
        time.sleep(0.02)


def _undelivered(case: Case, deliveries: Path) -> Problems:
    """Deliver what a case has left, and see whether its consumer had everything up to its own order's last event."""
    found = webhook_endpoints.endpoints().find_one({"url": {"$regex": f"{case.hook}(\\?|$)"}})
    mine = orders().find_one({"user_id": case.user_id}, {"_id": 1})
    if found is None or mine is None:
        return [asdict(case) | {"problem": "it has no endpoint or no order"}]
    own = feed().find({"order_id": mine["_id"]}, {"_id": 1}).sort("_id", 1).to_list()
    after, up_to = own[0]["_id"] - 1, own[-1]["_id"]

    def is_done() -> bool:
        endpoint = webhook_endpoints.endpoints().find_one({"_id": found["_id"]})
        return endpoint is None or endpoint["cursor"] >= up_to

    for _ in range(3):
        if not is_done():
            webhook_endpoints.change(found["_id"], {"due_at": None})  # its leases have ended, and some time has passed
            deliver(found["_id"], stopping=is_done)
    sent = [event for event in received(deliveries) if event["to"] == case.hook and event["cursor"] <= up_to]
    return [asdict(case) | {"problem": problem} for problem in problems_of_delivery(sent, after=after, up_to=up_to)]


def _orders_by_user() -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for order in orders().find():
        found.setdefault(order["user_id"], []).append(order)
    return found


def _orders_of(case: Case, found: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    return found.get(case.user_id, []) + found.get(case.neighbour.user_id, [])


def _violations(cases: list[Case], told: Told, ledger: checks.Ledger, *, settled: bool) -> Problems:
    found, problems = _orders_by_user(), []
    for case in cases:
        answer = told[case.number] or {}
        wrong = [answer["error"]] if "error" in answer else []
        wrong += checks.violations(case, _orders_of(case, found), ledger, told=answer.get("answer"), settled=settled)
        problems += [asdict(case) | {"problem": problem, "settled": settled} for problem in wrong]
    return problems


def _ask_again(cases: list[Case]) -> Problems:
    """A client that may not have got its answer asks again, with the same key: it ends with one order, or refund."""
    problems = []
    for case in cases:
        if case.scenario == "placing":
            try:
                place(case)
            except Exception as error:
                problems.append(asdict(case) | {"problem": f"asking again ended in {error!r}"})
        if case.scenario == "refunding a part":
            problems += [asdict(case) | {"problem": problem} for problem in _refund_again(case)]
    return problems


def _refund_again(case: Case) -> list[str]:
    """Who may not have got an answer refunds again, with the same key: it has been given back once."""
    found = orders().find_one({"user_id": case.user_id}, {"_id": 1})
    if found is None:
        return ["it has no order"]
    refunded = refund_part(case, found["_id"])["refunded"].to_decimal()
    return [] if refunded == REFUND else [f"{refunded} was given back, not {REFUND}"]
