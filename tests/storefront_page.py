"""docs/storefront.md: its table of codes, and its recipes as they stand."""

import re
from typing import NamedTuple

from devtools.localhost import ROOT

PAGE = (ROOT / "docs" / "storefront.md").read_text()
CODE = re.compile(r"`([a-z_]+)`")


class Row(NamedTuple):
    """One code of the table; `repeated` says whether the same request is to be sent again."""

    code: str
    statuses: tuple[int, ...]
    repeated: bool


def rows() -> list[Row]:
    [table] = re.findall(r"(?m)^\| code \| status .*\n\|[-|]+\n((?:\|.*\n)+)", PAGE)
    found = []
    for line in table.splitlines():
        codes, statuses, _means, again, _after = (cell.strip() for cell in line.strip("|").split(" |"))
        verdict = re.match(r"(yes|no)\b", again)
        assert verdict, line
        numbers = tuple(int(status) for status in statuses.split(", "))
        found += [Row(code, numbers, verdict[1] == "yes") for code in CODE.findall(codes)]
    return found


def recipe(language: str) -> str:
    """The one code block of this language."""
    [block] = re.findall(rf"(?ms)^```{language}\n(.*?)^```$", PAGE)
    return str(block)
