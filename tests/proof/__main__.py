"""`make proof`: everything; the figures of docs/proof.md and docs/reliability.md are written afresh."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from devtools.child_processes import Child
from devtools.embedded_mongo import EmbeddedMongo
from tests.proof.chaos import run as run_chaos
from tests.proof.chaos import tell
from tests.proof.failover import run as run_failover
from tests.proof.failover_figures import rows as failover_rows
from tests.proof.interleave import tell as tell_story
from tests.proof.inventories import Inventory
from tests.proof.model.report import run_model
from tests.proof.worker_kill import run_worker_kill

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "proof.md"
RELIABILITY = ROOT / "docs" / "reliability.md"
SEEKING = {Inventory.ATOMIC: 10_000, Inventory.PUBLISHED: 10_000, Inventory.WITHOUT_LOCKS: 2_000}
"""Interleaved operations; without locks until the first violation."""
FOR_LONG = {"operations": 3000, "seconds": 75.0}
FOR_SHORT = {"operations": 400, "seconds": 8.0}
"""Operations of clients over HTTP: where units must be lost, they soon are."""
BEGIN, END = "<!-- figures -->\n", "<!-- end of figures -->"
MODEL_BEGIN, MODEL_END = "<!-- figures of the model -->\n", "<!-- end of figures of the model -->"
LOST_BEGIN, LOST_END = "<!-- figures of lost nodes -->\n", "<!-- end of figures of lost nodes -->"


def crash_test(
    mongo_uri: str, directory: Path, *, inventory: Inventory = Inventory.ATOMIC, share: float = 1.0, seed: int = 2026
) -> dict[str, Any]:
    """Run the exhaustive crash test in a process of its own, on a database and a sandbox of its own.

    :param inventory: what inventory is like.
    :param share: of the crash points.
    :returns: its report; `violations` lists what went wrong.
    :raises RuntimeError: it could not be carried through.
    """
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "orders_project.settings.test",
        "MONGODB_URI": mongo_uri,
        "MONGODB_DB": f"proof_crash_{inventory.name.lower()}",
        "SANDBOX_MONGODB_DB": f"proof_crash_{inventory.name.lower()}_sandbox",
        "PYTHONPATH": str(ROOT),
    }
    directory.mkdir(exist_ok=True)
    report = directory / "crash.json"
    with ExitStack() as stack:
        command = [sys.executable, "-m", "integrations.sandbox", "--port", "0"]
        sandbox = Child("sandbox", command, log=directory / "sandbox.log")
        stack.callback(sandbox.stop)
        found = sandbox.start(environment).await_line(r"(http://\S+?)/api/v1", 30)
        for peer in ("USER", "PRODUCT", "INVENTORY"):
            environment[f"{peer}_SERVICE_URL"] = f"{found[1]}/api/v1"
        subprocess.run([sys.executable, "-m", "django", "migrate", "-v0"], env=environment, cwd=ROOT, check=True)
        arguments = ["--sandbox", found[1], "--report", str(report), "--share", str(share), "--seed", str(seed)]
        arguments += ["--inventory", inventory]
        with (directory / "crash.log").open("w") as log:
            subprocess.run(
                [sys.executable, "-m", "tests.proof.crash", *arguments],
                env=environment, cwd=ROOT, check=False, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
    if not report.exists():
        raise RuntimeError((directory / "crash.log").read_text()[-2000:])
    return dict(json.loads(report.read_text()))


@contextmanager
def interleavings(mongo_uri: str, directory: Path) -> Iterator[Callable[[], dict[Inventory, dict[str, Any]]]]:
    """Run them beside what is done meanwhile: for each kind of inventory a process, on databases of its own.

    :returns: a function that waits for their reports; it raises RuntimeError where one is missing.
    """
    with ExitStack() as stack:
        running = {kind: stack.enter_context(_interleaving(mongo_uri, directory, kind)) for kind in Inventory}
        yield lambda: {kind: _report_of(child, path) for kind, (child, path) in running.items()}


@contextmanager
def _interleaving(mongo_uri: str, directory: Path, kind: Inventory) -> Iterator[tuple[Child, Path]]:
    name = kind.name.lower()
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "orders_project.settings.test",
        "MONGODB_URI": mongo_uri,
        "MONGODB_DB": f"proof_interleave_{name}",
    }
    path = directory / f"interleave-{name}.json"
    arguments = ["--operations", str(SEEKING[kind]), "--inventory", kind, "--report", str(path)]
    command = [sys.executable, "-m", "tests.proof.interleave", *arguments]
    child = Child("interleavings", command, log=path.with_suffix(".log"))
    try:
        yield child.start(environment), path
    finally:
        child.stop()


def _report_of(child: Child, path: Path) -> dict[str, Any]:
    while child.running:
        time.sleep(0.1)
    if not path.exists():
        raise RuntimeError(path.with_suffix(".log").read_text()[-2000:])
    return dict(json.loads(path.read_text()))


Report = dict[str, Any]
Reports = Mapping[Inventory, Report]
Row = tuple[str, Sequence[int | None]]
"""What was tried, and how often with each kind of inventory; None: not tried."""


def crash_rows(reports: Reports) -> list[Row]:
    def row(title: str, figure: Callable[[Report], int | None]) -> Row:
        return title, [figure(report) for report in reports.values()]

    scenarios = sorted({name for report in reports.values() for name in report["by_scenario"]})
    return [
        row("crash cases: scenario × inventory's answer × keys honoured or not × step", lambda r: r["cases"]),
        *(row(f"… {name}", lambda r, name=name: r["by_scenario"].get(name)) for name in scenarios),
        row("processes killed in them", lambda r: r["died"]),
        row("lines whose outcome nobody could know, settled by a person", lambda r: r["unknown"]),
        row("**violations**", violated),
    ]


def interleave_rows(reports: Reports) -> list[Row]:
    names = {
        "operations": "operations interleaved at random, step by step",
        "runs": "runs in which they were",
        "steps": "… steps",
        "faults": "… faults",
        "deaths": "… deaths",
    }
    total: list[Row] = [(title, [r[name] for r in reports.values()]) for name, title in names.items()]
    followed = [r.get("followed", {}) for r in reports.values()]
    total += [
        (
            title.replace("operations", "operations of tellers, deliverers, replays and others"),
            [r.get(name) for r in followed],
        )
        for name, title in names.items()
    ]
    return [*total, ("**violations**", [violated(report) for report in reports.values()])]


def chaos_rows(reports: Mapping[Inventory, Sequence[Report]]) -> list[Row]:
    def row(title: str, figure: Callable[[Report], int]) -> Row:
        return title, [sum(map(figure, of_kind)) for of_kind in reports.values()]

    done = sorted({name for of_kind in reports.values() for report in of_kind for name in report["done"]})
    return [
        row("operations of clients over HTTP, with faults and kills at random", lambda r: r["operations"]),
        row("orders in them", lambda r: r["orders"]),
        *(row(f"… {name}", lambda r, name=name: r["done"].get(name, 0)) for name in done),
        row("**violations**", violated),
    ]


def kill_rows(reports: list[Report]) -> list[Row]:
    return [
        (title, [figure, None, None])
        for report in reports
        for title, figure in (
            (f"releases owed when a worker was killed amid them, {_keys(report)}", report["owed"]),
            ("… in the air at that moment", report["in_the_air"]),
            ("… unknown afterwards", report["unknown"]),
            ("… called twice", report["called_twice"]),
            ("**violations**", violated(report)),
        )
    ]


def violated(report: Report) -> int:
    return len(report["violations"])


def _keys(report: Report) -> str:
    return "keys honoured" if report["keys"] else "keys not honoured"


def table(rows: Sequence[Row], columns: Sequence[str]) -> str:
    """The figures as a Markdown table; what was not tried is left empty."""
    lines = [["tried", *columns], ["---", *["---:"] * len(columns)]]
    lines += [[title, *("" if figure is None else f"{figure:,}" for figure in figures)] for title, figures in rows]
    return "\n" + "".join(f"| {' | '.join(line)} |\n" for line in lines) + "\n"


def write_figures(page: Path, begin: str, figures: str, end: str) -> None:
    """Put figures between the two marks of a page."""
    text = page.read_text()
    page.write_text(text.partition(begin)[0] + begin + figures + end + text.partition(end)[2])


def _chaos(uri: str, directory: Path, kind: Inventory, keys: bool) -> Report:
    how_long = FOR_SHORT if kind is Inventory.WITHOUT_LOCKS else FOR_LONG
    return run_chaos(uri, directory / f"chaos-{kind.name}-{keys}", keys=keys, inventory=kind, **how_long)


def _crash(uri: str, directory: Path, kind: Inventory) -> Report:
    share = 0.1 if kind is Inventory.WITHOUT_LOCKS else 1.0
    return crash_test(uri, directory / f"crash-{kind.name}", inventory=kind, share=share)


def unnoticed(reports: Mapping[str, Report]) -> list[str]:
    """Where the locks were taken out, units must be lost: what did not find out proves nothing."""
    return [f"{name} did not find that units are lost without turns" for name, r in reports.items() if not violated(r)]


def main() -> int:
    """Return 1 if anything was violated, or nothing was where the turns were taken out."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orders_project.settings.test")
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as name, EmbeddedMongo(Path(name) / "mongo") as mongo:
        directory = Path(name)
        with interleavings(mongo.uri, directory) as interleaved:
            crash = {kind: _crash(mongo.uri, directory, kind) for kind in Inventory}
            interleave = interleaved()
        chaos = {kind: [_chaos(mongo.uri, directory, kind, keys) for keys in (False, True)] for kind in Inventory}
        kills = [run_worker_kill(mongo.uri, directory / f"kill-{keys}", keys=keys) for keys in (False, True)]
        lost = [run_failover(directory / f"lost-{keys}", keys=keys) for keys in (False, True)]
        without = Inventory.WITHOUT_LOCKS
        tries = {"the crash test": crash[without], "the search among interleavings": interleave[without]}
        problems = unnoticed(tries | {f"chaos, {_keys(report)},": report for report in chaos[without]})
        for kind in (Inventory.ATOMIC, Inventory.PUBLISHED):
            problems += [str(problem) for problem in crash[kind]["violations"]]
            problems += [tell_story(violation) for violation in interleave[kind]["violations"]]
            problems += [tell(report) for report in chaos[kind] if violated(report)]
        problems += [str(problem) for report in kills for problem in report["violations"]]
        problems += [tell(report) for report in lost if violated(report)]
        model = run_model(directory / "model")
        problems += model.problems
    rows = [*crash_rows(crash), *interleave_rows(interleave), *chaos_rows(chaos), *kill_rows(kills)]
    figures = table(rows, list(Inventory))
    of_lost_nodes = table([(title, [figure]) for title, figure in failover_rows(lost)], [""])
    write_figures(PAGE, BEGIN, figures, END)
    write_figures(PAGE, MODEL_BEGIN, model.figures, MODEL_END)
    write_figures(RELIABILITY, LOST_BEGIN, of_lost_nodes, LOST_END)
    sys.stdout.write(f"{figures}{model.figures}{of_lost_nodes}{time.monotonic() - began:.0f} s\n")
    for problem in problems[:20]:
        sys.stdout.write(f"{problem}\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
