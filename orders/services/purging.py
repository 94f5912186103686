"""Old drafts that were rejected, and old bulk runs, need not be kept; nothing else is ever deleted."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from bson import ObjectId
from django.conf import settings

from orders.services.audit import Act
from orders.services.errors import OrderError, RefusalKind
from orders.storage import bulk_runs
from orders.storage.order_lists import batches
from orders.storage.rejected_drafts import kept_by_keys, purgeable, remove_drafts

BATCH = 1000


class TooYoung(OrderError):
    """What is of that age may still be asked for by an idempotency key."""

    code = "too_young"
    kind = RefusalKind.CONFLICT


def purge_drafts(
    *,
    older_than: timedelta,
    act: Act,
    limit: int | None = None,
    dry_run: bool = False,
    progress: Callable[[int], None] = lambda _: None,
) -> int:
    """Delete rejected drafts whose lines are all `none` or `released`, the oldest first.

    One that owes anything stays, and so does one whose units inventory did not all give back, and one for which an
    idempotency key stands: were it gone, a repeated placement would take its id again, and inventory, which knows the
    calls of that id, would answer them without reserving anything. No key comes to stand for a draft later than its
    insertion, so that looking before deleting is enough.

    :param older_than: their least age, by creation; at least IDEMPOTENCY_KEY_TTL.
    :param limit: delete so many at most.
    :param dry_run: only count them.
    :param progress: told how many more are gone, each time.
    :returns: how many are gone or, in a dry run, would go.
    :raises NotPermitted: it is for operators' commands alone.
    :raises TooYoung: nothing was deleted.
    :raises DatabaseError: what is deleted is gone; the same call goes on from there.
    """
    require_purging("drafts", older_than, act)
    gone, before = 0, act.at - older_than
    for found in _drafts(before):
        ids = found if limit is None else found[: limit - gone]
        more = len(ids) if dry_run else remove_drafts(ids, before)
        gone += more
        progress(more)
        if gone == limit:
            break
    return gone


def purge_runs(
    *,
    older_than: timedelta,
    act: Act,
    limit: int | None = None,
    dry_run: bool = False,
    progress: Callable[[int], None] = lambda _: None,
) -> int:
    """Delete bulk runs that are over, with their reports; the histories of the orders go on telling what they did.

    :raises OrderError, DatabaseError: and all else as :func:`purge_drafts` says.
    """
    require_purging("runs", older_than, act)
    found = bulk_runs.runs_over(act.at - older_than)[:limit]
    for run_id in [] if dry_run else found:
        bulk_runs.remove_run(run_id)
        progress(1)
    return len(found)


def require_purging(things: str, older_than: timedelta, act: Act) -> None:
    """Of `things` ("drafts" or "runs"), whether the actor may delete those of that age.

    :raises NotPermitted, TooYoung:
    """
    act.actor.require_process(f"delete {things}")
    if older_than < timedelta(seconds=settings.IDEMPOTENCY_KEY_TTL):
        least = f"{settings.IDEMPOTENCY_KEY_TTL} seconds (IDEMPOTENCY_KEY_TTL)"
        raise TooYoung(f"{things.capitalize()} are kept for {least} at least.")


def _drafts(before: datetime) -> Iterator[list[ObjectId]]:
    """Ids of the drafts that may go, in batches."""
    for found in batches(purgeable(before), {"created_at": 1}, size=BATCH):
        ids = [draft["_id"] for draft in found]
        kept = kept_by_keys(ids)
        yield [order_id for order_id in ids if order_id not in kept]
