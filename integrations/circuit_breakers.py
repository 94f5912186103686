"""Circuit breakers, so that a peer which is down costs nobody a timeout.

A peer has one for each operation, since one may fail while others work: reserves that answer 500 while reads are fine.
It has another for connecting: whether the peer can be reached is the same for all operations, so one of them finds out
for the rest.

`circuitbreaker` counts and keeps the time. It has no lock, and once its time is up lets everybody through until the
first outcome; so this module adds a lock, and the rule that a half-open breaker lets one attempt through at a time.
"""

import contextlib
import os
import threading

from circuitbreaker import STATE_CLOSED, STATE_HALF_OPEN, CircuitBreaker
from django.conf import settings

from observability.metrics import BREAKERS_OPEN

PROBE_WAIT = 1.0  # s; what others are told while one attempt finds out whether the peer is back


class _Fault(Exception):
    """Something that counts against the peer: no connection, no answer, a 5xx."""


CONNECT = "connect"
"""The name of the breaker for connecting, among those of the peer's operations."""


class Breaker:
    """Opens after `threshold` faults in a row, for `recovery` seconds; safe to use from any thread."""

    def __init__(self, peer: str, operation: str, *, threshold: int, recovery: float) -> None:
        self.name = f"{peer}.{operation}"
        self._circuit = CircuitBreaker(threshold, recovery, expected_exception=_Fault, name=self.name)
        self._lock = threading.Lock()
        self._probing = False
        self._shown = False
        self._gauge = BREAKERS_OPEN.labels(peer, operation)

    def admit(self) -> float | None:
        """Return None if the peer may be asked, else the seconds to wait. Whoever may ask must `record` the outcome."""
        with self._lock:
            if self._circuit.opened:
                return float(self._circuit.open_remaining)
            if self._circuit.state == STATE_HALF_OPEN:
                if self._probing:
                    return PROBE_WAIT
                self._probing = True
            return None

    def record(self, fault: bool | None) -> None:
        """Count an attempt as a fault of the peer (True) or as an answer (False); None counts as neither."""
        with self._lock:
            self._probing = False
            if fault is None:
                return
            with contextlib.suppress(_Fault), self._circuit:
                if fault:
                    raise _Fault
            self._show()

    @property
    def state(self) -> str:
        """`closed`, `open` (the peer is left alone) or `half_open` (the next attempt finds out)."""
        with self._lock:
            return str(self._circuit.state)

    def _show(self) -> None:
        """Tell the metrics when it opens or closes: until an attempt has succeeded it counts as open."""
        shown = self._circuit.state != STATE_CLOSED
        if shown != self._shown:
            self._shown = shown
            self._gauge.inc() if shown else self._gauge.dec()


class Breakers:
    """The breakers of this process; each address, and each pair of settings, has its own."""

    def __init__(self) -> None:
        self.start_afresh()

    def start_afresh(self) -> None:
        """Forget all, after a fork: a thread of the parent may hold one of the locks."""
        self._lock = threading.Lock()
        self._made: dict[tuple[str, str, str, int, float], Breaker] = {}

    def of(self, peer: str, operation: str, url: str) -> Breaker:
        """Return the breaker of that operation at that address, by BREAKER_THRESHOLD and BREAKER_RECOVERY (s)."""
        threshold, recovery = settings.BREAKER_THRESHOLD, settings.BREAKER_RECOVERY
        with self._lock:
            made = self._made.get((peer, operation, url, threshold, recovery))
            if made is None:
                made = Breaker(peer, operation, threshold=threshold, recovery=recovery)
                self._made[peer, operation, url, threshold, recovery] = made
            return made

    def states(self) -> dict[str, str]:
        """Return the state of each breaker used under the present settings, by `<peer>.<operation>`."""
        present = (settings.BREAKER_THRESHOLD, settings.BREAKER_RECOVERY)
        with self._lock:
            made = dict(self._made)
        return {
            breaker.name: breaker.state
            for (*_, threshold, recovery), breaker in made.items()
            if (threshold, recovery) == present
        }

    def forget(self) -> None:
        """Close every breaker."""
        with self._lock:
            for breaker in self._made.values():
                breaker.record(False)
            self._made.clear()


breakers = Breakers()
os.register_at_fork(after_in_child=breakers.start_afresh)
