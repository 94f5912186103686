"""Make several calls at once, on the threads of this process."""

import contextvars
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.conf import settings

from integrations.peer_errors import PeerError

T = TypeVar("T")


class _Threads:
    """The threads of this process (settings.PEER_THREADS at most), started when first needed."""

    def __init__(self) -> None:
        self.start_afresh()

    def start_afresh(self) -> None:
        """Forget all, after a fork: threads are not copied."""
        self._lock = threading.Lock()
        self._executor: ThreadPoolExecutor | None = None

    def executor(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._executor is None:
                self._executor = ThreadPoolExecutor(settings.PEER_THREADS, thread_name_prefix="peers")
            return self._executor

    def stop(self) -> None:
        with self._lock:
            executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown()


_threads = _Threads()
os.register_at_fork(after_in_child=_threads.start_afresh)


def stop_threads() -> None:
    """End the threads once they have finished what they are doing; the next `gather` starts new ones. For tests."""
    _threads.stop()


def gather(*thunks: Callable[[], T]) -> list[T | PeerError]:
    """Call all `thunks` at once and return their results in order; a PeerError is returned, not raised.

    The calling thread runs one of them, and then every other that no thread has started yet: a single call needs no
    change of threads, and callers never wait for each other in a circle, not even from within a thunk. Each thunk runs
    in a copy of the caller's context variables.

    :raises Exception: any other exception of a thunk (the first in order), after all have finished.
    """
    contexts = [contextvars.copy_context() for _ in thunks]
    waiting = [
        _threads.executor().submit(context.run, _outcome, thunk)
        for context, thunk in zip(contexts[1:], thunks[1:], strict=True)
    ]
    mine = {0: contexts[0].run(_outcome, thunks[0])} if thunks else {}
    for place, future in enumerate(waiting, start=1):
        if future.cancel():
            mine[place] = contexts[place].run(_outcome, thunks[place])
    outcomes = [mine[place] if place in mine else waiting[place - 1].result() for place in range(len(thunks))]
    return [_returned(outcome) for outcome in outcomes]


class _Raised:
    """What a thunk raised, told apart from what it returned."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


def _outcome(thunk: Callable[[], T]) -> T | _Raised:
    try:
        return thunk()
    except BaseException as error:  # raised again by gather
        return _Raised(error)


def _returned(outcome: T | _Raised) -> T | PeerError:
    if not isinstance(outcome, _Raised):
        return outcome
    if isinstance(outcome.error, PeerError):
        return outcome.error
    raise outcome.error
