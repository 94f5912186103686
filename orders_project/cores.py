"""How many processors this process may use."""

import math
import os
from contextlib import suppress
from pathlib import Path

QUOTA = Path("/sys/fs/cgroup/cpu.max")
"""What a container may use (cgroup v2): microseconds in each period, or "max", and the period."""


def cores(quota: Path = QUOTA) -> int:
    """Return the processors that we may run on, or fewer where a container's quota allows for less; at least 1."""
    affinity = getattr(os, "sched_getaffinity", None)
    found = len(affinity(0)) if affinity else os.cpu_count() or 1
    with suppress(OSError, ValueError):
        allowed, period = quota.read_text().split()
        found = min(found, math.ceil(int(allowed) / int(period)))
    return max(1, found)
