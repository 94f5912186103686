"""What was measured, as rules that hold or not, and as the tables of docs/performance.md."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devtools.localhost import ROOT
from tests.bench.stage import NAMES

PAGE = ROOT / "docs" / "performance.md"


@dataclass(frozen=True)
class Rule:
    """A figure, and what it must be."""

    about: str
    value: float
    least: float | None = None
    most: float | None = None

    @property
    def holds(self) -> bool:
        return (self.least is None or self.value >= self.least) and (self.most is None or self.value <= self.most)

    @property
    def wanted(self) -> str:
        return f"≥ {self.least:g}" if self.least is not None else f"≤ {self.most:g}"


def ratios(some: Sequence[float], others: Sequence[float]) -> list[float]:
    """The ratio of each round: of one round, what disturbs the machine has disturbed both alike."""
    return [one / other for one, other in zip(some, others, strict=True)]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table whose columns but the first are figures."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def rules_table(rules: Iterable[Rule]) -> str:
    told = ([rule.about, f"{rule.value:.2f}", rule.wanted, "yes" if rule.holds else "**no**"] for rule in rules)
    return table(["", "found", "wanted", "holds"], told)


def ratios_table(found: Mapping[tuple[str, int], Mapping[str, Any]]) -> str:
    """Of each work: this service's rate beside those of the others, and the processor time of a request."""
    rows = []
    for (work, connections), by_server in found.items():
        own = by_server["service"]
        beside = [_ratio(own, by_server.get(name)) for name in ("floor", "bare client", "fastapi", "drf")]
        spread = max(own.spread(other) for other in by_server.values() if other is not own)
        cpu = f"{_median(own.cpu):.2f}"
        compared = (by_server.get(name) for name in ("floor", "fastapi", "drf"))
        others = [f"{_median(other.cpu):.2f}" if other else "" for other in compared]
        rows.append([work, str(connections), *beside, f"{spread:.0%}", cpu, *others])
    head = ["work", "connections", "× floor", "× bare client", "× FastAPI", "× DRF", "spread"]
    return table([*head, "CPU ms", "floor", "FastAPI", "DRF"], rows)


def chart(found: Mapping[tuple[str, int], Mapping[str, Any]], works: Sequence[str], connections: int) -> str:
    """Requests a second beside this service's, of a few works."""
    told = ""
    for work in works:
        row = found.get((work, connections))
        if row is None:
            continue
        own = row["service"]
        names = ", ".join(f'"{NAMES.get(name, name)}"' for name in row)
        bars = ", ".join(f"{figures.beside(own):.2f}" for figures in row.values())
        title = f'title "{work}: requests a second, this service = 1"'
        told += f"```mermaid\nxychart-beta horizontal\n    {title}\n    x-axis [{names}]\n    bar [{bars}]\n```\n\n"
    return told


def write(section: str, text: str, page: Path = PAGE) -> None:
    """Put a section's figures between its marks."""
    begin, end = f"<!-- {section} -->\n", f"<!-- end of {section} -->"
    before, _, rest = page.read_text().partition(begin)
    _, _, after = rest.partition(end)
    page.write_text(f"{before}{begin}\n{text.strip()}\n\n{end}{after}")


def _ratio(own: Any, other: Any) -> str:
    return f"{own.beside(other):.2f}" if other is not None else ""


def _median(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2] if values else 0.0
