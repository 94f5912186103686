"""Interleaved runs: several actors at the same few orders, and hypothesis decides at every step who goes next.

Where inventory is atomic, half as many operations again are about the feed of events, and who tells and delivers it.

`python -m tests.proof.interleave --operations 5000 --seed 1 --report interleave.json` searches for a violation, on the
database that the settings name.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import django
from django.core.management import call_command

from tests.proof.inventories import Inventory


def main() -> int:
    """Return 1 if anything was violated."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--operations", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--inventory", type=Inventory, default=Inventory.ATOMIC)
    parser.add_argument("--report", type=Path, required=True)
    given = parser.parse_args()
    began = time.monotonic()
    django.setup()
    from tests.proof.interleave_arena import search  # it needs Django's models

    call_command("migrate", verbosity=0)
    report = search(given.operations, given.seed, given.inventory)
    if given.inventory is Inventory.ATOMIC:
        followed = search(given.operations // 2, given.seed, given.inventory, followed=True)
        report["violations"] += followed.pop("violations")
        report["followed"] = followed
    report["seconds"] = round(time.monotonic() - began, 1)
    given.report.write_text(json.dumps(report, indent=1))
    sys.stdout.write(json.dumps(report | {"violations": len(report["violations"])}) + "\n")
    for violation in report["violations"]:
        sys.stdout.write(tell(violation) + "\n")
    return 1 if report["violations"] else 0


def tell(violation: dict[str, Any]) -> str:
    """A violation and its story, for people."""
    wrong = [f"VIOLATED: {problem}" for problem in violation["violations"]]
    return "\n".join([f"interleaved run of seed {violation['seed']}:", *violation["story"], *wrong])


if __name__ == "__main__":
    sys.exit(main())
