"""What the peers do wrong, and when: faults are told over the control and kept in the process's memory."""

import math
import random
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from integrations.sandbox.http_messages import BadControlError, Response

OPERATIONS = ("verify", "product", "check", "reserve", "release", "stock")

# What each kind needs, and what it may have besides.
_OPTIONS: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    "latency": (frozenset({"seconds"}), frozenset()),
    "status": (frozenset({"status"}), frozenset({"retry_after"})),
    "drop_before": (frozenset(), frozenset()),
    "drop_after": (frozenset(), frozenset()),
    "stall_inside": (frozenset({"seconds"}), frozenset()),
    "stall_before": (frozenset({"seconds"}), frozenset()),
    "stall_after": (frozenset({"seconds"}), frozenset()),
    "garbage": (frozenset(), frozenset()),
    "wrong": (frozenset(), frozenset()),
}
KINDS = tuple(_OPTIONS)


@dataclass(frozen=True, slots=True)
class Fault:
    """One way in which one operation (or `*`, all) goes wrong.

    `seconds` is for latency and stalls; `status` and `retry_after` (seconds) for kind "status". `times` is
    how often it strikes (None: until cleared), `probability` whether, `product_id` for which product only.

    :raises BadControlError: if a value is missing, out of range or means nothing to the kind.
    """

    operation: str
    kind: str
    seconds: float | None = None
    status: int | None = None
    retry_after: int | None = None
    times: int | None = None
    probability: float = 1.0
    product_id: str | None = None

    def __post_init__(self) -> None:
        _one_of("operation", self.operation, (*OPERATIONS, "*"))
        _one_of("kind", self.kind, KINDS)
        self._check_options()
        _within("seconds", self.seconds, 0, 3600)
        _within("status", self.status, 200, 599, whole=True)
        _within("retry_after", self.retry_after, 0, 86400, whole=True)
        _within("times", self.times, 1, 2**31, whole=True)
        _within("probability", self.probability, 0, 1)
        if self.product_id is not None and not isinstance(self.product_id, str):
            raise BadControlError("product_id must be a string")

    def _check_options(self) -> None:
        required, optional = _OPTIONS[self.kind]
        given = {name for name in ("seconds", "status", "retry_after") if getattr(self, name) is not None}
        if missing := required - given:
            raise BadControlError(f"kind {self.kind} needs {', '.join(sorted(missing))}")
        if strange := given - required - optional:
            raise BadControlError(f"kind {self.kind} takes no {', '.join(sorted(strange))}")
        if self.probability is None:
            raise BadControlError("probability must be a number from 0 to 1")

    def concerns(self, operation: str, product_id: str | None) -> bool:
        """Tell whether a call of this operation for this product (None: it names none) is meant."""
        return self.operation in ("*", operation) and self.product_id in (None, product_id)


class Faults:
    """The faults that are set, in the order in which they were; safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._set: list[tuple[Fault, int | None]] = []
        self._random = random.Random()  # noqa: S311 - chooses which call fails, nothing secret

    def add(self, fault: Fault) -> None:
        """Set one more fault."""
        with self._lock:
            self._set.append((fault, fault.times))

    def clear(self) -> None:
        """Take back every fault."""
        with self._lock:
            self._set.clear()

    def seed(self, seed: int | None) -> None:
        """Make the choices by `probability` repeatable from here on; None makes them unpredictable again."""
        with self._lock:
            self._random.seed(seed)

    def listed(self) -> list[dict[str, Any]]:
        """Return what is set, each with `left`: how often it will strike yet (None: until cleared)."""
        with self._lock:
            return [asdict(fault) | {"left": left} for fault, left in self._set]

    def take(self, operation: str, product_id: str | None) -> list[Fault]:
        """Return what strikes this call, and count it off: every fitting latency, the first other fault."""
        if not self._set:  # the common case takes no lock
            return []
        struck: list[Fault] = []
        with self._lock:
            kept: list[tuple[Fault, int | None]] = []
            decided = False
            for fault, left in self._set:
                late = fault.kind == "latency"
                fits = fault.concerns(operation, product_id) and (late or not decided)
                if fits and self._random.random() < fault.probability:
                    struck.append(fault)
                    decided = decided or not late
                    left = None if left is None else left - 1
                if left != 0:
                    kept.append((fault, left))
            self._set = kept
        return struck


def suffer(faults: list[Fault], act: Callable[[float], Response], stopping: threading.Event) -> Response | None:
    """Answer a call that `faults` strike; None means: close the connection without an answer.

    `act` does what was asked, pausing so many seconds amid it, and is called at most once. Once `stopping` is set,
    sleep ends, unanswered.
    """
    for fault in faults:
        if fault.kind == "latency" and stopping.wait(fault.seconds):
            return None
    decisive = next((fault for fault in faults if fault.kind != "latency"), None)
    return act(0.0) if decisive is None else _decide(decisive, act, stopping)


def _decide(fault: Fault, act: Callable[[float], Response], stopping: threading.Event) -> Response | None:
    if fault.kind == "status":
        return _refusal(fault)
    if fault.kind == "stall_inside":
        return act(fault.seconds or 0.0)
    if fault.kind.endswith("_after") or fault.kind in ("garbage", "wrong"):
        act(0.0)
    if fault.kind.startswith("stall"):
        stopping.wait(fault.seconds)
    if fault.kind == "garbage":
        return Response(200, b"<html>upstream \xff said {no")
    if fault.kind == "wrong":
        return Response(200, {"status": "success", "data": [{"item": None}]})
    return None


def _refusal(fault: Fault) -> Response:
    status = fault.status or 500
    headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
    return Response(status, {"detail": f"The sandbox was told to answer {status}"}, headers)


def _one_of(name: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise BadControlError(f"{name} must be one of {', '.join(choices)}, not {value!r}")


def _within(name: str, value: object, low: int, high: int, *, whole: bool = False) -> None:
    if value is None:
        return
    kind = "a whole number" if whole else "a number"
    known = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
    if not known or not low <= value <= high or math.isnan(value):  # type: ignore[operator, arg-type]
        raise BadControlError(f"{name} must be {kind} from {low} to {high}, not {value!r}")
