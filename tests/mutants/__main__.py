"""`make mutants`: plant single mutations, run the tests that run the mutated line, and say which mutations lived."""

import argparse
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue

from devtools.embedded_mongo import EmbeddedMongo
from tests.mutants.mutations import Mutation, mutations_of
from tests.traced import RULES

ROOT = Path(__file__).parents[2]
JUDGED = ("orders/services", "orders/storage", "integrations")
LEFT_OUT = ("integrations/sandbox", "integrations/contract")
DATA = ROOT / ".data" / "mutants"
PATIENCE, EACH = 120, 20
"""Seconds for the tests of one mutation, and for each: a mutation that makes one hang is noticed."""
ENOUGH = 300
"""So many tests are run for a mutation, those that run the fewest lines of the product first."""
ENDS = {0: "LIVED", 1: "noticed", 2: "noticed", 3: "noticed", 4: "noticed"}
"""By pytest's exit code; 2 to 4 is a module that can no longer be imported."""
Covering = dict[tuple[str, int], list[str]]


def main() -> int:
    asked = arguments()
    mutations = [mutation for path in files(asked.paths) for mutation in mutations_of(path)]
    random.Random(asked.seed).shuffle(mutations)
    if asked.list:
        for mutation in sorted(mutations):
            say(mutation.told(mutation.path.read_bytes()))
        return 0
    covering = covered_lines(afresh=asked.afresh)
    sample = mutations[: asked.count]
    say(f"{len(mutations):,} mutations are possible, {len(sample)} are planted (seed {asked.seed})")
    counts: dict[str, int] = defaultdict(int)
    for mutation, end, seconds, number in judged(sample, covering, asked):
        counts[end] += 1
        if end != "noticed" or asked.verbose:
            told = mutation.told(mutation.path.read_bytes())
            say(f"{end:9} {told} ({number} tests, {seconds:.0f} s)")
    say(", ".join(f"{counts[end]} {end}" for end in ("noticed", "LIVED", "untested", "unclear")))
    return 0


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("paths", nargs="*", type=Path, help=f"files or folders to mutate (all of {', '.join(JUDGED)})")
    parser.add_argument("--count", type=int, default=40, help="how many mutations at most (40)")
    parser.add_argument("--minutes", type=float, default=30, help="begin no mutation after so many minutes (30)")
    parser.add_argument("--seed", type=int, default=1, help="which of them: another number plants others (1)")
    parser.add_argument("--workers", type=int, default=2, help="mutations at a time, each with a mongod of its own (2)")
    parser.add_argument("--afresh", action="store_true", help="find out again which test runs which line")
    parser.add_argument("--list", action="store_true", help="print every mutation there is and plant none")
    parser.add_argument("--verbose", action="store_true", help="print those too that were noticed")
    return parser.parse_args()


def files(paths: list[Path]) -> Iterator[Path]:
    """The files to mutate, relative to the root."""
    for path in paths or map(Path, JUDGED):
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            if not any(file.is_relative_to(tools) for tools in LEFT_OUT):
                yield file


def covered_lines(*, afresh: bool) -> Covering:
    """Which tests run which line: by one run of them with coverage's contexts, kept in DATA until asked for afresh."""
    database = DATA / "coverage"
    if afresh or not database.exists():
        say(f"Running {' '.join(RULES)} to find out which test runs which line ...")
        shutil.rmtree(DATA, ignore_errors=True)
        DATA.mkdir(parents=True)
        command = ["-n", "2", "--dist", "loadfile", "-q", "--cov", "--cov-context=test", "--cov-report=", *RULES]
        environment = os.environ | {"COVERAGE_FILE": str(database)}
        if subprocess.run(
            [sys.executable, "-m", "pytest", *command], cwd=ROOT, env=environment, check=False
        ).returncode:
            shutil.rmtree(DATA)
            sys.exit("Tests fail without any fault planted: they would tell nothing.")
    covering: dict[tuple[str, int], set[str]] = defaultdict(set)
    known = collected()
    with sqlite3.connect(database) as kept:
        arcs = kept.execute(
            "SELECT DISTINCT path, context, abs(tono) FROM arc JOIN file ON file.id = file_id"
            " JOIN context ON context.id = context_id WHERE context != ''"
        )
        for path, context, line in arcs:
            if (test := context.rpartition("|")[0]) in known:
                covering[str(Path(path).relative_to(ROOT)), line].add(test)
    lines = Counter(test for tests in covering.values() for test in tests)
    return {where: sorted(tests, key=lambda test: (lines[test], test)) for where, tests in covering.items()}


def collected() -> set[str]:
    """The tests that there are now, by the names that pytest takes."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", *RULES]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return {line for line in listed.stdout.splitlines() if "::" in line}


def judged(
    sample: list[Mutation], covering: Covering, asked: argparse.Namespace
) -> Iterator[tuple[Mutation, str, float, int]]:
    """Plant each mutation in a copy of the project; yield how it ended, after how many seconds of how many tests."""
    until = time.monotonic() + 60 * asked.minutes
    with tempfile.TemporaryDirectory() as folder:
        benches: Queue[tuple[Path, str]] = Queue()
        mongos = [EmbeddedMongo(Path(folder) / f"mongo{number}").start() for number in range(asked.workers)]
        try:
            for number, mongo in enumerate(mongos):
                benches.put((copied(Path(folder) / f"copy{number}"), mongo.uri))

            def judge(mutation: Mutation) -> tuple[Mutation, str, float, int] | None:
                if time.monotonic() > until:
                    return None
                tests = tests_of(mutation, covering)
                if not tests:
                    return mutation, "untested", 0.0, 0
                bench = benches.get()
                began = time.monotonic()
                try:
                    return mutation, tried(mutation, tests, *bench), time.monotonic() - began, len(tests)
                finally:
                    benches.put(bench)

            with ThreadPoolExecutor(asked.workers) as threads:
                yield from filter(None, threads.map(judge, sample))
        finally:
            for mongo in mongos:
                mongo.stop()


def copied(to: Path) -> Path:
    """A copy of what git knows of, as it stands in the working tree."""
    command = ["/usr/bin/env", "git", "ls-files", "-co", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name)
    return to


def tests_of(mutation: Mutation, covering: Covering) -> list[str]:
    """The tests that run the line; those of a module's own constants are the tests that run anything of the module."""
    path = str(mutation.path)
    tests = covering.get((path, mutation.line))
    if not tests:
        tests = [test for (of, _), some in covering.items() if of == path for test in some]
    return list(dict.fromkeys(tests))[:ENOUGH]


def tried(mutation: Mutation, tests: list[str], copy: Path, mongo_uri: str) -> str:
    """Run the tests with the mutation in place, until the first fails.

    :returns: noticed, LIVED or, for want of time, unclear.
    """
    planted = copy / mutation.path
    source = planted.read_bytes()
    listed = copy / "mutant-tests"
    listed.write_text("\n".join(tests))
    planted.write_bytes(mutation.applied(source))
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--no-header", "-p", "no:cacheprovider"]
    command += [f"--timeout={EACH}", f"@{listed}"]
    environment = os.environ | {"TEST_MONGODB_URI": mongo_uri, "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        run = subprocess.run(
            command, cwd=copy, env=environment, timeout=PATIENCE, check=False,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return "unclear"
    finally:
        planted.write_bytes(source)
    return ENDS[run.returncode]


if __name__ == "__main__":
    sys.exit(main())
