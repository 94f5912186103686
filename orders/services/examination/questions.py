"""One question to a peer: put several times, its answers judged."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from integrations import Deadline, PeerError
from integrations.circuit_breakers import breakers
from integrations.watching import watched
from orders.services.examination.findings import Finding, Verdict, beside

CALLS = 5
"""Times that each question is put."""
MOST_FAILURES = 2
"""After so many a question is not put again."""

Judged = tuple[Verdict, str]


@dataclass(frozen=True)
class Question:
    """One thing to ask a peer, in which case, what is expected, and what an answer is worth."""

    peer: str
    call: str
    case: str
    expected: str
    ask: Callable[[Deadline], Any]
    judge: Callable[[Any], Judged]


def put(question: Question) -> Finding:
    """Put one question several times, and judge the answers."""
    seconds: list[float] = []
    judged: list[Judged] = []
    failures: list[str] = []
    with watched() as answers:
        while len(seconds) < CALLS and len(failures) < MOST_FAILURES:
            breakers.forget()
            began = time.monotonic()
            try:
                judged.append(question.judge(question.ask(Deadline.after(settings.REQUEST_DEADLINE))))
            except PeerError as error:
                failures.append(error.detail)
            seconds.append(time.monotonic() - began)
    verdict, told = max(judged, key=lambda each: _WORSE.index(each[0])) if judged else (Verdict.WRONG, "")
    if failures:
        verdict, told = Verdict.WRONG, f"{len(failures)} of {len(seconds)} calls: {failures[-1]}"
    finding = Finding(
        question.peer, question.call, question.case, verdict, told, question.expected, seconds=tuple(seconds)
    )
    return beside(answers, finding)


_WORSE = (Verdict.OK, Verdict.NOTE, Verdict.WRONG)
