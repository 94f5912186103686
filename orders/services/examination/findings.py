"""What an examination of the peers finds: one finding for each question that was put to them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from statistics import median

from django.conf import settings

from integrations.answer import Answer, Unexpected, one_line

PUBLISHED = {
    "verify": "`valid`: true or false; `full_name` and `email`: text, optional",
    "product": "`_id`: its id; `price`: above 0; `name`, `sku`, `image_url` and `currency`: text, optional",
    "check": "`available`: true or false; `current_quantity`: integer",
    "stock": "`available_quantity` and `reserved_quantity`: integers",
    "reserve": "`reserved`: true; `quantity`: as asked for",
    "release": "`released`: true; `quantity`: at most what was asked for",
}
"""The members of the published services' answers."""
PUBLISHED_BACKENDS = "integrations.published."
BACKENDS = {"verify": "USER_BACKEND", "product": "PRODUCT_BACKEND"}
"""The setting that says of what shape an answer is; of other calls INVENTORY_BACKEND."""
MOST_MEMBERS = 12
"""Members of an answer that are named."""


class Verdict(StrEnum):
    OK = "ok"
    NOTE = "note"
    """It will do, and is worth knowing."""
    WRONG = "wrong"
    OPEN = "open"
    """It could not be found out."""
    SKIPPED = "skipped"
    """It was not asked for, or cannot be without more to go by."""


@dataclass(frozen=True)
class Finding:
    """What became of one question.

    :ivar call: of the peer: `verify`, `product`, `check`, `stock`; for what is tried with stock, `reserve`, `release`.
    :ivar fact: the answer to a question of yes or no; None where it was not found out.
    :ivar statuses: HTTP statuses that came, each once; none where the answers were not seen.
    :ivar seconds: how long each call took.
    :ivar came: the members of the last answer and their kinds, where it is not what was expected.
    """

    peer: str
    call: str
    case: str
    verdict: Verdict
    found: str
    expected: str = ""
    fact: bool | None = None
    statuses: tuple[int, ...] = ()
    seconds: tuple[float, ...] = ()
    came: str = ""

    @property
    def median_ms(self) -> float | None:
        return round(1000 * median(self.seconds), 1) if self.seconds else None

    @property
    def slowest_ms(self) -> float | None:
        return round(1000 * max(self.seconds), 1) if self.seconds else None


def beside(answers: Sequence[Answer], finding: Finding) -> Finding:
    """A finding with the statuses of the answers that it is about.

    Where it is wrong, also with what should have come, down to the members where the peer is asked as the published one
    is, and what came.
    """
    statuses = tuple(dict.fromkeys(answer.status for answer in answers))
    if not answers or finding.verdict is not Verdict.WRONG:
        return replace(finding, statuses=statuses)
    backend = getattr(settings, BACKENDS.get(finding.call, "INVENTORY_BACKEND"))
    members = f": {PUBLISHED[finding.call]}" if backend.startswith(PUBLISHED_BACKENDS) else ""
    expected = f"{finding.expected}{members}"
    return replace(finding, statuses=statuses, expected=expected, came=shape(answers[-1]))


def exit_code(findings: Iterable[Finding]) -> int:
    """1 if something is wrong, 2 if something could not be found out, 0 if all is as expected."""
    verdicts = {finding.verdict for finding in findings}
    if Verdict.WRONG in verdicts:
        return 1
    return 2 if Verdict.OPEN in verdicts else 0


def shape(answer: Answer) -> str:
    """The members of an answer and their kinds, without their values, which may be about a person."""
    try:
        body = answer.json_object()
    except Unexpected as error:
        return f"{len(answer.body)} bytes; it {error}"
    named = [f"{one_line(name)}: {_kind(value)}" for name, value in list(body.items())[:MOST_MEMBERS]]
    more = [f"and {len(body) - MOST_MEMBERS} more"] if len(body) > MOST_MEMBERS else []
    return "{" + ", ".join([*named, *more]) + "}"


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    kinds = {str: "text", int: "integer", list: "list", dict: "object", type(None): "null"}
    return kinds.get(type(value), "number")
