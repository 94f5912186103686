"""Side by side: the same work done by this service and its twins, in turns."""

import json
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import Any

from bson import ObjectId

from devtools.localhost import ROOT
from tests.bench import load, report
from tests.bench.load import LoadError
from tests.bench.report import Rule
from tests.bench.stage import NAMES, Server, Stage
from tests.bench.work import WORKS, Samples, Work, placements

CONNECTIONS = (1, 8, 64)
USUAL = 8
SPELLS = 2
"""So often new connections are made within one turn: of two processes, which of them accepts how many is chance, and at
worst one does all the work.
"""
BARE = "bare client"


@dataclass
class Figures:
    """What one server did of one work: each list has two entries for each round.

    :ivar rates: requests a second.
    :ivar cpu: milliseconds of processor time that a request took of the server's own processes.
    :ivar p50: milliseconds, `p99` likewise.
    """

    rates: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    p50: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return statistics.median(self.rates)

    def beside(self, other: "Figures") -> float:
        """The median of the ratios of all turns."""
        return statistics.median(report.ratios(self.rates, other.rates))

    def spread(self, other: "Figures") -> float:
        """How far apart the middle half of those ratios lies, as a share of their median; 0 of a single round."""
        if len(self.rates) < 2:
            return 0.0
        low, _, high = statistics.quantiles(report.ratios(self.rates, other.rates), n=4)
        return (high - low) / self.beside(other)


Table = dict[tuple[str, int], dict[str, Figures]]
"""By work and connections, by server."""


def measure(stage: Stage, works: list[Work], *, rounds: int, seconds: float) -> Table:
    """Do each work with each server, in turns, so that what disturbs the machine disturbs all of them; once there and
    once back, so that who comes first does not always.

    Each round has processes of its own: of one and the same program, some are faster by a tenth as long as they live.
    """
    samples, found, begin = Samples(stage), Table(), ObjectId()
    stage.stock_up()
    for turn in range(rounds):
        if turn:
            stage.restart()
            stage.database.orders.delete_many({"_id": {"$gt": begin}})  # else the newest would be those of the bench
        for work in works:
            _turn(stage, samples, work, USUAL, 1.0)  # warms up
            for connections in CONNECTIONS if work.all_connections else (USUAL,):
                row = found.setdefault((work.name, connections), {})
                # Where very many are served at once, none of them is answered for a while.
                longer = work.longer * (3 if work.longer > 1 and connections > USUAL else 1)
                for back in (False, True):
                    for name, took in _turn(stage, samples, work, connections, longer * seconds, back=back).items():
                        _note(row.setdefault(name, Figures()), took)
                    told = "  ".join(f"{name} {figures.rates[-1]:,.0f}" for name, figures in row.items())
                    sys.stderr.write(f"{turn + 1}. {work.name}, {connections} connections: {told} a second\n")
    return found


def _turn(
    stage: Stage,
    samples: Samples,
    work: Work,
    connections: int,
    seconds: float,
    *,
    back: bool = False,
    again: bool = True,
) -> dict[str, dict[str, float]]:
    """What each server did; `again`: where a standstill of the machine made one of them fail, all have another try."""

    def done_by(name: str) -> dict[str, float]:
        if name == BARE:
            return _bare(stage, samples, connections, seconds)
        return _one(stage, stage.servers[name], samples, work, connections, seconds)

    names = ([BARE] if work.beside_bare else []) + [name for name in work.servers if name in stage.servers]
    try:
        return {name: done_by(name) for name in (reversed(names) if back else names)}
    except LoadError as error:
        if not again:
            raise
        sys.stderr.write(f"{error}\nonce more\n")
        return _turn(stage, samples, work, connections, seconds, back=back, again=False)


def _one(
    stage: Stage, server: Server, samples: Samples, work: Work, connections: int, seconds: float
) -> dict[str, float]:
    requests = work.requests(samples, seconds)
    time.sleep(0.2)
    before = server.cpu_seconds()
    try:
        spells = [
            load.run(server.url, stage.tokens, requests, connections=connections, seconds=seconds, once=work.once)
            for _ in range(1 if work.once else SPELLS)
        ]
    except LoadError as error:
        raise LoadError(f"{server.name}, {work.name}: {error}; its log: {server.child.log}") from error
    cpu = (server.cpu_seconds() - before) / sum(told.requests for told in spells) * 1000
    return {
        "rates": statistics.fmean(told.rate for told in spells),
        "cpu": cpu,
        "p50": statistics.fmean(told.p50 for told in spells),
        "p99": statistics.fmean(told.p99 for told in spells),
    }


def _bare(stage: Stage, samples: Samples, connections: int, seconds: float) -> dict[str, float]:
    command = [
        sys.executable,
        "-m",
        "tests.bench.twins.bare_client",
        str(connections),
        str(seconds),
        json.dumps([body for _, _, body in placements(samples)]),
    ]
    done = subprocess.run(command, env=stage.environment, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    told = json.loads(done.stdout)
    return {"rates": told["requests"] / told["seconds"]}


def _note(figures: Figures, took: dict[str, Any]) -> None:
    for name, value in took.items():
        getattr(figures, name).append(value)


def works_named(wanted: str | None) -> list[Work]:
    """All of them, or those whose name has this in it."""
    return [work for work in WORKS if wanted is None or wanted in work.name]


def rules(found: Table) -> list[Rule]:
    """What is promised, each a ratio within one run."""
    wanted = (
        ("GET one", "floor", 0.6), ("list of 20", "floor", 0.6),
        ("GET one", "fastapi", 1.0), ("list of 20", "fastapi", 1.0), ("create, 3 lines", "fastapi", 1.0),
        ("GET one", "drf", 3.0), ("list of 20", "drf", 5.0), ("create, 3 lines", "drf", 1.0),
        ("create, 3 lines", BARE, 0.8), ("status change", "floor", 0.35),
    )  # fmt: skip
    return [
        Rule(f"{work} beside {NAMES.get(other, other)}, {connections} connections", own.beside(row[other]), least=least)
        for work, other, least in wanted
        for connections in CONNECTIONS
        if (row := found.get((work, connections))) and other in row and (own := row["service"])
    ]


def charts(found: Table) -> str:
    return report.chart(found, ("GET one", "list of 20", "create, 3 lines"), USUAL)
