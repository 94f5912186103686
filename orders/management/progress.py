"""How far a run over many orders is: a bar on a terminal, a line now and then elsewhere."""

import time
from types import TracebackType
from typing import Self, TextIO

from django.core.management.base import OutputWrapper
from tqdm import tqdm

from orders.models import BulkRun, BulkState

REPORT_EVERY = 5.0
"""Seconds between lines."""


class Progress:
    """As a context manager: `show` may be called as often as one likes."""

    def __init__(self, out: OutputWrapper, terminal: TextIO) -> None:
        self._out, self._last = out, time.monotonic()
        self._bar = tqdm(total=0, unit=" orders", file=terminal, dynamic_ncols=True) if terminal.isatty() else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def show(self, run: BulkRun) -> None:
        """Tell how far the run is."""
        if self._bar is not None:
            self._bar.total, self._bar.n = run.total, run.finished
            self._bar.set_description(run.get_state_display(), refresh=False)
            self._bar.set_postfix_str(_trouble(run), refresh=False)
            self._bar.refresh()
        elif time.monotonic() - self._last >= REPORT_EVERY:
            self._last = time.monotonic()
            so_far = f"{run.get_state_display().lower()}: {run.finished} of {run.total} orders"
            self._out.write(so_far + _trouble(run, ", "))
            self._out.flush()


def _trouble(run: BulkRun, before: str = "") -> str:
    told = [f"{count} {name}" for name, count in (("refused", run.refused), ("failed", run.failed)) if count]
    if run.state == BulkState.PAUSED:
        told.append(run.last_error)
    return before + ", ".join(told) if told else ""
