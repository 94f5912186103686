"""What a request costs with ten thousand orders, and with a million: on databases side by side, in turns."""

import statistics
import sys
import time
from collections import defaultdict

import requests
from bson import ObjectId

from tests.bench import load
from tests.bench.report import Rule, ratios
from tests.bench.stage import Stage
from tests.bench.work import ORDERS, WORKS, Samples, Work

SIZES = (10_000, 100_000, 1_000_000)
FIRST, DEEPEST = "the first page", "page 10,000 by cursor"
DEEP = {FIRST: 1, "page 400 by cursor": 400, DEEPEST: 10_000}
MOST_GROWTH = 1.3
CONNECTIONS = 4
LOGIN = "admin"
"""Whom `tests.bench.data` makes, with that password."""
WRITES = ("create, 3 lines", "status change", "cancel")
Costs = dict[str, dict[int, float]]
"""By kind of work, by size: milliseconds of a request."""


def measure(stages: dict[int, Stage], *, rounds: int, seconds: float) -> tuple[Costs, list[Rule]]:
    """:param stages: by size, each with its `service` up, which each round begins anew."""
    found: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    samples = {size: Samples(stage) for size, stage in stages.items()}
    deep, begin = _deep(stages), ObjectId()
    for stage in stages.values():
        stage.stock_up()
    for turn in range(rounds):
        for stage in stages.values() if turn else ():
            stage.restart()
        for warm in (False, True):
            for work in WORKS:
                for size, stage in stages.items():
                    took = _work_cost(stage, work, samples[size], seconds if warm else 1.0)
                    stage.database.orders.delete_many({"_id": {"$gt": begin}})  # the size is to stay what it is
                    if warm:
                        found[work.name][size].append(took)
        for (size, name), address in [*deep.items(), *reversed(deep.items())]:  # there and back
            found[name][size].append(_cost(stages[size], [("GET", address, None)], seconds))
    costs = {name: {size: statistics.median(took) for size, took in row.items()} for name, row in found.items()}
    smallest, largest = min(stages), max(stages)
    rules = [
        Rule(f"{name}: {largest:,} orders beside {smallest:,}", _beside(row[largest], row[smallest]), most=MOST_GROWTH)
        for name, row in found.items()
        if smallest in row
    ]
    if DEEPEST in found:
        cost = _beside(found[DEEPEST][largest], found[FIRST][largest])
        rules.append(Rule("page 10,000 by cursor beside the first", cost, most=MOST_GROWTH))
    return costs, rules


def _beside(some: list[float], others: list[float]) -> float:
    return statistics.median(ratios(some, others))


def _deep(stages: dict[int, Stage]) -> dict[tuple[int, str], str]:
    """The addresses, by size and name, of the first page, and of pages deep in the list by their cursors."""
    return {
        (size, name): f"{ORDERS}?limit=20" + (f"&cursor={_cursor(stage, page)}" if page > 1 else "")
        for size, stage in stages.items()
        for name, page in DEEP.items()
        if page * 20 < size
    }


def _cursor(stage: Stage, page: int) -> str:
    url = f"{stage.servers['service'].url}{ORDERS}?limit=20&skip={(page - 1) * 20}"
    answer = requests.get(url, headers={"Authorization": f"Bearer {stage.tokens[0]}"}, timeout=30)
    answer.raise_for_status()
    return answer.headers["Next-Cursor"]


def _work_cost(stage: Stage, work: Work, samples: Samples, seconds: float) -> float:
    if work.name in WRITES:
        seconds *= 2  # each takes many times longer than a read
    return _cost(stage, work.requests(samples, seconds), seconds, once=work.once)


def _cost(stage: Stage, asked: list[load.Request], seconds: float, *, once: bool = False) -> float:
    """Milliseconds of a request."""
    url = stage.servers["service"].url
    told = load.run(url, stage.tokens, asked, connections=CONNECTIONS, seconds=seconds, once=once)
    cost = 1000 * CONNECTIONS / told.rate
    sys.stderr.write(f"{stage.database_name} {asked[0][1][:40]}: {cost:.2f} ms\n")
    return cost


def export(stage: Stage) -> int:
    """Have the service stream all orders as CSV to a browser. :returns: how many lines came, the heading included."""
    admin = f"{stage.servers['service'].url}/admin"
    began = time.monotonic()
    with requests.Session() as browser:
        browser.get(f"{admin}/login/", timeout=30).raise_for_status()
        known = {"username": LOGIN, "password": LOGIN, "csrfmiddlewaretoken": browser.cookies["csrftoken"]}
        browser.post(f"{admin}/login/", data=known, timeout=30).raise_for_status()
        with browser.get(f"{admin}/orders/order/export/", stream=True, timeout=60) as answer:
            answer.raise_for_status()
            lines = sum(piece.count(b"\n") for piece in answer.iter_content(2**16))
    sys.stderr.write(f"export of {lines - 1:,} lines: {time.monotonic() - began:.0f} s\n")
    return lines
