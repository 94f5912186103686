"""Asking the peers, all at the same time, whether an order can be placed."""

from collections import ChainMap, Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any, cast

from django.conf import settings
from django.utils.formats import localize
from django.utils.translation import gettext as _

from integrations import Deadline, PeerError, gather, inventory, products, users
from orders.models import Item, Order, to_cents
from orders.services.errors import OrderError, RefusalKind
from orders.services.lifecycle.frozen_facts import freeze_contact, freeze_product


class VerificationFailed(OrderError):
    """A peer answered, and the answer rules the order out."""

    code = "verification_failed"
    kind = RefusalKind.INVALID


class UnknownUser(VerificationFailed):
    code = "unknown_user"


class UnknownProduct(VerificationFailed):
    """`errors` names each line whose product does not exist."""

    code = "unknown_product"


class PriceChanged(VerificationFailed):
    """`errors` names each line whose price is another, or in another currency; `current_prices` has what it is now."""

    code = "price_changed"
    kind = RefusalKind.CONFLICT


class InsufficientStock(VerificationFailed):
    """Inventory has too little, or said no. The same whether its check or its reserve said so.

    `errors` names each line whose product is short, lines of one product being counted together; `available` says how
    many units there are for each of them, None where inventory does not tell.

    :ivar wanted: units by product, of those that are short.
    """

    code = "insufficient_stock"
    kind = RefusalKind.CONFLICT

    def __init__(self, detail: str, *, wanted: Mapping[str, int] | None = None, **members: Any) -> None:
        super().__init__(detail, **members)
        self.wanted = wanted or {}


def verify(order: Order, *, deadline: Deadline) -> bool:
    """Verify an order's user, products, prices and stock; each product is asked about once.

    What the peers call user and products is written into the order (:mod:`orders.services.lifecycle.frozen_facts`).

    :returns: False where the user service could not be asked and ALLOW_UNVERIFIED_USERS lets the order through.
    :raises VerificationFailed: the first rule broken, in this order: user, products, prices, stock.
    :raises PeerUnavailable: a peer that is needed gave no usable answer.
    """
    answers = ask_peers(order.user_id, units_by_product(order.items), deadline=deadline)
    user = answers.user
    if user is None:
        raise unknown_user(order.user_id)
    unverified = [] if settings.ALLOW_UNVERIFIED_USERS else [one for one in (user,) if isinstance(one, PeerError)]
    if errors := unverified + answers.errors:
        raise errors[0]
    _check_products(order, answers.products)
    if short := answers.short:
        raise insufficient(order.items, short)
    for item in order.items:
        freeze_product(item, cast("products.Product", answers.products[item.product_id]))
    if isinstance(user, users.User):
        freeze_contact(order, user)
    return isinstance(user, users.User)


@dataclass(frozen=True)
class Answers:
    """What the peers said. What is missing of products and stock is what they did not say.

    :ivar user: None: there is none who may order.
    :ivar errors: why something is missing, of products before stock.
    """

    user: users.User | PeerError | None
    products: products.Found
    stock: dict[str, inventory.Availability]
    errors: list[PeerError]

    @property
    def short(self) -> dict[str, int | None]:
        """The products of which there is too little, and how many units there are."""
        return {product_id: found.current_quantity for product_id, found in self.stock.items() if not found.available}


def ask_peers(user_id: str, wanted: Mapping[str, int], *, deadline: Deadline) -> Answers:
    """Ask about a user, and about so many units of products, all at the same time."""
    ids = list(wanted)
    look_ups = products.look_ups(ids, deadline=deadline)
    user, *answers = gather(
        partial(users.verify, user_id, deadline=deadline),
        *look_ups,
        *(partial(inventory.check, product_id, wanted[product_id], deadline=deadline) for product_id in ids),
    )
    found, stock = answers[: len(look_ups)], dict(zip(ids, answers[len(look_ups) :], strict=True))
    return Answers(
        cast("users.User | PeerError | None", user),
        dict(ChainMap(*(cast("products.Found", one) for one in found if not isinstance(one, PeerError)))),
        {name: one for name, one in stock.items() if isinstance(one, inventory.Availability)},
        [one for one in answers if isinstance(one, PeerError)],
    )


def unknown_user(user_id: str) -> UnknownUser:
    """The error for a user who does not exist, or may not order."""
    return UnknownUser(
        _("There is no active user %(user)s.") % {"user": user_id}, errors={"user_id": [_("Unknown or inactive.")]}
    )


def refused_stock(order: Order, product_ids: Iterable[str], *, deadline: Deadline) -> InsufficientStock:
    """The error for products that inventory refused to reserve, with what is in stock: inventory is asked once more.

    Where it does not answer, or says that there is enough after all, the number is not known.
    """
    wanted, short = units_by_product(order.items), dict.fromkeys(product_ids)
    asked = (partial(inventory.check, name, wanted[name], deadline=deadline, retries=False) for name in short)
    answers = dict(zip(short, gather(*asked), strict=True))
    return insufficient(order.items, {product_id: _too_few(answers[product_id]) for product_id in short})


def _too_few(answer: inventory.Availability | PeerError) -> int | None:
    return answer.current_quantity if isinstance(answer, inventory.Availability) and not answer.available else None


def units_by_product(items: Iterable[Item]) -> Counter[str]:
    """Units by product, over all lines."""
    wanted: Counter[str] = Counter()
    for item in items:
        wanted[item.product_id] += item.quantity
    return wanted


def unknown_products(items: Sequence[Item], found: products.Found) -> dict[str, list[str]]:
    """What is wrong with the lines whose product does not exist, by field."""
    return {
        f"items.{index}.product_id": [_("There is no product %(product)s.") % {"product": item.product_id}]
        for index, item in enumerate(items)
        if item.product_id in found and found[item.product_id] is None
    }


def foreign_prices(items: Sequence[Item], found: products.Found, currency: str) -> dict[str, list[str]]:
    """What is wrong with the lines whose price is in another currency than the order's, by field."""
    priced_in = {product_id: product.currency or settings.CURRENCY for product_id, product in found.items() if product}
    return {
        f"items.{index}.price": [
            _("The price of %(product)s is in %(currency)s.")
            % {"product": item.product_id, "currency": priced_in[item.product_id]}
        ]
        for index, item in enumerate(items)
        if priced_in.get(item.product_id, currency) != currency
    }


def _check_products(order: Order, found: products.Found) -> None:
    if unknown := unknown_products(order.items, found):
        raise UnknownProduct("; ".join(problem for [problem] in unknown.values()), errors=unknown)
    if foreign := foreign_prices(order.items, found, order.currency):
        told = _("The order is in %(currency)s.") % {"currency": order.currency}
        raise PriceChanged(" ".join([told, *(problem for [problem] in foreign.values())]), errors=foreign)
    prices = {product_id: to_cents(product.price) for product_id, product in found.items() if product}
    changed = {
        f"items.{index}.price": [_price_changed(item, prices[item.product_id])]
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


def _price_changed(item: Item, price: Decimal) -> str:
    prices = {"price": localize(price), "given": localize(item.price)}
    return _("The price of %(product)s is %(price)s, not %(given)s.") % {"product": item.product_id, **prices}


def insufficient(items: Sequence[Item], short: Mapping[str, int | None]) -> InsufficientStock:
    """The error for lines of products of which there is too little. :param short: how many units there are of each."""
    wanted = units_by_product(items)
    lines = {index: item.product_id for index, item in enumerate(items) if item.product_id in short}
    problems = {name: _shortage(name, wanted[name], available) for name, available in short.items()}
    return InsufficientStock(
        "; ".join(problems.values()),
        errors={f"items.{index}.quantity": [problems[product_id]] for index, product_id in lines.items()},
        available={f"items.{index}": short[product_id] for index, product_id in lines.items()},
        wanted={product_id: wanted[product_id] for product_id in short},
    )


def _shortage(product_id: str, wanted: int, available: int | None) -> str:
    if available is None:
        told = _("Product %(product)s: %(wanted)d wanted, more than can be had.")
    else:
        told = _("Product %(product)s: %(wanted)d wanted, %(available)d in stock.")
    return told % {"product": product_id, "wanted": wanted, "available": available}
