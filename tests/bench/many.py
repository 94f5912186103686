"""Runs over many orders, beside a bare loop that makes the same change; import and export."""

import json
import os
import subprocess
import sys
from typing import Any

from devtools.localhost import ROOT
from tests.bench.report import Rule

NAMES = {
    "bare": "bare `update_many`, by ids",
    "engine": "a run, selecting and results included",
    "export": "export, JSON lines",
    "import": "import, JSON lines",
}
ROUNDS = 3
"""Of the first two, in turns, since other work on the machine disturbs now the one, now the other."""
LEAST_RATIO = 0.6
MOST_MEMORY = 200
"""MB resident of the process that carries a run out."""
Row = tuple[str, dict[str, Any]]


def measure(uri: str, what: str, orders: int) -> dict[str, Any]:
    """Fill a database with so many paid orders and do one thing with them. :returns: `orders`, `seconds`, `memory`."""
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "orders_project.settings.test",
        "MONGODB_URI": uri,
        "MONGODB_DB": "bench_bulk",
        "MONGODB_TIMEOUT_MS": "600000",  # the indexes are made at once
    }
    command = [sys.executable, "-m", "tests.bench.bulk", what, str(orders)]
    done = subprocess.run(command, env=environment, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    rate = found["orders"] / found["seconds"]
    sys.stderr.write(f"{what}: {found['orders']:,} orders, {rate:,.0f} a second, {found['memory']:.0f} MB\n")
    return found


def measure_many(uri: str, orders: int, *, million: bool) -> tuple[list[Row], list[Rule]]:
    """All of it; with `million` also runs over a million orders, for the memory that they take."""
    best: dict[str, dict[str, Any]] = {}
    for _ in range(ROUNDS):
        for what in ("bare", "engine"):
            found = measure(uri, what, orders)
            best[what] = min(best.get(what, found), found, key=lambda taken: float(taken["seconds"]))
    rows = [(NAMES[what], found) for what, found in best.items()]
    rows += [(NAMES[what], measure(uri, what, orders // 4)) for what in ("export", "import")]
    memory = best["engine"]["memory"]
    if million:
        for what, name in {"engine": "a run over a million", "named": "a run over a million named in a file"}.items():
            rows.append((name, measure(uri, what, 1_000_000)))
            memory = max(memory, rows[-1][1]["memory"])
    ratio = best["bare"]["seconds"] / best["engine"]["seconds"]
    return rows, [
        Rule("a run, beside a bare `update_many`", ratio, least=LEAST_RATIO),
        Rule("MB resident of a run's process", memory, most=MOST_MEMORY),
    ]
