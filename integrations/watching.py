"""Watching what peers answer to a piece of code, and hanging up on them amid a call: for examining the peers."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import NoReturn

from integrations.answer import Answer

_watched: ContextVar[list[Answer] | None] = ContextVar("watched", default=None)
_patience: ContextVar[float | None] = ContextVar("patience", default=None)


@contextmanager
def watched() -> Iterator[list[Answer]]:
    """Collect every complete answer within the block, whatever is made of it, in the order of arrival."""
    answers: list[Answer] = []
    outer = _watched.set(answers)
    try:
        yield answers
    finally:
        _watched.reset(outer)


def noted(answer: Answer) -> Answer:
    """Show an answer to whoever watches, and return it."""
    if (answers := _watched.get()) is not None:
        answers.append(answer)
    return answer


@contextmanager
def hanging_up(patience: float) -> Iterator[None]:
    """Within the block, hang up on every peer once its answer begins, or after `patience` seconds without one."""
    outer = _patience.set(patience)
    try:
        yield
    finally:
        _patience.reset(outer)


def hang_up_if_told(connection: socket.socket) -> None:
    """To be called between sending a request and reading its answer.

    :raises ConnectionAbortedError: the connection is to be closed, its answer unread.
    """
    if (patience := _patience.get()) is not None:
        _hang_up(connection, patience)


def _hang_up(connection: socket.socket, patience: float) -> NoReturn:
    connection.settimeout(patience)
    with suppress(OSError):
        connection.recv(1)  # over TLS, not before the answer itself begins: session tickets are no answer
    raise ConnectionAbortedError("hung up on purpose")
