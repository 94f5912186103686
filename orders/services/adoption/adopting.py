"""Adopting the documents of another service: a plan, which only reads; the adoption; and the way back.

Each document is replaced by its order in one write, which the whole of the document guards: what the other service
changes at the same time is never overwritten, and is looked at again. So a run that was cut off anywhere is finished by
another one, and a run that finds nothing changes nothing. Before a document is replaced it is on disk, in the file of
originals.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from bson import ObjectId
from django.conf import settings
from django.utils import timezone

from orders.models import Document, LineState, Status
from orders.services.adoption.documents import ADOPTED, Adopted, Choices, adopted
from orders.services.adoption.originals import Originals
from orders.services.audit import Act
from orders.services.stock.reconciliation import levels
from orders.services.transfer.file_format import utc
from orders.storage import order_reads
from orders.storage.foreign_orders import Replacement, count_foreign, foreign_documents, put_back, replace_foreign
from orders.storage.order_reads import Holding

KEPT_REFUSALS = 50
PASSES = 5
"""How often documents that the other service kept changing are looked at again."""
Progress = Callable[[int], None]


@dataclass(frozen=True)
class Refusal:
    """A document that cannot be adopted, and why not."""

    id: Any
    reasons: Sequence[str]


@dataclass
class Plan:
    """What an adoption would do.

    :ivar adoptable: orders by status.
    :ivar kinds: how money, times and ids are written; `filled`: what is missing; `left`: fields that only the file of
        originals keeps. Each with the number of orders.
    :ivar overdue: pending orders that have been unpaid for longer than UNPAID_ORDER_TTL.
    :ivar refused: how many cannot be adopted; the first are in `refusals`.
    :ivar units: of each product, what the lines hold by their state.
    """

    adoptable: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    filled: Counter[str] = field(default_factory=Counter)
    left: Counter[str] = field(default_factory=Counter)
    overdue: int = 0
    refused: int = 0
    refusals: list[Refusal] = field(default_factory=list)
    units: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, found: Adopted, now: datetime) -> None:
        status, age = found.order["status"], utc(now) - found.order["created_at"]
        self.adoptable[status] += 1
        self.overdue += status == Status.PENDING and age > timedelta(seconds=settings.UNPAID_ORDER_TTL)
        for counted, names in ((self.kinds, found.kinds), (self.filled, found.filled), (self.left, found.left)):
            counted.update(names)
        for item in found.order["items"]:
            if item["stock"]["state"] != LineState.NONE:
                self.units[item["product_id"], item["stock"]["state"]] += item["quantity"]

    def refuse(self, refusal: Refusal) -> None:
        self.refused += 1
        self.refusals += [refusal][: KEPT_REFUSALS - len(self.refusals)]


@dataclass(frozen=True)
class Shortage:
    """A product of which inventory holds fewer units than orders would.

    :ivar claimed: by the orders to be adopted; `ours`: by those that are here.
    :ivar held: by inventory; None: it does not know the product.
    """

    product_id: str
    claimed: int
    ours: int
    held: int | None


@dataclass
class Adoption:
    """What was done.

    :ivar busy: documents that the other service changed each time that they were to be adopted.
    """

    adopted: int = 0
    refused: int = 0
    busy: int = 0


def plan(*, choices: Choices, act: Act, progress: Progress = lambda _: None) -> Plan:
    """Look at every foreign document; nothing is written.

    :raises NotPermitted: for operators' commands only.
    :raises DatabaseError:
    """
    act.actor.require_process("adopt orders")
    found = Plan()
    for batch in foreign_documents():
        for document, result in _results(batch, choices, act):
            if isinstance(result, Adopted):
                found.add(result, act.at)
            else:
                found.refuse(Refusal(document["_id"], result))
        progress(len(batch))
    return found


def shortages(planned: Plan) -> list[Shortage]:
    """The products of which inventory holds less than the planned orders and ours would; see `reconciliation`.

    :raises PeerError: inventory does not answer.
    :raises DatabaseError:
    """
    claims: Counter[str] = Counter()
    for (product_id, state), units in planned.units.items():
        if state == LineState.RESERVED or not settings.INVENTORY_CONSUMES:
            claims[product_id] += units
    if not claims:
        return []
    ours, held = order_reads.holdings(list(claims)), levels(sorted(claims))
    compared = [
        Shortage(product_id, claimed, _held_for(ours.get(product_id, Holding())), level.reserved if level else None)
        for product_id, claimed in sorted(claims.items())
        for level in [held[product_id]]
    ]
    return [one for one in compared if (one.held or 0) < one.claimed + one.ours]


def _held_for(ours: Holding) -> int:
    """What inventory holds for our orders at least; what is in flight or unknown it may hold or not."""
    return ours.reserved + (0 if settings.INVENTORY_CONSUMES else ours.used)


def adopt(*, choices: Choices, act: Act, originals: Originals, progress: Progress = lambda _: None) -> Adoption:
    """Adopt what can be adopted, and what the other service adds meanwhile.

    :param originals: takes every document before it is replaced.
    :raises NotPermitted: for operators' commands only.
    :raises DatabaseError: what was adopted stays so; the same call goes on.
    :raises OSError: the originals cannot be written; what they hold may have been adopted, and nothing else was.
    """
    act.actor.require_process("adopt orders")
    done = Adoption()
    for _ in range(PASSES):
        done = replace(done, refused=0, busy=0)
        for batch in foreign_documents():
            _adopt_batch(batch, done, choices, act, originals)
            progress(len(batch))
        if not done.busy:
            break
    return done


def _adopt_batch(batch: Sequence[Document], done: Adoption, choices: Choices, act: Act, originals: Originals) -> None:
    # `updated_at` finds recent changes, so it is the time of writing.
    stamp = {"updated_at": utc(timezone.now())}
    good = [
        Replacement(document, result.order | stamp)
        for document, result in _results(batch, choices, act)
        if isinstance(result, Adopted)
    ]
    done.refused += len(batch) - len(good)
    if good:
        originals.add([one.original for one in good])
        adopted_now = replace_foreign(good)
        done.adopted += adopted_now
        done.busy += len(good) - adopted_now


def _results(batch: Sequence[Document], choices: Choices, act: Act) -> Iterator[tuple[Document, Adopted | list[str]]]:
    for document in batch:
        yield document, adopted(document, choices, act)


@dataclass
class Restoration:
    """:ivar kept: orders that were changed since they were adopted, or are documents of the other service again."""

    restored: int = 0
    kept: int = 0


def restore(*, act: Act, originals: Originals, progress: Progress = lambda _: None) -> Restoration:
    """Put the originals back in the place of the orders to which nothing has happened since they were adopted.

    No stock is touched by it, as none was by the adoption.

    :raises NotPermitted: for operators' commands only.
    :raises OSError: the originals cannot be read.
    :raises DatabaseError: what was put back stays so; the same call goes on.
    """
    act.actor.require_process("adopt orders")
    done = Restoration()
    for batch in originals.newest_first():
        last: dict[ObjectId, Document] = {}
        for document in batch:
            last.setdefault(ObjectId(document["_id"]), document)
        restored = put_back(list(last.values()), list(last), ADOPTED)
        done.restored += restored
        done.kept += len(batch) - restored
        progress(len(batch))
    return done


def not_adopted(most: int) -> int:
    """How many documents of another service there are, counted up to `most`.

    :raises DatabaseError:
    """
    return count_foreign(most)
