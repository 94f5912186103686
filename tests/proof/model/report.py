"""Every configuration of the model, searched through, and what docs/proof.md says of it.

`python -m tests.proof.model.report` does that alone, and prints it.
"""

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.proof.model.configurations import BEYOND, MUTATIONS, PAUSED, REACHED, SOUND, Configuration
from tests.proof.model.search import Verdict, counterexample, search

PARTS = {
    "everything holds": SOUND,
    "beyond what is promised": BEYOND,
    "one safeguard taken out": MUTATIONS,
    "states that the search must come through": REACHED,
}


@dataclass(frozen=True)
class Report:
    """What the searches found, by part, and the shortest way in which a paused process does harm."""

    verdicts: dict[str, list[Verdict]]
    story: list[str]

    @property
    def problems(self) -> list[str]:
        return [verdict.problem for part in self.verdicts.values() for verdict in part if not verdict.as_it_must]

    @property
    def figures(self) -> str:
        """The table and the counterexample, as Markdown."""
        parts = "".join(_part(name, verdicts) for name, verdicts in self.verdicts.items())
        steps = "".join(f"{number}. {sentence}\n" for number, sentence in enumerate(self.story, 1))
        return f"\n{HEAD}{parts}\n{PAUSED_TITLE}\n\n{steps}\n"


HEAD = "| searched through | states | transitions | found |\n|---|---:|---:|---|\n"
PAUSED_TITLE = "The shortest way in which a paused process does harm, as the model tells it:"


def _part(name: str, verdicts: Sequence[Verdict]) -> str:
    rows = (
        f"| {v.configuration.name} | {v.states:,} | {v.transitions:,} | {v.found or '0 errors'} |\n" for v in verdicts
    )
    return f"| **{name}** | | | |\n{''.join(rows)}"


def run_model(directory: Path) -> Report:
    """Search through all configurations.

    :raises SearchError: spin or gcc is missing, or a search did not come to its end.
    """

    def searched(configurations: Sequence[Configuration], part: int) -> list[Verdict]:
        return [search(one, directory / f"{part}-{number}") for number, one in enumerate(configurations)]

    verdicts = {name: searched(configurations, part) for part, (name, configurations) in enumerate(PARTS.items())}
    return Report(verdicts, counterexample(PAUSED, directory / "paused"))


def main() -> int:
    """Return 1 if anything came out otherwise than it must."""
    with tempfile.TemporaryDirectory() as name:
        report = run_model(Path(name))
    sys.stdout.write(report.figures)
    for problem in report.problems:
        sys.stdout.write(f"{problem}\n")
    return 1 if report.problems else 0


if __name__ == "__main__":
    sys.exit(main())
