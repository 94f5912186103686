"""What settings follow from an examination, beside what they are now."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from django.conf import settings

from integrations import users
from orders.services.examination.findings import Finding, Verdict
from orders.services.examination.stock_trials import KEYS, SIMULTANEOUS

READS = ("verify", "product", "check", "stock")
MARGIN = 2
"""Times the slowest call that was seen: what a time limit should allow at least."""


@dataclass(frozen=True)
class Suggestion:
    """One setting; `suggested` is None where nothing follows."""

    setting: str
    now: bool | float
    suggested: bool | float | None
    because: str


def suggestions(findings: Sequence[Finding], *, slowest_write: float | None = None) -> list[Suggestion]:
    """What follows from these findings.

    :param slowest_write: seconds; None if no reserve or release was tried.
    """
    reads = max((max(each.seconds) for each in findings if each.call in READS and each.seconds), default=None)
    return [
        _atomic(findings),
        _keys(findings),
        _limit("INVENTORY_WRITE_TIMEOUT", "reserve or release", slowest_write),
        _limit("PEER_READ_TIMEOUT", "read", reads),
        _unverified(findings),
    ]


def _atomic(findings: Sequence[Finding]) -> Suggestion:
    tried = [each for each in findings if each.case == SIMULTANEOUS and each.verdict is not Verdict.SKIPPED]
    suggested, because = None, "not tried: --product ID --write"
    if tried:
        suggested, because = (False if tried[0].fact is False else None), tried[0].found
    return Suggestion("INVENTORY_IS_ATOMIC", settings.INVENTORY_IS_ATOMIC, suggested, because)


def _keys(findings: Sequence[Finding]) -> Suggestion:
    tried = [each for each in findings if each.case in KEYS]
    facts = [each.fact for each in tried]
    suggested, because = None, "not tried: --product ID --write"
    if False in facts:
        suggested, because = False, next(f"{each.case}: {each.found}" for each in tried if each.fact is False)
    elif tried and all(facts):
        suggested, because = True, f"in {len(facts)} trials each was carried out once; ask for how long keys are kept"
    elif tried:
        because = next(f"{each.case}: {each.found}" for each in tried if each.fact is None)
    name = "INVENTORY_HONOURS_IDEMPOTENCY_KEY"
    return Suggestion(name, settings.INVENTORY_HONOURS_IDEMPOTENCY_KEY, suggested, because)


def _limit(name: str, call: str, slowest: float | None) -> Suggestion:
    now: float = getattr(settings, name)
    if slowest is None:
        return Suggestion(name, now, None, f"no {call} was tried")
    because = f"the slowest {call} took {slowest:.3f} s"
    return Suggestion(name, now, now if MARGIN * slowest <= now else float(ceil(MARGIN * slowest)), because)


def _unverified(findings: Sequence[Finding]) -> Suggestion:
    failing = any(each.peer == users.PEER.name and each.verdict in (Verdict.WRONG, Verdict.OPEN) for each in findings)
    now = settings.ALLOW_UNVERIFIED_USERS
    if not failing:
        because = "users answers as it should; True also takes orders while it is down, unverified"
    elif now:
        because = "users does not answer as it should: orders would be placed unverified"
    else:
        because = "users does not answer as it should: no order could be placed"
    return Suggestion("ALLOW_UNVERIFIED_USERS", now, None, because)
