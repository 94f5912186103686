"""How a command that takes long is told to stop."""

import signal
import threading


def stop_when_told() -> threading.Event:
    """Return an event that SIGTERM and SIGINT (Ctrl-C) set from now on, instead of ending the process at once."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop
