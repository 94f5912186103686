"""A run as work to be done: in whose name, and whether it may still be done here."""

from dataclasses import dataclass, replace

from django.utils import timezone
from django.utils.translation import gettext_noop

from orders.models import BulkRun, StockEffect, edges_named, permission_of, stock_effect, transition_names
from orders.services import service_tokens
from orders.services.access import VIEW, Actor, Kind, staff_named
from orders.services.audit import REASON_CODES, REASON_NEEDED, Act

OF_RUN = gettext_noop("Bulk run %(run)s")


@dataclass(frozen=True)
class Job:
    """A run and the actor in whose name it is executed."""

    run: BulkRun
    actor: Actor

    @property
    def transition(self) -> str:
        return self.run.transition

    def act(self) -> Act:
        """The act of this moment. A run that was recorded under other rules on reasons must not stop for its own."""
        code = self.run.reason_code
        missing = OF_RUN % {"run": self.run.pk} if self.transition in REASON_NEEDED and not code else ""
        return replace(Act(self.actor, timezone.now()).explained(self.run.reason or missing), code=code)


def job_of(run: BulkRun) -> Job:
    """The job of a run; its actor's permission was checked when it was started."""
    permissions = frozenset({VIEW, permission_of(run.transition)})
    return Job(run, Actor(Kind(run.actor_kind), run.actor_id, run.via, permissions, request_id=str(run.pk)))


def is_batchable(transition: str) -> bool:
    """Whether one update may change a whole batch: the transition makes no calls to inventory."""
    return stock_effect(transition) is not StockEffect.RELEASE


def target_of(transition: str) -> str:
    """The status that a transition leads to."""
    return edges_named(transition)[0].target


def is_known(run: BulkRun) -> bool:
    """Whether this version can execute the run; during an upgrade a newer version may have started it."""
    is_coded = run.reason_code in ("", *REASON_CODES)
    return run.transition in transition_names() and run.actor_kind in list(Kind) and is_coded


def may_continue(run: BulkRun) -> bool:
    """Whether the staff member or the service that started a run still has the permission; other actors keep theirs."""
    if run.actor_kind == Kind.SERVICE:
        return service_tokens.still_may(run.actor_id, run.transition, timezone.now())
    actor = staff_named(run.actor_id) if run.actor_kind == Kind.STAFF else None
    return run.actor_kind != Kind.STAFF or (actor is not None and actor.may_bulk(run.transition))
