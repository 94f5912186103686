"""Those who tell events, deliver them and set cursors back, in interleaved runs; and what must hold of them at the end.

None of them waits for a lease: several tell and deliver at once, as where leases had not held.
"""

from collections.abc import Iterator, Sequence

from bson import ObjectId
from django.utils import timezone
from hypothesis import strategies as st

from orders.services import access
from orders.services.events import webhooks
from orders.services.events.delivering import deliver
from orders.services.events.telling import tell
from orders.storage import event_feed, webhook_endpoints
from tests.feed_invariants import problems_of_delivery, problems_of_feed, tell_all
from tests.proof.consumer import Received
from tests.proof.interleave_actors import CANCELLING, CHANGING, PLACING, Operation, Stage
from tests.proof.interleave_gates import acting

BOSS = access.admin("boss")
FEW = 2
"""Orders of one pass."""

Replay = tuple[int, int]
"""How many deliveries there had been when the cursor was set back, and to which number."""


def telling() -> Operation:
    def tell_some(_stage: Stage) -> str:
        return f"dealt with {tell(FEW) + tell(FEW)}"

    return Operation("teller", "tells what happened", tell_some)


def delivering() -> Operation:
    return Operation("deliverer", "delivers events", lambda stage: f"delivered {deliver(stage.endpoint)}")


def replaying(which: int) -> Operation:
    """Somebody sets the cursor back, in one step: what they read before it plays no part in it."""

    def replay(stage: Stage) -> str:
        me = acting.set(None)
        try:
            found = webhook_endpoints.endpoints().find_one({"_id": stage.endpoint})
            assert found is not None
            after = which % (found["cursor"] + 1)
            webhooks.replay(stage.endpoint, after=after, actor=BOSS)
            stage.replays.append((len(stage.received), after))
        finally:
            acting.reset(me)
        return f"it is {after}"

    return Operation("keeper", "sets the endpoint's cursor back", replay)


TELLING, DELIVERING = st.builds(telling), st.builds(delivering)
REPLAYING = st.builds(replaying, st.integers(0, 5))
OPERATIONS = st.one_of(
    TELLING, TELLING, TELLING, CHANGING, CHANGING, PLACING, CANCELLING, DELIVERING, DELIVERING, REPLAYING
)


def new_endpoint(url: str) -> ObjectId:
    """An endpoint that has had nothing; there is no other, and no event."""
    webhook_endpoints.endpoints().delete_many({})
    event_feed.feed().delete_many({})
    made = webhooks.create_endpoint(url=f"{url}/hook", actor=BOSS, at=timezone.now())
    return ObjectId(made.endpoint.pk)


def lease_ends(endpoint: ObjectId) -> bool:
    """Let the lease of whoever delivers end, whether or not they are still at it. :returns: False if there is none."""
    held = {"_id": endpoint, "lease": {"$exists": True}}
    return webhook_endpoints.endpoints().update_one(held, {"$unset": {"lease": ""}}).matched_count == 1


def recover(endpoint: ObjectId) -> None:
    """Tell and deliver what is left."""
    tell_all()
    lease_ends(endpoint)
    deliver(endpoint)


def problems_of_followers(received: Sequence[Received], replays: Sequence[Replay]) -> Iterator[str]:
    """What is wrong with the feed, and with what the consumer was sent."""
    yield from problems_of_feed()
    found = event_feed.last_event()
    last = found["_id"] if found else 0
    yield from problems_of_delivery(received, up_to=last)
    if replays:
        begun, after = replays[-1]
        again = {event["cursor"] for event in received[begun:]}
        if missing := sorted(set(range(after + 1, last + 1)) - again):
            yield f"the cursor was set back to {after}, and {missing} did not come after that"
