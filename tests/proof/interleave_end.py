"""What must hold when an interleaved run is over and everything has recovered."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from bson import ObjectId

from orders.models import DUE_STATES, PUBLIC_STATUSES, LineState, Status
from orders.storage.order_writes import orders
from tests.order_invariants import violations_of
from tests.proof import checks
from tests.proof.interleave_actors import PRODUCTS, UNITS

Name = Callable[[ObjectId], str]


def problems_of_orders(name: Name) -> Iterator[str]:
    """What is wrong with any order for itself; must hold at every moment."""
    for order in orders().find().sort("_id", 1):
        for problem in violations_of(order):
            yield f"{name(order['_id'])}: {problem}"


def problems_at_the_end(ledger: checks.Ledger, told: Sequence[ObjectId], name: Name) -> Iterator[str]:
    """What is wrong with all orders together, compared with what inventory did.

    :param told: the orders of which somebody was told that they are placed.
    """
    found = orders().find().sort("_id", 1).to_list()
    yield from checks.doubled(found, ledger)
    lines = [item for order in found for item in order["items"]]
    for product, units in zip(PRODUCTS, UNITS, strict=True):
        ours = sum(checks.held(line) for line in lines if line["product_id"] == product)
        theirs, free = ledger.reserved[product], ledger.available[product]
        if ours != theirs:
            yield f"inventory holds {theirs} of product {product[-1]}, our orders {ours}"
        if theirs + free != units:
            yield f"there are {theirs + free} of product {product[-1]}, not {units}"
    public = [order for order in found if order["status"] in PUBLIC_STATUSES]
    for key, times in Counter(order["shipping_address"].get("line2") for order in public).items():
        if key and times > 1:
            yield f"{times} orders were placed by key {key}"
    for order_id in sorted(set(told) - {order["_id"] for order in public}):
        yield f"somebody was told that {name(order_id)} is placed, and it is not"
    if any(order.get("stock_due_at") or order["status"] == Status.PLACING for order in found):
        yield "something is still owed after recovery"
    if any(line["stock"]["state"] in (*DUE_STATES, LineState.UNKNOWN) for line in lines):
        yield "a line is still open after recovery"
