"""Several calls side by side, their results in order."""

import contextvars
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from pytest_django import Settings

from integrations import PeerUnavailable, concurrent_calls, gather

where: contextvars.ContextVar[str] = contextvars.ContextVar("where", default="nowhere")


@pytest.fixture(autouse=True)
def _two_threads(settings: Settings) -> Iterator[None]:
    concurrent_calls.stop_threads()
    settings.PEER_THREADS = 2
    yield
    concurrent_calls.stop_threads()


def after(seconds: float, result: object) -> Callable[[], object]:
    def thunk() -> object:
        time.sleep(seconds)
        return result

    return thunk


def failing(error: BaseException) -> Callable[[], object]:
    def thunk() -> object:
        raise error

    return thunk


def test_nothing_to_do_gives_nothing() -> None:
    assert gather() == []


def test_results_come_in_the_order_of_the_thunks() -> None:
    assert gather(after(0.05, 1), after(0, 2), after(0.02, 3)) == [1, 2, 3]


def test_a_single_call_runs_in_the_calling_thread() -> None:
    assert gather(threading.get_ident) == [threading.get_ident()]


def test_calls_run_at_the_same_time() -> None:
    meeting = threading.Barrier(3, timeout=60)
    assert sorted(gather(*[meeting.wait] * 3)) == [0, 1, 2]


def test_the_caller_takes_over_what_no_thread_has_begun() -> None:
    here, left = threading.get_ident(), threading.Event()
    ran: list[int] = []

    def thunk() -> None:
        if threading.get_ident() != here:
            assert left.wait(60), "the caller does nothing itself"
        ran.append(threading.get_ident())
        if ran.count(here) == 10:
            left.set()

    gather(*[thunk] * 12)
    assert len(ran) == 12
    assert ran.count(here) >= 10, "at most two are with other threads"


def test_an_error_of_a_peer_is_a_result() -> None:
    down = PeerUnavailable("peer", "down")
    assert gather(after(0, 1), failing(down), after(0, 3)) == [1, down, 3]


def test_any_other_error_is_raised_when_all_have_finished() -> None:
    finished: list[int] = []

    def late() -> None:
        time.sleep(0.05)
        finished.append(1)

    with pytest.raises(ZeroDivisionError, match="first"):
        gather(failing(ZeroDivisionError("first")), late, failing(KeyError("second")), late, late)
    assert len(finished) == 3


def test_each_call_sees_the_context_of_the_caller_and_keeps_its_changes_to_itself() -> None:
    def thunk() -> str:
        found = where.get()
        where.set("changed")
        return found

    token = where.set("here")
    try:
        assert gather(*[thunk] * 5) == ["here"] * 5
        assert where.get() == "here"
    finally:
        where.reset(token)


def test_many_callers_at_once_do_not_wait_for_each_other_for_ever() -> None:
    def caller(number: int) -> list[object]:
        return list(gather(*[after(0.001, number)] * 8))

    with ThreadPoolExecutor(20) as callers:
        assert list(callers.map(caller, range(20), timeout=30)) == [[n] * 8 for n in range(20)]


def test_a_call_may_itself_gather() -> None:
    def nested() -> list[object]:
        return list(gather(*[after(0.001, 1)] * 4))

    assert gather(*[nested] * 6) == [[1] * 4] * 6


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")  # Python 3.12
def test_a_forked_process_starts_threads_of_its_own() -> None:
    gather(*[after(0, 1)] * 4)
    child = os.fork()
    if child == 0:  # pragma: no cover - another process
        meeting = threading.Barrier(3, timeout=60)
        os._exit(0 if sorted(gather(*[meeting.wait] * 3)) == [0, 1, 2] else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert gather(*[after(0, 2)] * 4) == [2] * 4


def test_the_threads_can_be_ended_twice() -> None:
    gather(after(0, 1), after(0, 2))
    concurrent_calls.stop_threads()
    concurrent_calls.stop_threads()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("peers")]
