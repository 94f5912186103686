"""Who may answer requests right now, and whether they had better be answered side by side."""

import time
from collections.abc import Callable

MEASURED = 0.1
"""Seconds of answering after which it is seen how much of them was waiting."""
WORKING = 0.45
"""The least share of its time that a read must compute for others to wait for it: less, and the processor is idle."""
PAUSE = 2.0
"""Seconds for which reads are answered side by side until it is seen again whether they wait."""


class Hold:
    """The turn for as long as one request has it: until it is over, or passed on before that."""

    def __init__(self) -> None:
        self._lasts = [True]
        self._began, self._worked = time.monotonic(), time.thread_time()

    def end(self) -> bool:
        """End it. :returns: False if it was ended before; of two threads one is told True."""
        try:
            return self._lasts.pop()
        except IndexError:
            return False

    def cost(self) -> tuple[float, float]:
        """Seconds since it began, and those of them that its thread, which is ours, has computed."""
        return time.monotonic() - self._began, time.thread_time() - self._worked


class Pace:
    """Finds out whether requests that are answered one by one leave the processor idle while others wait.

    One by one is quicker where requests compute: threads do not get in each other's way. Where they mostly wait, for a
    database that is far away or slow, it would leave all threads but one without use.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until = 0.0
        self._began, self._took, self._worked = clock(), 0.0, 0.0

    def side_by_side(self) -> bool:
        """Whether reads are to be answered at the same time, for now."""
        return self._until > 0 and self._clock() < self._until

    def count(self, took: float, worked: float) -> None:
        """Take into account how long a request had the turn, and how much of that it computed, in seconds."""
        self._took += took
        self._worked += worked
        if self._took < MEASURED:
            return
        others_wait = self._took > (self._clock() - self._began) / 2
        idle = self._worked < WORKING * self._took
        self._until = self._clock() + PAUSE if others_wait and idle else 0.0
        self._began, self._took, self._worked = max(self._until, self._clock()), 0.0, 0.0
