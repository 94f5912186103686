"""How far a long command is: a bar on a terminal, a line now and then elsewhere."""

import sys
import time
from contextlib import ExitStack
from typing import NoReturn, Self

from django.core.management.base import OutputWrapper
from tqdm import tqdm

REPORT_EVERY = 5.0
"""Seconds between lines of progress where there is no terminal."""

tqdm.monitor_interval = 0  # a thread of its own would watch over bars that do not move


class Counting:
    """Counts what has been done, and shows it on stderr, so that stdout is free for the result.

    :param what: what is being done and to what, e.g. `orders exported`.
    :param total: how many there will be, if that is known.
    """

    def __init__(self, stderr: OutputWrapper, what: str, total: int | None = None) -> None:
        self.count = 0
        self._stderr, self._what, self._total = stderr, what, total
        self._began = self._reported = time.monotonic()
        self._stack = ExitStack()
        self._bar: tqdm[NoReturn] | None = None
        if sys.stderr.isatty():
            bar = tqdm(total=total, desc=what, unit="", file=sys.stderr, dynamic_ncols=True)
            self._bar = self._stack.enter_context(bar)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stack.close()

    def __call__(self, more: int) -> None:
        """So many more are done."""
        self.count += more
        if self._bar is not None:
            self._bar.update(more)
        elif (now := time.monotonic()) - self._reported >= REPORT_EVERY:
            self._reported = now
            of = f" of {self._total}" if self._total is not None else ""
            self._stderr.write(f"{self.count}{of} {self._what}, {self.count / (now - self._began):.0f} a second")
