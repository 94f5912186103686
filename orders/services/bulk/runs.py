"""Runs over many orders: started, looked at, resumed and cancelled. Carrying them on is `carrying`'s business."""

from datetime import timedelta

from bson import ObjectId
from django.conf import settings
from django.db import IntegrityError
from django.utils import timezone

from orders.models.bulk_run import OPEN_STATES, BulkRun, BulkState
from orders.models.machine import edges_named, stock_effect, transition_names
from orders.models.parts import Attempt
from orders.models.states import StockEffect
from orders.services.access import Actor, Kind, staff_named
from orders.services.audit import Act
from orders.services.bulk import selecting
from orders.services.errors import OrderError
from orders.services.lifecycle.transitions import require_reason
from orders.storage import bulk_batches as store
from orders.storage import bulk_outcomes
from orders.storage.database import Document, writing
from orders.storage.order_selection import OrderSelection
from orders.storage.order_writes import new_id

BATCH = 1000
"""Orders that are changed together by one update."""
RELEASING_BATCH = 20
"""Orders whose release is talked about one by one, before somebody looks again whether the run is to go on."""
LARGEST_BATCH = 5000


class UnknownTransition(OrderError):
    """There is no such transition that people make."""

    code = "unknown_transition"


class NothingSelected(OrderError):
    """No criterion was given, and nobody said that every order is meant."""

    code = "nothing_selected"


class RunNotFound(OrderError):
    """There is no such run."""

    code = "run_not_found"


class RunIsOver(OrderError):
    """The run is done, cancelled or failed: it neither goes on nor can be called off."""

    code = "run_is_over"


class RunExists(OrderError):
    """Another run was started under this id before."""

    code = "run_exists"


def start_run(
    *,
    selection: OrderSelection,
    transition: str,
    act: Act,
    for_worker: bool = True,
    batch_size: int | None = None,
    run_id: ObjectId | None = None,
) -> BulkRun:
    """Record a run. Orders that are named are taken down at once; others are looked for when it is carried on.

    :param act: who wants it and why; both come into every order's history.
    :param for_worker: have the workers carry it on; otherwise the caller does, by `carry_on`.
    :param batch_size: orders of one batch, at most LARGEST_BATCH.
    :param run_id: the id that it shall have: the same run started twice under one id is one run.
    :raises UnknownTransition:
    :raises NotPermitted:
    :raises NothingSelected:
    :raises ReasonMissing: as for one order.
    :raises RunExists: another run has the id.
    :raises DatabaseError: if it was recorded at all, it will not change any order.
    """
    check(selection, transition, act.actor)
    require_reason(transition, act)
    usual = BATCH if is_together(transition) else RELEASING_BATCH
    run = BulkRun(
        id=run_id or ObjectId(),
        transition=transition,
        selection=selection.as_given(),
        reason=act.reason,
        actor_kind=act.actor.kind.value,
        actor_id=act.actor.id[:150],
        via=act.actor.via,
        for_worker=for_worker,
        batch_size=min(batch_size or usual, LARGEST_BATCH),
        created_at=act.at,
    )
    if selection.keys is not None:  # held from the beginning; a moment later, by mongod's clock
        run.attempt = Attempt(id=new_id(), until=timezone.now() + timedelta(seconds=settings.STOCK_LEASE))
    try:
        with writing():
            run.save(force_insert=True)
    except IntegrityError:
        return _started_before(run, selection)
    if run.attempt is not None:
        selecting.take_down(run, selection, run.attempt.id)
    return get_run(run.pk)


def _started_before(wanted: BulkRun, selection: OrderSelection) -> BulkRun:
    """The run as it is now. If whoever was taking down its orders is gone, that is done now."""
    found = get_run(wanted.pk)
    for name in ("transition", "selection", "reason", "actor_kind", "actor_id"):
        if getattr(found, name) != getattr(wanted, name):
            raise RunExists("Another run was started under this key before. Use a new one.")
    if selection.keys is not None and (attempt := selecting.take_over(found)):
        store.drop_batches(found.pk)
        selecting.take_down(found, selection, attempt)
        return get_run(found.pk)
    return found


def check(selection: OrderSelection, transition: str, actor: Actor) -> None:
    """:raises OrderError: as :func:`start_run` says."""
    if transition not in transition_names():
        raise UnknownTransition(f"There is no transition {transition!r}. There are: {', '.join(transition_names())}.")
    actor.require_bulk(transition)
    if selection.says_nothing and not selection.everything:
        raise NothingSelected("Nothing says which orders are meant.")


def may_go_on(run: BulkRun) -> bool:
    """Whether a member of staff still has the right to what was started in his name; others have theirs for good."""
    if run.actor_kind != Kind.STAFF:
        return True
    actor = staff_named(run.actor_id)
    return actor is not None and actor.may_bulk(run.transition)


def is_together(transition: str) -> bool:
    """Whether orders are changed many at a time: those whose transition owes inventory no call."""
    return stock_effect(transition) is not StockEffect.RELEASE


def target_of(transition: str) -> str:
    """The status that a transition leads to."""
    return edges_named(transition)[0].target


def get_run(run_id: ObjectId) -> BulkRun:
    """:raises RunNotFound:"""
    run = BulkRun.objects.filter(pk=run_id).first()
    if run is None:
        raise RunNotFound(f"There is no run {run_id}.")
    return run


def resume_run(*, run_id: ObjectId, actor: Actor, for_worker: bool = True) -> BulkRun:
    """Have a run go on at once that was paused, or whose process is gone.

    :param for_worker: have the workers carry it on; otherwise the caller does, by `carry_on`.
    :raises RunNotFound:
    :raises NotPermitted: the actor may not make this transition.
    :raises RunIsOver:
    """
    run = _open_run(run_id, actor)
    store.give_all_back(run_id)
    fields: Document = {"for_worker": for_worker, "paused_until": None, "attempt": None, "last_error": ""}
    fields |= {"pauses": 0, "in_vain": 0}
    if not store.change_run(run_id, OPEN_STATES, fields, computed=store.GO_BACK):
        raise _over(get_run(run_id))
    return get_run(run.pk)


def pause_run(*, run_id: ObjectId, actor: Actor) -> BulkRun:
    """Have a run wait until somebody resumes it; what is under way is finished.

    :raises OrderError: as :func:`resume_run` says.
    """
    _open_run(run_id, actor)
    fields = {"state": BulkState.PAUSED.value, "paused_until": None, "last_error": f"Stopped by {actor.label}."}
    if not store.change_run(run_id, OPEN_STATES, fields):
        raise _over(get_run(run_id))
    return get_run(run_id)


def cancel_run(*, run_id: ObjectId, actor: Actor) -> BulkRun:
    """Call off what a run has not done yet; orders that are under way this very moment may still change.

    :raises OrderError: as :func:`resume_run` says.
    """
    _open_run(run_id, actor)
    fields = {
        "state": BulkState.CANCELLED.value,
        "last_error": f"Cancelled by {actor.label}.",
        "finished_at": timezone.now(),
        "paused_until": None,
    }
    if not store.change_run(run_id, OPEN_STATES, fields):
        raise _over(get_run(run_id))
    settle(get_run(run_id))
    return get_run(run_id)


def settle(run: BulkRun) -> None:
    """Find out what a run that was cut short had done of the batches that it began: the orders know.

    :raises DatabaseError: it may be done again.
    """
    for batch in store.begun_batches(run.pk):
        changed = bulk_outcomes.marked(batch["ids"], run)
        store.settle_batch(run.pk, batch["n"], [index for index, key in enumerate(batch["ids"]) if key in changed])
    store.save_tally(run.pk, store.tally(run.pk))


def _open_run(run_id: ObjectId, actor: Actor) -> BulkRun:
    run = get_run(run_id)
    actor.require_bulk(run.transition)
    if run.is_over:
        raise _over(run)
    return run


def _over(run: BulkRun) -> RunIsOver:
    return RunIsOver(f"This run is {run.state}: it neither goes on nor can be called off.", state=run.state)
