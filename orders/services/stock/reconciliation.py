"""Comparing what our orders say of each product with what inventory says.

Inventory has no call that consumes: what was reserved stays in its `reserved_quantity` after shipping. So, product by
product, its reserved units must equal those of our `reserved` and `used` lines (without the used ones for an inventory
that does consume, INVENTORY_CONSUMES).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import product as choices

from bson import ObjectId
from django.conf import settings

from integrations import Deadline, PeerError, gather, inventory
from orders.models import Document, LineState, StockCall
from orders.services.audit import Act
from orders.services.stock.resolution import NothingUnknown, resolve_line
from orders.storage import order_reads
from orders.storage.order_reads import Holding

LEVELS_AT_ONCE = 50
"""Products whose stock levels are asked for side by side."""
LEVELS_TIMEOUT = 30.0
"""Seconds for each such group."""
RECENTLY = timedelta(days=30)
"""Products that orders released within this time are compared too: perhaps no order holds a leaked product now."""
MOST_UNKNOWN = 12
"""Unknown lines of one product for which all possibilities are tried."""


@dataclass(frozen=True)
class Difference:
    """A product on which both sides disagree, in units. `expected` is ours; `actual` inventory's, None: unknown there.

    `unknown` units of ours are on lines that wait for a person, and may be the whole of it.
    """

    product_id: str
    expected: int
    actual: int | None
    unknown: int

    @property
    def surplus(self) -> int:
        """Units that inventory holds and our orders do not; negative where it is the other way round."""
        return (self.actual or 0) - self.expected


@dataclass(frozen=True)
class Report:
    """What a comparison found.

    :ivar checked: how many products were compared.
    :ivar not_known: products that inventory does not know; those that we hold units of are `differences` as well.
    :ivar waiting: products that agree if none of what is unknown is held by inventory.
    :ivar moving: products left out because units were in flight, or figures changed between the reads.
    """

    checked: int
    differences: tuple[Difference, ...]
    waiting: tuple[Difference, ...]
    moving: tuple[str, ...]
    not_known: tuple[str, ...] = ()


@dataclass(frozen=True)
class Repair:
    """One unknown line that the figures leave only one explanation for."""

    order_id: ObjectId
    number: str
    line: int
    product_id: str
    quantity: int
    call: str
    attempts: int
    happened: bool


def reconcile(product_ids: Sequence[str] = ()) -> Report:
    """Compare both sides, for the products that our orders hold or have released RECENTLY.

    A difference counts only when two reads of both sides agree and none of the product's units is in flight.

    :param product_ids: also check these, whatever our orders say.
    :raises PeerUnavailable: inventory does not answer.
    :raises DatabaseError:
    """
    ours = order_reads.holdings()
    wanted = sorted({*ours, *order_reads.products_let_go(order_reads.server_time() - RECENTLY), *product_ids})
    theirs = levels(wanted)
    suspects = [product for product in wanted if _is_suspect(ours.get(product, Holding()), theirs[product])]
    again_ours, again_theirs = order_reads.holdings(suspects) if suspects else {}, levels(suspects)
    steady = [
        product
        for product in suspects
        if ours.get(product) == again_ours.get(product)
        and theirs[product] == again_theirs[product]
        and not ours.get(product, Holding()).in_flight
    ]
    found = [_difference(product, ours.get(product, Holding()), theirs[product]) for product in steady]
    return Report(
        checked=sum(level is not None for level in theirs.values()),
        differences=tuple(difference for difference in found if difference.surplus),
        waiting=tuple(difference for difference in found if not difference.surplus),
        moving=tuple(product for product in suspects if product not in steady),
        not_known=tuple(product for product in wanted if theirs[product] is None),
    )


def plan_repairs(report: Report) -> tuple[Repair, ...]:
    """The unknown lines that the figures leave only one explanation for; the others stay for a person.

    An unknown reserve that happened, and an unknown release that did not, are units that inventory still holds. A call
    may act long after its caller has given up: lines that became unknown within the last STOCK_LEASE are left alone.

    :raises DatabaseError:
    """
    unknown_before = order_reads.server_time() - timedelta(seconds=settings.STOCK_LEASE)
    found = [*report.differences, *report.waiting]
    return tuple(repair for difference in found for repair in _explanation(difference, unknown_before))


def repair(repairs: Iterable[Repair], *, act: Act) -> int:
    """Resolve the lines as planned, in our own records only; nothing is reserved or released by this.

    :returns: how many were resolved; somebody else has resolved the others meanwhile, or they were tried again.
    :raises NotPermitted:
    :raises DatabaseError: what was resolved stays so.
    """
    resolved = 0
    for planned in repairs:
        try:
            resolve_line(
                order_id=planned.order_id,
                line=planned.line,
                happened=planned.happened,
                act=act,
                expected_attempts=planned.attempts,
            )
            resolved += 1
        except NothingUnknown:
            continue
    return resolved


def _difference(product: str, holding: Holding, level: inventory.StockLevel | None) -> Difference:
    return Difference(product, _expected(holding), level.reserved if level else None, holding.unknown)


def _explanation(difference: Difference, unknown_before: datetime) -> list[Repair]:
    if not difference.unknown:
        return []
    lines = [
        (order, index, item)
        for order in order_reads.unknown_lines(product_id=difference.product_id, limit=MOST_UNKNOWN + 1)
        for index, item in enumerate(order["items"])
        if item["product_id"] == difference.product_id and item["stock"]["state"] == LineState.UNKNOWN
    ]
    if len(lines) > MOST_UNKNOWN or sum(item["quantity"] for _, _, item in lines) != difference.unknown:
        return []
    if any(_is_fresh(order, index, unknown_before) for order, index, _ in lines):
        return []
    fitting = [
        held
        for held in choices((False, True), repeat=len(lines))
        if sum(item["quantity"] for (_, _, item), kept in zip(lines, held, strict=True) if kept) == difference.surplus
    ]
    if len(fitting) != 1:
        return []
    return [
        Repair(
            order["_id"], order["number"], index, item["product_id"], item["quantity"], item["stock"]["call"],
            item["stock"]["attempts"], happened=kept == (item["stock"]["call"] == StockCall.RESERVE),
        )
        for (order, index, item), kept in zip(lines, fitting[0], strict=True)
    ]  # fmt: skip


def _is_fresh(order: Document, line: int, unknown_before: datetime) -> bool:
    return any(entry.get("line") == line and entry["at"] > unknown_before for entry in order["history"])


def _is_suspect(holding: Holding, level: inventory.StockLevel | None) -> bool:
    return holding.unknown > 0 or _expected(holding) != (level.reserved if level else 0)


def levels(product_ids: Sequence[str]) -> dict[str, inventory.StockLevel | None]:
    """What inventory has of each of these products; None of one that it does not know.

    :raises PeerError: it does not answer.
    """
    found: dict[str, inventory.StockLevel | None] = {}
    for start in range(0, len(product_ids), LEVELS_AT_ONCE):
        some = product_ids[start : start + LEVELS_AT_ONCE]
        deadline = Deadline.after(LEVELS_TIMEOUT)
        answers = gather(*(partial(inventory.stock, product_id, deadline=deadline) for product_id in some))
        for product_id, answer in zip(some, answers, strict=True):
            if isinstance(answer, PeerError):
                raise answer
            found[product_id] = answer
    return found


def _expected(holding: Holding) -> int:
    return holding.reserved + (0 if settings.INVENTORY_CONSUMES else holding.used)
