"""Old runs need not be kept: what they did stands in the histories of the orders."""

from collections.abc import Callable
from datetime import timedelta

from orders.services.audit import Act
from orders.services.purging import require_old_enough
from orders.storage import bulk_runs as store


def purge_runs(
    *, older_than: timedelta, act: Act, dry_run: bool = False, progress: Callable[[int], None] = lambda _: None
) -> int:
    """Delete runs that are over, with what they tell of each order; those that may still go on stay.

    :param older_than: their least age, by creation; at least IDEMPOTENCY_KEY_TTL.
    :param dry_run: only count them.
    :param progress: told how many more are gone, each time.
    :returns: how many are gone or, in a dry run, would go.
    :raises NotPermitted: it is for operators' commands alone.
    :raises TooYoung: nothing was deleted.
    :raises DatabaseError: what is deleted is gone; the same call goes on from there.
    """
    act.actor.require_process("delete runs")
    require_old_enough(older_than, "Runs")
    found = store.runs_over(act.at - older_than)
    if dry_run:
        return len(found)
    for run_id in found:
        store.remove_run(run_id)
        progress(1)
    return len(found)
