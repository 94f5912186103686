"""Who did something to an order, when and why: what every entry of a history says."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from orders.models import Document
from orders.services.access import Actor, Kind
from orders.services.errors import OrderError, RefusalKind
from orders.services.text_rules import cleaned, problem_within, several_lines
from orders.services.words import transition_word
from orders.storage.order_writes import history_entry

LONGEST_REASON = 500
"""Characters, once tidied."""
REASON_NEEDED = frozenset({"cancel", "refund"})
"""Transitions, or parts of them, that staff and operators make only with a reason: the customer will ask."""
REASON_CODES = {
    "customer": gettext_lazy("Customer's wish"),
    "out_of_stock": gettext_lazy("Out of stock"),
    "fraud": gettext_lazy("Suspected fraud"),
    "payment": gettext_lazy("Payment problem"),
    "address": gettext_lazy("Address problem"),
    "other": pgettext_lazy("reason", "Other"),
}
"""Why an order is cancelled, refunded, taken back or held, as it can be counted; `other` says it in words."""


class ReasonMissing(OrderError):
    """It needs a reason, and none was given."""

    code = "reason_missing"
    kind = RefusalKind.INVALID


class InvalidReason(OrderError):
    """The reason is too long, or holds characters that no text here may hold."""

    code = "invalid_reason"
    kind = RefusalKind.INVALID


@dataclass(frozen=True)
class Act:
    """One act. `at` is aware; `reason` is the actor's own words, tidied; `code` is one of REASON_CODES, if any.

    :raises InvalidReason: by LONGEST_REASON, and see :mod:`orders.services.text_rules`.
    """

    actor: Actor
    at: datetime
    reason: str = ""
    code: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "reason", several_lines(self.reason))
        if problem := problem_within(self.reason, LONGEST_REASON):
            raise InvalidReason(
                _("The reason cannot be kept. %(problem)s") % {"problem": problem}, errors={"reason": [problem]}
            )
        if self.code and self.code not in REASON_CODES:
            problem = _("Use one of: %(codes)s.") % {"codes": ", ".join(REASON_CODES)}
            told = _("This code of a reason is unknown. %(problem)s") % {"problem": problem}
            raise InvalidReason(told, errors={"reason_code": [problem]})
        if self.code == "other" and not self.reason.strip():
            raise ReasonMissing(_("Say in words what the other reason is."))

    def explained(self, reason: str) -> "Act":
        """The same act, for a reason that nobody can be asked to correct: what may not be kept of it is cut out."""
        return replace(self, reason=cleaned(reason)[:LONGEST_REASON])

    def entry(self, name: str, **details: Any) -> Document:
        """The history entry of this act; for `details` see :func:`orders.storage.order_writes.history_entry`."""
        return history_entry(
            **{
                "at": self.at, "act": name, "actor": self.actor.label, "via": self.actor.via,
                "reason": self.reason, "request_id": self.actor.request_id, "code": self.code, **details,
            }
        )  # fmt: skip

    def require_reason(self, problem: str) -> None:
        """:raises ReasonMissing: saying `problem`, if no reason was given."""
        if not (self.code or self.reason.strip()):
            raise ReasonMissing(problem)


def require_reason(transition: str, act: Act) -> None:
    """Refuse a transition that needs a reason. Storefronts need none: customers owe nobody one, and DELETE has no body.

    :raises ReasonMissing: staff or an operator gave none for a transition of REASON_NEEDED.
    """
    if transition in REASON_NEEDED and act.actor.kind in (Kind.STAFF, Kind.SYSTEM):
        act.require_reason(
            _("A reason is required to %(transition)s an order.") % {"transition": transition_word(transition)}
        )
