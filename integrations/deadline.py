"""How much time is left: one fixed moment, passed down through every call that a request makes."""

import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment on this machine's monotonic clock, in seconds; it means nothing to another process."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> "Deadline":
        """Return the deadline that many seconds from now."""
        return cls(time.monotonic() + seconds)

    def remaining(self) -> float:
        """Return the seconds that are left, never less than 0."""
        return max(0.0, self.at - time.monotonic())

    @property
    def expired(self) -> bool:
        """Tell whether nothing is left."""
        return self.remaining() == 0

    def sooner(self, seconds: float) -> "Deadline":
        """Return this deadline, or the one that many seconds from now if that comes first."""
        return Deadline(min(self.at, time.monotonic() + seconds))
