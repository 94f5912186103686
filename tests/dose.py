"""How much of what is tested by volume a run tests: `make proof` the whole, `make test` and `make test-all` a dose."""

import os
from collections.abc import Iterable, Mapping
from typing import TypeVar
from zlib import crc32

T = TypeVar("T")
WHOLE = os.environ.get("DOSE") == "whole"


def dose(cases: Iterable[T], of: int, which: object) -> list[T]:
    """One of so many cases each, `which` decides where to begin: others for each place at which they are tried."""
    return list(cases) if WHOLE else list(cases)[crc32(str(which).encode()) % of :: of]


def chosen(cases: Mapping[str, T], *names: str) -> dict[str, T]:
    """The cases of these names."""
    return {name: case for name, case in cases.items() if WHOLE or name in names}
