"""Bulk runs: started, paused, resumed and cancelled. The executor does their work."""

import hashlib
from datetime import timedelta

from bson import ObjectId
from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from orders.models import OPEN_STATES, Attempt, BulkRun, transition_names
from orders.services.access import Actor
from orders.services.audit import Act, require_reason
from orders.services.bulk import selecting
from orders.services.bulk.jobs import is_batchable
from orders.services.errors import OrderError, RefusalKind
from orders.services.order_queries import InvalidOrderQuery, OrderQuery, as_given, require_valid
from orders.services.words import run_state_word
from orders.storage import bulk_batches, bulk_runs, new_id

BATCH = 1000
"""Orders that one update changes."""
RELEASING_BATCH = 20
"""Orders that are changed one by one, each with calls to inventory, under one claim."""
LARGEST_BATCH = 5000
STOPPED, CANCELLED = gettext_noop("Stopped by %(actor)s."), gettext_noop("Cancelled by %(actor)s.")


class UnknownTransition(OrderError):
    """There is no such transition, or only the service itself makes it."""

    code = "unknown_transition"
    kind = RefusalKind.INVALID


class NothingSelected(OrderError):
    """There is no criterion, and `everything` is not set."""

    code = "nothing_selected"
    kind = RefusalKind.INVALID


class RunNotFound(OrderError):
    """There is no such run."""

    code = "run_not_found"
    kind = RefusalKind.NOT_FOUND


class RunIsOver(OrderError):
    """The run is done, cancelled or failed, and can no longer be changed."""

    code = "run_is_over"
    kind = RefusalKind.CONFLICT


class RunExists(OrderError):
    """Another run already has this id."""

    code = "run_exists"
    kind = RefusalKind.ALREADY_USED


def start_run(
    *,
    selection: OrderQuery,
    transition: str,
    act: Act,
    for_worker: bool = True,
    batch_size: int | None = None,
    run_id: ObjectId | None = None,
) -> BulkRun:
    """Record a run. Named orders are written down at once; others are selected when the run is executed.

    :param act: who starts it and why; recorded in every order's history.
    :param for_worker: let the workers execute it; otherwise the caller does, with `execute_run`.
    :param batch_size: orders in one batch, at most LARGEST_BATCH.
    :param run_id: the run's id; starting the same run twice under one id starts it once.
    :raises UnknownTransition:
    :raises NotPermitted:
    :raises NothingSelected:
    :raises ReasonMissing: as for one order.
    :raises RunExists: another run has the id.
    :raises DatabaseError: if the run was recorded at all, it will not change any order.
    """
    check(selection, transition, act.actor)
    require_reason(transition, act)
    usual = BATCH if is_batchable(transition) else RELEASING_BATCH
    run = BulkRun(
        id=run_id or ObjectId(),
        transition=transition,
        selection=as_given(selection),
        reason=act.reason,
        reason_code=act.code,
        actor_kind=act.actor.kind.value,
        actor_id=act.actor.id[:150],
        via=act.actor.via,
        for_worker=for_worker,
        batch_size=min(batch_size or usual, LARGEST_BATCH),
        created_at=act.at,
    )
    if selection.keys is not None:  # claimed from the start; renewed at once, by mongod's clock
        run.attempt = Attempt(id=new_id(), until=timezone.now() + timedelta(seconds=settings.STOCK_LEASE))
    if not bulk_runs.insert(run):
        return _started_before(run, selection)
    if run.attempt is not None:
        selecting.take_down(run, selection, run.attempt.id)
    return get_run(run.pk)


def run_id_for(*, actor: Actor, key: str) -> ObjectId:
    """The id of the run that an actor starts under a key."""
    return ObjectId(hashlib.sha256(f"{actor.label}\0{key}".encode()).digest()[:12])


def _started_before(wanted: BulkRun, selection: OrderQuery) -> BulkRun:
    """The run as it is now; if the process that was writing down its orders is gone, they are written down here."""
    found = get_run(wanted.pk)
    for name in ("transition", "selection", "reason", "reason_code", "actor_kind", "actor_id"):
        if getattr(found, name) != getattr(wanted, name):
            raise RunExists(_("Another run was started under this key before. Use a new one."))
    if selection.keys is not None and (attempt := selecting.take_over(found)):
        bulk_batches.delete_batches(found.pk)
        selecting.take_down(found, selection, attempt)
        return get_run(found.pk)
    return found


def check(selection: OrderQuery, transition: str, actor: Actor) -> None:
    """:raises OrderError: as :func:`start_run` says."""
    if transition not in transition_names():
        raise UnknownTransition(f"There is no transition {transition!r}. There are: {', '.join(transition_names())}.")
    actor.require_bulk(transition)
    if selection.keys is None and not selection.narrows and not selection.everything:
        raise NothingSelected(_("Nothing says which orders are meant."))
    if selection.is_for_lists:
        raise InvalidOrderQuery(_("A run cannot look for orders by alerts, totals or a search."))
    require_valid(selection)


def get_run(run_id: ObjectId) -> BulkRun:
    """:raises RunNotFound:"""
    run = BulkRun.objects.filter(pk=run_id).first()
    if run is None:
        raise RunNotFound(_("There is no run %(run)s.") % {"run": run_id})
    return run


def resume_run(*, run_id: ObjectId, actor: Actor, for_worker: bool = True) -> BulkRun:
    """Let a run go on at once that is paused, or whose process is gone.

    :param for_worker: let the workers execute it; otherwise the caller does, with `execute_run`.
    :raises RunNotFound:
    :raises NotPermitted: the actor may not make this transition.
    :raises RunIsOver:
    """
    _open_run(run_id, actor)
    bulk_batches.release_batches(run_id)
    return _changed(run_id, bulk_runs.resume(run_id, for_worker=for_worker))


def pause_run(*, run_id: ObjectId, actor: Actor) -> BulkRun:
    """Pause a run until a person resumes it; batches in progress are finished.

    :raises OrderError: as :func:`resume_run` says.
    """
    _open_run(run_id, actor)
    why = STOPPED % {"actor": actor.label}
    return _changed(run_id, bulk_runs.pause_until_resumed(run_id, why, states=OPEN_STATES))


def cancel_run(*, run_id: ObjectId, actor: Actor) -> BulkRun:
    """Cancel the rest of a run; orders in progress at this moment may still change.

    :raises OrderError: as :func:`resume_run` says.
    """
    _open_run(run_id, actor)
    run = _changed(run_id, bulk_runs.cancel(run_id, CANCELLED % {"actor": actor.label}))
    return record_interrupted_batches(run)


def record_interrupted_batches(run: BulkRun) -> BulkRun:
    """Record what an unfinished run had done in the batches it began, as the orders' histories tell.

    :raises DatabaseError: it may be called again.
    """
    for batch in bulk_batches.interrupted_batches(run.pk):
        changed = bulk_runs.changed_by(run, batch["ids"])
        places = [index for index, key in enumerate(batch["ids"]) if key in changed]
        bulk_batches.record_changed(run.pk, batch["n"], places)
    bulk_runs.save_tally(run.pk)
    return get_run(run.pk)


def _open_run(run_id: ObjectId, actor: Actor) -> None:
    run = get_run(run_id)
    actor.require_bulk(run.transition)
    _require_open(run, not run.is_over)


def _changed(run_id: ObjectId, changed: bool) -> BulkRun:
    return _require_open(get_run(run_id), changed)


def _require_open(run: BulkRun, is_open: bool) -> BulkRun:
    if not is_open:
        told = _("This run is %(state)s and can no longer be changed.") % {"state": run_state_word(run.state)}
        raise RunIsOver(told, state=run.state)
    return run
