"""What comes after the deaths: workers, a person who looks into the warehouse, clients who ask again."""

import os
import time
from dataclasses import asdict
from typing import Any

from django.utils import timezone

from orders.services import access
from orders.services.audit import Act
from orders.services.stock.worker import settle_due
from orders.storage.order_writes import orders
from tests.proof import checks
from tests.proof.scenarios import Case, place

PATIENCE = 120.0
"""Seconds for the workers to finish what is owed."""

Told = dict[int, Any]
Problems = list[dict[str, Any]]


def recover(cases: list[Case], told: Told) -> dict[str, Any]:
    """Recover, and check: once as the workers leave it, once when a person and the clients have done their part."""
    settle_all()
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
    return {"violations": problems, "unknown": unknown}


def settle_all() -> None:
    """Run a worker's passes until nothing is owed any more; bounded in time."""
    until = time.monotonic() + PATIENCE
    while orders().find_one({"stock_due_at": {"$exists": True}}, {"_id": 1}) and time.monotonic() < until:
        settle_due(actor=access.system("settle_stock", via="worker"), limit=10_000)
        time.sleep(0.02)


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
    """A client that may not have got its answer asks again, with the same key: it ends with one order."""
    problems = []
    for case in cases:
        if case.scenario == "placing":
            try:
                place(case)
            except Exception as error:
                problems.append(asdict(case) | {"problem": f"asking again ended in {error!r}"})
    return problems
