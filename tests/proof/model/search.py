"""Have spin search through the model, and tell what it found in plain sentences."""

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.proof.model.configurations import HARMS, REACHED_IT, Configuration

MODEL = Path(__file__).with_name("stock.pml")
MEMORY = 4_000
"""MB that a search may take."""
DEPTH = 1_000_000
"""Steps that it may go deep. A search that is cut off by either has not been one: it raises."""
WHOLE = ("-w", "-DSAFETY", "-DCOLLAPSE", f"-DMEMLIM={MEMORY}")


class SearchError(Exception):
    """The model could not be searched through."""


@dataclass(frozen=True)
class Verdict:
    """What a search found, by the words of `configurations`; None where everything held."""

    configuration: Configuration
    states: int
    transitions: int
    found: str | None

    @property
    def as_it_must(self) -> bool:
        return self.found == self.configuration.finds

    @property
    def problem(self) -> str:
        """What is wrong with it, in words."""
        return f"model, {self.configuration.name}: found: {self.found}; must be: {self.configuration.finds}"


def require_tools() -> None:
    """:raises SearchError: with one line that says what to install."""
    if missing := [name for name in ("spin", "gcc") if not shutil.which(name)]:
        raise SearchError(f"The model needs {' and '.join(missing)}: apt-get install {' '.join(missing)}")


def search(configuration: Configuration, directory: Path, *, shortest: bool = False) -> Verdict:
    """Go through every state that the model can come to.

    :param directory: an empty one, for what spin and gcc leave.
    :param shortest: whether to go on from what breaks until there is no shorter way to it.
    :raises SearchError: a tool is missing, or the search did not come to its end.
    """
    require_tools()
    directory.mkdir(parents=True, exist_ok=True)
    shutil.copy(MODEL, directory)
    _run(directory, "spin", "-a", *_numbers(configuration), MODEL.name)
    # Where states are few, optimising would take longer than searching.
    options = (*WHOLE, "-O1" if configuration.large else "-O0", *(["-DREACH"] if shortest else []))
    _run(directory, "gcc", *options, "-o", "pan", "pan.c")
    told = _run(directory, "./pan", f"-m{DEPTH}", "-n", *(["-i"] if shortest else []))
    return _verdict(configuration, told)


def counterexample(configuration: Configuration, directory: Path) -> list[str]:
    """The shortest way to what breaks, a sentence a step."""
    verdict = search(configuration, directory, shortest=True)
    if verdict.found is None:
        raise SearchError(verdict.problem)
    played = _run(directory, "spin", "-t", *_numbers(configuration), MODEL.name)
    return [_sentence(configuration, int(who), what) for who, what in re.findall(r"\|(\d+)\|(.+)", played)]


def _numbers(configuration: Configuration) -> list[str]:
    return [f"-D{name}={number}" for name, number in configuration.numbers.items()]


def _run(directory: Path, *command: str) -> str:
    done = subprocess.run(command, cwd=directory, check=False, capture_output=True, text=True)
    if done.returncode and "-t" not in command:  # played back, what breaks is an error, too
        raise SearchError(f"{command[0]}: {done.stdout[-500:]}{done.stderr[-1500:]}")
    return done.stdout


def _verdict(configuration: Configuration, told: str) -> Verdict:
    """Read pan's report: it exits with 0 whatever it finds, and whether it came to an end."""
    errors, states, transitions = (
        re.search(pattern, told) for pattern in (r"errors: (\d+)", r"(\d+) states, stored", r"(\d+) transitions")
    )
    cut_off = re.search(r"max search depth too small|out of memory|Search not completed", told)
    if not (errors and states and transitions):
        raise SearchError(told[-2000:])
    failed = re.search(r"pan:\d+: (.+?) \(at depth", told)
    if bool(int(errors[1])) != bool(failed) or (cut_off and not failed):
        raise SearchError(told[-2000:])
    return Verdict(configuration, int(states[1]), int(transitions[1]), _in_words(failed[1]) if failed else None)


def _in_words(failed: str) -> str:
    return next((harm for pattern, harm in HARMS.items() if re.search(pattern, failed)), REACHED_IT)


def _sentence(configuration: Configuration, who: int, what: str) -> str:
    sentence = f"{_name(configuration, who)} {what.strip()}"
    return f"{sentence[0].upper()}{sentence[1:]}."


def _name(configuration: Configuration, who: int) -> str:
    """The process by its number in the model: placements, then requests that cancel, then workers."""
    orders, cancels = configuration.number("ORDERS", 2), configuration.number("CANCELS", 1)
    if who == 0:
        return "inventory"
    if who <= orders:
        return f"the placement of order {who}"
    if who <= orders + cancels:
        return "the request to cancel"
    workers = configuration.number("WORKERS", 1)
    return "the worker" if workers == 1 else f"worker {who - orders - cancels}"
