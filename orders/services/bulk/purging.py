"""Old runs need not be kept: what they did stands in the histories of the orders."""

from collections.abc import Callable
from datetime import timedelta

from django.conf import settings

from orders.models import bulk_store as store
from orders.services.acts import Act
from orders.services.errors import OrderError


class TooYoungToPurge(OrderError):
    """A run of that age may still be asked for by its idempotency key."""

    code = "too_young"


def purge_runs(
    *, older_than: timedelta, act: Act, dry_run: bool = False, progress: Callable[[int], None] = lambda _: None
) -> int:
    """Delete runs that are over, with what they tell of each order; those that may still go on stay.

    :param older_than: their least age, by creation; at least IDEMPOTENCY_KEY_TTL.
    :param dry_run: only count them.
    :param progress: told how many more are gone, each time.
    :returns: how many are gone or, in a dry run, would go.
    :raises NotPermitted: it is for operators' commands alone.
    :raises TooYoungToPurge: nothing was deleted.
    :raises DatabaseError: what is deleted is gone; the same call goes on from there.
    """
    act.actor.require_process("delete runs")
    if older_than < timedelta(seconds=settings.IDEMPOTENCY_KEY_TTL):
        raise TooYoungToPurge(
            f"Runs are kept for {settings.IDEMPOTENCY_KEY_TTL} seconds (IDEMPOTENCY_KEY_TTL) at least."
        )
    found = store.runs_over(act.at - older_than)
    if dry_run:
        return len(found)
    for run_id in found:
        store.remove_run(run_id)
        progress(1)
    return len(found)
