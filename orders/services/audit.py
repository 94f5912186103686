"""Who did something to an order, when and why: what every entry of a history says."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from orders.models import Document
from orders.services.access import Actor
from orders.services.errors import OrderError
from orders.services.text_rules import problem_of, several_lines
from orders.storage.order_writes import history_entry


class ReasonMissing(OrderError):
    """Something that is not done without saying why."""

    code = "reason_missing"


LONGEST_REASON = 500
"""Characters, once tidied."""


class InvalidReason(OrderError):
    """The reason is too long, or holds characters that no text here may hold."""

    code = "invalid_reason"


@dataclass(frozen=True)
class Act:
    """One act. `at` is aware; `reason` is the actor's own words, tidied.

    :raises InvalidReason: by LONGEST_REASON, and see :mod:`orders.services.text_rules`.
    """

    actor: Actor
    at: datetime
    reason: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "reason", several_lines(self.reason))
        problem = problem_of(self.reason)
        if len(self.reason) > LONGEST_REASON:
            problem = f"At most {LONGEST_REASON} characters, please: it has {len(self.reason)}."
        if problem:
            raise InvalidReason(f"The reason cannot be kept. {problem}", errors={"reason": [problem]})

    def entry(self, name: str, **details: Any) -> Document:
        """The history entry of this act; for `details` see :func:`orders.storage.order_writes.history_entry`."""
        return history_entry(
            **{
                "at": self.at, "act": name, "actor": self.actor.label, "via": self.actor.via,
                "reason": self.reason, "request_id": self.actor.request_id, **details,
            }
        )  # fmt: skip

    def require_reason(self, problem: str) -> None:
        """:raises ReasonMissing: saying `problem`, if no reason was given."""
        if not self.reason.strip():
            raise ReasonMissing(problem)
