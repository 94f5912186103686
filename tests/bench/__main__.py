"""`make bench`: this service beside its floor and its twins, as it grows, and over many orders at a time.

    make bench                        # everything but what takes a million orders: an hour
    make bench ARGS=--million         # that too: nearly two hours
    make bench ARGS="--only http --work list --rounds 1"

It ends with 1 if one of its rules does not hold. With --write the figures go into docs/performance.md.
"""

import argparse
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from devtools.embedded_mongo import EmbeddedMongo
from tests.bench import bodies, growth, many, rates, report
from tests.bench.load import LoadError, require_wrk
from tests.bench.report import Rule
from tests.bench.stage import SERVERS, Stage

PARTS = ("http", "growth", "bulk", "bodies")
LOADED = {"http", "growth"}
"""What needs wrk."""
MOST_RESIDENT = 150
"""MB of a web worker."""


def main() -> int:
    """Return 0 if every rule holds, 1 if not, 2 if it could not be measured."""
    given = _arguments()
    rules: list[Rule] = []
    try:
        if LOADED & set(given.only or PARTS):
            require_wrk()
        with tempfile.TemporaryDirectory() as name, EmbeddedMongo(Path(name) / "mongo", cache_gb=2) as mongo:
            parts = {"http": _http, "growth": _growth, "bulk": _bulk, "bodies": _bodies}
            for part in given.only or PARTS:
                rules += parts[part](given, Path(name), mongo.uri)
    except LoadError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(report.rules_table(rules))
    return 0 if all(rule.holds for rule in rules) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=PARTS, help="just this part; may be given often")
    parser.add_argument("--work", help="of the part http only the work whose name has this in it")
    parser.add_argument("--orders", type=int, default=100_000, help="in the collection, and of a run (default 100000)")
    parser.add_argument("--rounds", type=int, default=3, help="of each measurement, two turns each (default 3)")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each round (default 2)")
    parser.add_argument("--million", action="store_true", help="also with 1,000,000 orders")
    parser.add_argument("--write", action="store_true", help="write the figures into docs/performance.md")
    return parser.parse_args()


def _http(given: argparse.Namespace, directory: Path, uri: str) -> list[Rule]:
    with Stage(directory, uri=uri) as stage:
        stage.fill(given.orders)
        stage.serve(*SERVERS)
        found = rates.measure(stage, rates.works_named(given.work), rounds=given.rounds, seconds=given.seconds)
        rules = [*rates.rules(found), _memory(stage)]
    _tell(given, "side by side", f"{report.ratios_table(found)}\n{report.rules_table(rules)}\n{rates.charts(found)}")
    return rules


def _growth(given: argparse.Namespace, directory: Path, uri: str) -> list[Rule]:
    stages: dict[int, Stage] = {}
    with ExitStack() as stack:
        for size in growth.SIZES if given.million else growth.SIZES[:-1]:
            stages[size] = stack.enter_context(Stage(directory, uri=uri, database=f"bench_{size}"))
            stages[size].fill(size)
            stages[size].serve("service")
        costs, rules = growth.measure(stages, rounds=given.rounds, seconds=given.seconds)
        growth.export(stages[max(stages)])
        rules.append(_memory(*stages.values()))
    head = ["milliseconds of a request", *(f"{size:,} orders" for size in stages)]
    rows = [[name, *(f"{row[size]:.2f}" if size in row else "" for size in stages)] for name, row in costs.items()]
    _tell(given, "growth", f"{report.table(head, rows)}\n{report.rules_table(rules)}")
    return rules


def _memory(*stages: Stage) -> Rule:
    """That of the largest web worker of this service."""
    resident = max(stage.servers["service"].most_resident() for stage in stages)
    return Rule("MB resident of a web worker", resident, most=MOST_RESIDENT)


def _bulk(given: argparse.Namespace, _directory: Path, uri: str) -> list[Rule]:
    rows, rules = many.measure_many(uri, given.orders, million=given.million)
    told = (
        [name, f"{found['orders']:,}", f"{found['orders'] / found['seconds']:,.0f}", f"{found['memory']:.0f}"]
        for name, found in rows
    )
    _tell(given, "bulk", f"{report.table(['', 'orders', 'a second', 'MB'], told)}\n{report.rules_table(rules)}")
    return rules


def _bodies(given: argparse.Namespace, directory: Path, uri: str) -> list[Rule]:
    with Stage(directory, uri=uri, database="bench_bodies") as stage:
        stage.environment["WEB_CONCURRENCY"] = "1"
        stage.serve("service")
        found, memory = bodies.measure(stage.servers["service"], stage.tokens[0])
    rules = bodies.rules(found, memory)
    dearest = sorted(found.items(), key=lambda row: -row[1])[:8]
    told = report.table(["the dearest bodies", "CPU ms"], ([name, f"{cost:.0f}"] for name, cost in dearest))
    _tell(given, "bodies", f"{told}\n{report.rules_table(rules)}")
    return rules


def _tell(given: argparse.Namespace, section: str, text: str) -> None:
    sys.stdout.write(f"\n{text}\n")
    sys.stdout.flush()
    if given.write:
        report.write(section, text)


if __name__ == "__main__":
    sys.exit(main())
