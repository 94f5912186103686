"""What is still to come in an interleaved run: calls that arrive late, and leases that lapse."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from bson import ObjectId
from pymongo.collection import Collection

from integrations.http_exchange import Lost
from orders.storage.order_writes import orders
from tests.proof.interleave_actors import Operation
from tests.proof.interleave_feed import lease_ends
from tests.proof.interleave_gates import Step

Document = dict[str, Any]
LateCall = tuple[Operation, Step, Callable[[], Any]]


class Later:
    """Knows who holds which attempt, and so what may lapse.

    :ivar calls: those whose callers have given them up, and that may still arrive.
    :ivar holders: on whose behalf each attempt, and each product's lease, was taken.
    """

    def __init__(
        self,
        keys: "Collection[Document]",
        leases: "Collection[Document]",
        tell: Callable[[str, str], None],
        name: Callable[[ObjectId], str],
        endpoint: ObjectId | None,
    ) -> None:
        self.calls: list[LateCall] = []
        self.holders: dict[str, Operation] = {}
        self._answered: set[tuple[str, str]] = set()
        self._keys, self._leases, self._tell, self._name = keys, leases, tell, name
        self._endpoint = endpoint
        self._past = datetime.now(UTC).replace(tzinfo=None) - timedelta(hours=1)

    def answered(self, operation: Operation, step: Step) -> None:
        """Remember that an operation has had its answer, and so makes this call no more under its attempts."""
        held = [attempt for attempt, holder in self.holders.items() if holder is operation]
        self._answered |= {(step.key, attempt) for attempt in held}

    def deliver(self, late: LateCall) -> None:
        """Have a call arrive that nobody waits for any more."""
        self.calls.remove(late)
        self._tell("the network", f"delivers {late[1].name} ({self._name(late[1].order_id)}) at last")
        with suppress(Lost):
            late[2]()

    def lapsing(self) -> Iterator[Callable[[], None]]:
        """What could lapse now: retries, and leases under which no call will be made any more.

        Their holder is gone, or he has his answer, and will find that he comes too late to write it down.
        """
        now = datetime.now(UTC).replace(tzinfo=None)
        for order in orders().find({"stock_due_at": {"$gt": now}}).sort("_id", 1).to_list():
            held = _held(order)
            ended = [attempt for attempt in held if self._abandoned([attempt]) or self._is_answered(order, attempt)]
            if ended or not held:
                yield lambda order=order, ended=ended: self._lapse(order, ended)
        for key in self._keys.find({"until": {"$gt": now}}).sort("_id", 1).to_list():
            if self._abandoned([key["attempt"]]):
                yield lambda key=key: self._lapse_key(key)
        for lease in self._leases.find({"until": {"$gt": now}}).sort("_id", 1).to_list():
            if self._abandoned([lease["holder"]]):
                yield lambda lease=lease: self._lapse_lock(lease)
        if self._endpoint:  # nothing is promised of one that delivers for longer than its lease, but order and an id
            yield self._lapse_delivery

    def _lapse_delivery(self) -> None:
        assert self._endpoint is not None
        if lease_ends(self._endpoint):
            self._tell("time", "passes: the lease of the delivery ends")

    def _abandoned(self, attempts: Iterable[str]) -> bool:
        return all(self.holders[attempt].over for attempt in attempts)

    def _is_answered(self, order: Document, attempt: str) -> bool:
        """Whether each call under an attempt has had its answer."""
        keys = [
            f"{order['_id']}:{line}:{item['stock']['call']}"
            for line, item in enumerate(order["items"])
            if _attempt(item) == attempt
        ]
        return all((key, attempt) in self._answered for key in keys)

    def _lapse(self, order: Document, ended: list[str]) -> None:
        """:param ended: the attempts that end; the order may be under others, too."""
        # What was sent under a lease has arrived, or never will, by the time the lease ends.
        for late in [late for late in self.calls if late[0] in {self.holders[attempt] for attempt in ended}]:
            self.deliver(late)
        self._tell("time", f"passes: {self._name(order['_id'])} is due")
        past = self._earlier()
        lines = [line for line, item in enumerate(order["items"]) if _attempt(item) in ended]
        ends = {f"items.{line}.stock.attempt.until": past for line in lines}
        orders().update_one({"_id": order["_id"]}, {"$set": {"stock_due_at": past, **ends}})

    def _lapse_key(self, key: Document) -> None:
        self._tell("time", "passes: an idempotency key lapses")
        self._keys.update_one({"_id": key["_id"]}, {"$set": {"until": self._earlier()}})

    def _lapse_lock(self, lease: Document) -> None:
        for late in [late for late in self.calls if late[1].product_id == lease["_id"]]:
            self.deliver(late)
        self._tell("time", f"passes: the lock of product {lease['_id'][-1]} ends")
        held = {"_id": lease["_id"], "holder": lease["holder"]}
        self._leases.update_one(held, {"$set": {"until": self._earlier()}})

    def _earlier(self) -> datetime:
        self._past += timedelta(milliseconds=1)
        return self._past


def _held(order: Document) -> list[str]:
    """The attempts that an order is under, each once."""
    return list(dict.fromkeys(attempt for item in order["items"] if (attempt := _attempt(item))))


def _attempt(item: Document) -> str | None:
    attempt = item["stock"].get("attempt")
    return str(attempt["id"]) if attempt else None
