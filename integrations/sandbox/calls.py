"""What the peers were asked, kept in the process's memory for tests and demonstrations to look at."""

import threading
from collections import Counter, deque
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

KEPT = 1000


@dataclass(frozen=True, slots=True)
class Call:
    """One request as it was received, whether or not it was answered; what it did not carry is None."""

    operation: str
    product_id: str | None
    quantity: int | None
    order_id: str | None
    key: str | None
    request_id: str | None
    at: datetime


class Calls:
    """Counts every call and keeps the last `KEPT`; safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._last: deque[Call] = deque(maxlen=KEPT)

    def record(self, call: Call) -> None:
        """Take note of one call."""
        with self._lock:
            self._counts[call.operation] += 1
            self._last.append(call)

    def counts(self) -> dict[str, int]:
        """Return how many requests each operation has received; an operation never asked for is missing."""
        with self._lock:
            return dict(self._counts)

    def last(self, operation: str | None = None) -> list[dict[str, Any]]:
        """Return the calls that are kept, oldest first, of one operation or of all."""
        with self._lock:
            kept = list(self._last)
        return [asdict(call) for call in kept if operation in (None, call.operation)]

    def clear(self) -> None:
        """Forget counts and calls."""
        with self._lock:
            self._counts.clear()
            self._last.clear()
