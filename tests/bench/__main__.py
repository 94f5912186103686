"""`make bench`: how fast and how lean runs over many orders are, beside a bare loop that makes the same change.

With `--million` runs over 1,000,000 orders too, for the memory it takes: some minutes more.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from orders_project.embedded_mongo import EmbeddedMongo

ROOT = Path(__file__).parents[2]
NAMES = {"bare": "bare update_many, by ids", "engine": "a run, selecting and results included"}
ROUNDS = 3
"""Of each, in turns, since other work on the machine disturbs now the one, now the other."""
LEAST_RATIO = 0.6
MOST_MEMORY = 200
"""MB resident of the process that carries a run out."""


def measure(uri: str, what: str, orders: int) -> dict[str, Any]:
    """Fill a database with so many paid orders, and carry one of the two out, in a process of its own."""
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "orders_project.settings.test",
        "MONGODB_URI": uri,
        "MONGODB_DB": "bench_bulk",
        "MONGODB_TIMEOUT_MS": "600000",  # the indexes are made at once
    }
    command = [sys.executable, "-m", "tests.bench.bulk", what, str(orders)]
    done = subprocess.run(command, env=environment, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def row(name: str, found: dict[str, Any]) -> str:
    rate = found["orders"] / found["seconds"]
    return f"{name:<44}{found['orders']:>10,}{found['seconds']:>9.1f}{rate:>10,.0f}{found['memory']:>9.0f}\n"


def main() -> int:
    """Return 1 if it is too slow, or takes too much memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=100_000, help="how many (default 100000)")
    parser.add_argument("--million", action="store_true", help="also runs over 1,000,000 orders")
    given = parser.parse_args()
    sys.stdout.write(f"{'paid to processing':<44}{'orders':>10}{'seconds':>9}{'a second':>10}{'MB':>9}\n")
    with tempfile.TemporaryDirectory() as directory, EmbeddedMongo(Path(directory) / "mongo", cache_gb=1) as mongo:
        best: dict[str, dict[str, Any]] = {}
        for _ in range(ROUNDS):
            for what, name in NAMES.items():
                found = measure(mongo.uri, what, given.orders)
                sys.stdout.write(row(name, found))
                best[what] = min(best.get(what, found), found, key=lambda taken: float(taken["seconds"]))
        ratio = best["bare"]["seconds"] / best["engine"]["seconds"]
        sys.stdout.write(f"ratio of the best: {ratio:.2f} (at least {LEAST_RATIO})\n")
        memory = best["engine"]["memory"]
        if given.million:
            for what, name in {"engine": "a run over a million", "named": "a million named in a file"}.items():
                million = measure(mongo.uri, what, 1_000_000)
                sys.stdout.write(row(name, million))
                memory = max(memory, million["memory"])
        sys.stdout.write(f"memory {memory:.0f} MB (at most {MOST_MEMORY})\n")
    return 0 if ratio >= LEAST_RATIO and memory <= MOST_MEMORY else 1


if __name__ == "__main__":
    sys.exit(main())
