"""How far a long command is: a bar on a terminal, a line now and then elsewhere."""

import sys
import time
from typing import NoReturn, Self

from django.core.management.base import OutputWrapper
from tqdm import tqdm

from orders.models import BulkRun, BulkState

REPORT_EVERY = 5.0
"""Seconds between lines of progress where stderr is not a terminal."""

tqdm.monitor_interval = 0  # a thread of its own would watch over bars that do not move


class Progress:
    """Shows what has been done; the bar is on stderr, so that stdout is free for the result.

    :param out: where the lines go where stderr is no terminal.
    :param what: what is being done and to what, e.g. `orders exported`.
    :param total: how many there will be, if that is known.
    """

    def __init__(self, out: OutputWrapper, what: str, total: int | None = None) -> None:
        self.count = 0
        self._out, self._what, self._total = out, what, total
        self._began = self._reported = time.monotonic()
        self._bar: tqdm[NoReturn] | None = None
        if sys.stderr.isatty():
            self._bar = tqdm(total=total, desc=what, unit="", file=sys.stderr, dynamic_ncols=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def __call__(self, more: int) -> None:
        """So many more are done."""
        seconds = max(time.monotonic() - self._began, 0.001)
        self._show(self.count + more, note=f"{(self.count + more) / seconds:.0f} a second")

    def of_run(self, run: BulkRun) -> None:
        """Tell how far a run over many orders is."""
        self._total, notes = run.total, [("refused", run.refused), ("failed", run.failed)]
        trouble = [f"{count} {name}" for name, count in notes if count]
        trouble += [run.last_error] if run.state == BulkState.PAUSED else []
        self._show(run.finished, state=run.get_state_display(), note=", ".join(trouble))

    def _show(self, count: int, *, state: str = "", note: str = "") -> None:
        self.count = count
        if self._bar is not None:
            self._bar.total, self._bar.n = self._total, count
            if state:
                self._bar.set_description(state, refresh=False)
                self._bar.set_postfix_str(note, refresh=False)
            self._bar.refresh()
        elif time.monotonic() - self._reported >= REPORT_EVERY:
            self._reported = time.monotonic()
            of = f" of {self._total}" if self._total is not None else ""
            self._out.write(f"{state.lower()}{state and ': '}{count}{of} {self._what}{note and ', '}{note}")
            self._out.flush()
