"""Asking the peers, side by side, whether an order can be placed at all."""

from collections import Counter
from collections.abc import Iterable
from functools import partial
from typing import cast

from django.conf import settings

from integrations import inventory, products, users
from integrations.deadline import Deadline
from integrations.errors import PeerError
from integrations.inventory import Availability
from integrations.parallel import gather
from integrations.products import Product
from orders.models.order import Order
from orders.services.errors import OrderError


class VerificationFailed(OrderError):
    """A peer answered, and the answer rules the order out."""

    code = "verification_failed"


class UnknownUser(VerificationFailed):
    code = "unknown_user"


class UnknownProduct(VerificationFailed):
    """`errors` names each line whose product does not exist."""

    code = "unknown_product"


class PriceChanged(VerificationFailed):
    """`errors` names each line with its product's `current_price`."""

    code = "price_changed"


class InsufficientStock(VerificationFailed):
    """`errors` names each line whose product is short; lines of one product are counted together."""

    code = "insufficient_stock"


def verify(order: Order, *, deadline: Deadline) -> bool:
    """Verify an order's user, products, prices and stock; each product is asked about once.

    :returns: False where the user service could not be asked and ALLOW_UNVERIFIED_USERS lets the order through.
    :raises VerificationFailed: the first rule broken, in this order: user, products, prices, stock.
    :raises PeerUnavailable: a peer that is needed gave no usable answer.
    """
    wanted: Counter[str] = Counter()
    for item in order.items:
        wanted[item.product_id] += item.quantity
    ids = list(wanted)
    user, *answers = gather(
        partial(users.verify, order.user_id, deadline=deadline),
        *(partial(products.fetch, product_id, deadline=deadline) for product_id in ids),
        *(partial(inventory.check, product_id, wanted[product_id], deadline=deadline) for product_id in ids),
    )
    if user is False:
        raise UnknownUser(f"There is no active user {order.user_id}.", errors={"user_id": ["Unknown or inactive."]})
    _raise_first(answers if settings.ALLOW_UNVERIFIED_USERS else [user, *answers])
    found = dict(zip(ids, cast("list[Product | None]", answers[: len(ids)]), strict=True))
    stock = dict(zip(ids, cast("list[Availability]", answers[len(ids) :]), strict=True))
    _check_products(order, found)
    _check_stock(order, wanted, stock)
    return user is True


def _raise_first(answers: Iterable[object]) -> None:
    for answer in answers:
        if isinstance(answer, PeerError):
            raise answer


def _check_products(order: Order, found: dict[str, Product | None]) -> None:
    unknown = {
        f"items.{index}.product_id": [f"There is no product {item.product_id}."]
        for index, item in enumerate(order.items)
        if found[item.product_id] is None
    }
    if unknown:
        raise UnknownProduct("; ".join(problem for [problem] in unknown.values()), errors=unknown)
    prices = {product_id: product.price for product_id, product in found.items() if product}
    changed = {
        f"items.{index}.price": [f"The price of {item.product_id} is {prices[item.product_id]}, not {item.price}."]
        for index, item in enumerate(order.items)
        if item.price != prices[item.product_id]
    }
    if changed:
        current = {f"items.{index}": str(prices[item.product_id]) for index, item in enumerate(order.items)}
        raise PriceChanged(
            "; ".join(problem for [problem] in changed.values()),
            errors=changed,
            current_prices={line: price for line, price in current.items() if f"{line}.price" in changed},
        )


def _check_stock(order: Order, wanted: Counter[str], found: dict[str, Availability]) -> None:
    short = {
        f"items.{index}.quantity": [_shortage(item.product_id, wanted[item.product_id], found[item.product_id])]
        for index, item in enumerate(order.items)
        if not found[item.product_id].available
    }
    if short:
        raise InsufficientStock("; ".join(dict.fromkeys(problem for [problem] in short.values())), errors=short)


def _shortage(product_id: str, wanted: int, answer: Availability) -> str:
    there = f"{answer.current_quantity} in stock" if answer.current_quantity is not None else answer.message
    return f"Product {product_id}: {wanted} wanted, {there or 'not available'}."
