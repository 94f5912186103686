"""What every change of an order that somebody asks for has in common.

It is permitted, made once for each idempotency key, refused where the order is not as the caller saw it, and tried
again where somebody else was first.
"""

from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
from typing import Any

from bson import ObjectId

from orders.models import Document, Order
from orders.services.access import visible
from orders.services.audit import Act
from orders.services.lifecycle.idempotency_keys import KeyedRequest
from orders.services.lifecycle.versions import require_version, tried
from orders.storage import order_reads


@dataclass(frozen=True)
class Change:
    """A change that was asked for.

    :ivar order: the whole document of the order, as it is now.
    :ivar replayed: an earlier request with the same key made it.
    """

    order: Document
    replayed: bool = False


@dataclass(frozen=True)
class ChangeRequest:
    """A change of one order as somebody asks for it.

    :ivar expected_versions: refuse if the order is at none of them by now.
    :ivar keyed: of a request with an idempotency key.
    """

    order_id: ObjectId
    act: Act
    expected_versions: Collection[int] | None = None
    keyed: KeyedRequest | None = None

    @classmethod
    def of(
        cls,
        order_id: ObjectId,
        act: Act,
        expected_versions: Collection[int] | None,
        idempotency_key: str | None,
        request: Any,
        caller: str | None = None,
    ) -> "ChangeRequest":
        """:param request: what is asked for, JSON-ready: the same key with another request is refused.
        :param caller: whose key it is; by default the actor's.
        """
        caller = caller or act.actor.label
        keyed = KeyedRequest.of(caller=caller, key=idempotency_key, request=request) if idempotency_key else None
        return cls(order_id, act, expected_versions, keyed)

    def entry(self, name: str, **details: Any) -> Document:
        """The history entry of the change, with its key."""
        return self.act.entry(name, **details, **(asdict(self.keyed) if self.keyed else {}))

    def read(self, *, lines: bool = False) -> Order:
        """The order as it is; see `order_reads.get_machine`.

        :raises OrderNotFound: also where the actor may not know of it.
        """
        key = self.keyed.key if self.keyed else None
        found = order_reads.get_machine(self.order_id, sees=self.act.actor.finds, key=key, lines=lines)
        return visible(found, self.order_id, self.act.actor, to_change=True)


def make(
    request: ChangeRequest,
    *,
    permit: Callable[[Order], None],
    write: Callable[[Order], Document | Change | None],
    lines: bool = False,
) -> Change:
    """Make a change, as often as somebody else is first.

    :param permit: raises where the actor may not make it.
    :param write: makes it on the order as read; None where somebody else was first.
    :param lines: read the lines of the order and its money, too.
    :raises OrderNotFound: also where the actor may not know of the order.
    :raises StaleOrder: with `version` and `changes` since the expected one.
    :raises KeyReused: this actor changed the order otherwise with the same key.
    :raises OrderBusy: others kept changing the order.
    """

    def change() -> Change | None:
        order = request.read(lines=lines)
        permit(order)
        if request.keyed and request.keyed.was_made_on(order):
            return Change(whole(order), replayed=True)
        if request.expected_versions is not None:
            require_version(order, request.expected_versions, request.act)
        written = write(order)
        return written if written is None or isinstance(written, Change) else Change(written)

    return tried(change)


def whole(order: Order) -> Document:
    """The whole document of an order, as it is now."""
    found = order_reads.get_whole(order.pk)
    assert found is not None  # noqa: S101 - no public order is ever deleted
    return found
