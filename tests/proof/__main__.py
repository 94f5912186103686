"""`make proof`: everything; the figures of docs/proof.md and docs/reliability.md are written afresh."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from orders_project.children import Child
from orders_project.embedded_mongo import EmbeddedMongo
from tests.proof.chaos import run as run_chaos
from tests.proof.chaos import tell
from tests.proof.failover import run as run_failover
from tests.proof.failover_figures import rows as failover_rows
from tests.proof.interleave import tell as tell_story
from tests.proof.model.report import run_model
from tests.proof.worker_kill import run_worker_kill

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "proof.md"
RELIABILITY = ROOT / "docs" / "reliability.md"
OPERATIONS = 10_000
"""Interleaved ones."""
SEARCHES = 2
"""Processes that search among the interleavings, beside the crash test."""
BEGIN, END = "<!-- figures -->\n", "<!-- end of figures -->"
MODEL_BEGIN, MODEL_END = "<!-- figures of the model -->\n", "<!-- end of figures of the model -->"
LOST_BEGIN, LOST_END = "<!-- figures of lost nodes -->\n", "<!-- end of figures of lost nodes -->"


def crash_test(mongo_uri: str, directory: Path, *, share: float = 1.0, seed: int = 2026) -> dict[str, Any]:
    """Run the exhaustive crash test in a process of its own, on a database and a sandbox of its own.

    :param share: of the crash points.
    :returns: its report; `violations` lists what went wrong.
    :raises RuntimeError: it could not be carried through.
    """
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "orders_project.settings.test",
        "MONGODB_URI": mongo_uri,
        "MONGODB_DB": "proof_crash",
        "SANDBOX_MONGODB_DB": "proof_crash_sandbox",
        "PYTHONPATH": str(ROOT),
    }
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
        with (directory / "crash.log").open("w") as log:
            subprocess.run(
                [sys.executable, "-m", "tests.proof.crash", *arguments],
                env=environment, cwd=ROOT, check=False, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
    if not report.exists():
        raise RuntimeError((directory / "crash.log").read_text()[-2000:])
    return dict(json.loads(report.read_text()))


@contextmanager
def interleavings(mongo_uri: str, directory: Path) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """Run them beside what is done meanwhile, each process by seeds and on databases of its own.

    :returns: a function that waits for their reports; it raises RuntimeError where one is missing.
    """
    with ExitStack() as stack:
        running = [stack.enter_context(_interleaving(mongo_uri, directory, number)) for number in range(SEARCHES)]
        yield lambda: [_report_of(child, path) for child, path in running]


@contextmanager
def _interleaving(mongo_uri: str, directory: Path, number: int) -> Iterator[tuple[Child, Path]]:
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "orders_project.settings.test",
        "MONGODB_URI": mongo_uri,
        "MONGODB_DB": f"proof_interleave_{number}",
    }
    path = directory / f"interleave-{number}.json"
    arguments = ["--operations", str(OPERATIONS // SEARCHES), "--seed", str(1 + 10_000 * number), "--report", str(path)]
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


Row = tuple[str, int]


def crash_rows(report: dict[str, Any]) -> list[Row]:
    return [
        ("crash cases: scenario × inventory's answer × keys honoured or not × step", report["cases"]),
        *((f"… {name}", count) for name, count in sorted(report["by_scenario"].items())),
        ("processes killed in them", report["died"]),
        ("lines whose outcome nobody could know, settled by a person", report["unknown"]),
        ("violations", len(report["violations"])),
    ]


def interleave_rows(reports: list[dict[str, Any]]) -> list[Row]:
    names = {
        "operations": "operations interleaved at random, step by step",
        "runs": "runs in which they were",
        "steps": "… steps",
        "faults": "… faults",
        "deaths": "… deaths",
    }
    total = [(title, sum(report[name] for report in reports)) for name, title in names.items()]
    return [*total, ("violations", sum(len(report["violations"]) for report in reports))]


def chaos_rows(reports: list[dict[str, Any]]) -> list[Row]:
    done = Counter[str]()
    for report in reports:
        done.update(report["done"])
    return [
        ("operations of clients over HTTP, with faults and kills at random", sum(r["operations"] for r in reports)),
        ("orders in them", sum(report["orders"] for report in reports)),
        *((f"… {name}", count) for name, count in sorted(done.items())),
        ("violations", sum(len(report["violations"]) for report in reports)),
    ]


def kill_rows(reports: list[dict[str, Any]]) -> list[Row]:
    return [
        row
        for report in reports
        for row in (
            (f"releases owed when a worker was killed amid them, {_keys(report)}", report["owed"]),
            ("… in the air at that moment", report["in_the_air"]),
            ("… unknown afterwards", report["unknown"]),
            ("… called twice", report["called_twice"]),
            ("violations", len(report["violations"])),
        )
    ]


def _keys(report: dict[str, Any]) -> str:
    return "keys honoured" if report["keys"] else "keys not honoured"


def table(rows: Sequence[tuple[str, float]]) -> str:
    """The figures as a Markdown table."""
    return "\n| tried | |\n|---|---:|\n" + "".join(f"| {what} | {count:,} |\n" for what, count in rows) + "\n"


def write_figures(page: Path, begin: str, figures: str, end: str) -> None:
    """Put figures between the two marks of a page."""
    text = page.read_text()
    page.write_text(text.partition(begin)[0] + begin + figures + end + text.partition(end)[2])


def main() -> int:
    """Return 1 if anything was violated."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orders_project.settings.test")
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as name, EmbeddedMongo(Path(name) / "mongo") as mongo:
        directory = Path(name)
        with interleavings(mongo.uri, directory) as interleaved:
            crash = crash_test(mongo.uri, directory)
            interleave = interleaved()
        chaos = [run_chaos(mongo.uri, directory / f"chaos-{keys}", keys=keys) for keys in (False, True)]
        kills = [run_worker_kill(mongo.uri, directory / f"kill-{keys}", keys=keys) for keys in (False, True)]
        lost = [run_failover(directory / f"lost-{keys}", keys=keys) for keys in (False, True)]
        model = run_model(directory / "model")
        problems = [str(problem) for report in (crash, *kills) for problem in report["violations"]]
        problems += [tell(report) for report in (*chaos, *lost) if report["violations"]]
        problems += [tell_story(violation) for report in interleave for violation in report["violations"]]
        problems += model.problems
    figures = table([*crash_rows(crash), *interleave_rows(interleave), *chaos_rows(chaos), *kill_rows(kills)])
    of_lost_nodes = table(failover_rows(lost))
    write_figures(PAGE, BEGIN, figures, END)
    write_figures(PAGE, MODEL_BEGIN, model.figures, MODEL_END)
    write_figures(RELIABILITY, LOST_BEGIN, of_lost_nodes, LOST_END)
    sys.stdout.write(f"{figures}{model.figures}{of_lost_nodes}{time.monotonic() - began:.0f} s\n")
    for problem in problems[:20]:
        sys.stdout.write(f"{problem}\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
