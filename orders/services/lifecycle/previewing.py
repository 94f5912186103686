"""An order before it is placed: what its products are called and cost, and all that would keep it from being placed.

Nothing is kept and nothing reserved: placing it checks everything again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import partial

from django.conf import settings
from django.utils.translation import gettext as _

from integrations import Deadline, PeerError
from integrations.users import User
from orders.models import Address, Item, Order, to_cents
from orders.services.access import Actor
from orders.services.identifiers import MalformedUserId, canonical
from orders.services.lifecycle.drafts import Details, InvalidOrder, new_draft, require_number_of_lines
from orders.services.lifecycle.frozen_facts import product_facts, user_facts
from orders.services.lifecycle.verification import (
    Answers,
    ask_peers,
    foreign_prices,
    insufficient,
    units_by_product,
    unknown_products,
    unknown_user,
)

STAND_IN = Decimal("0.01")
"""The price of a line while nobody has said what it is."""


@dataclass(frozen=True)
class PreviewLine:
    """A line as it would be placed; what is not known is empty or None.

    :ivar available: units that can be reserved, as far as inventory tells.
    :ivar enough: whether the stock suffices, all lines of the product taken together.
    """

    name: str = ""
    sku: str = ""
    price: Decimal | None = None
    available: int | None = None
    enough: bool | None = None


@dataclass(frozen=True)
class Preview:
    """What placing the order would come to.

    :ivar customer: by name or e-mail address, as the user service has them.
    :ivar problems: what is wrong, by field, named as in the refusals of a placement.
    :ivar away: the peers beside the user service that did not answer.
    :ivar unverified: the user service did not answer.
    :ivar can_be_unverified: an order can be placed nevertheless, and is marked.
    :ivar total: None where a price is not known.
    """

    customer: str = ""
    lines: list[PreviewLine] = field(default_factory=list)
    problems: Mapping[str, list[str]] = field(default_factory=dict)
    away: list[str] = field(default_factory=list)
    unverified: bool = False
    can_be_unverified: bool = False
    total: Decimal | None = None

    @property
    def can_place(self) -> bool:
        stopped = self.problems or self.away or (self.unverified and not self.can_be_unverified)
        return not stopped and self.total is not None


def preview_order(
    *,
    user_id: str,
    items: Sequence[Item],
    shipping_address: Address,
    details: Details,
    actor: Actor,
    at: datetime,
    deadline: Deadline | None = None,
) -> Preview:
    """Look at an order that somebody is about to place.

    :param items: with product_id and quantity; their prices are set to what they are now.
    :raises NotPermitted: an order in another's name.
    """
    actor.require_placing_for(user_id)
    try:
        require_number_of_lines(len(items))
    except InvalidOrder as error:
        return Preview(problems=error.members["errors"], lines=[PreviewLine() for _ in items])
    for item in items:
        item.product_id, item.price = item.product_id.lower(), STAND_IN
    user_id, problems = _user(user_id)
    order = partial(new_draft, user_id or "0", list(items), shipping_address, at, details)
    problems |= _problems(order)
    answers = ask_peers(
        user_id,
        units_by_product(item for index, item in enumerate(items) if not _is_about(f"items.{index}.", problems)),
        deadline=deadline or Deadline.after(settings.REQUEST_DEADLINE),
    )
    for item in items:
        if product := answers.products.get(item.product_id):
            item.price = to_cents(product.price)
    if user_id and answers.user is None:
        problems |= unknown_user(user_id).members["errors"]
    problems |= _problems_told(items, answers, details.currency or settings.CURRENCY)
    return _told(items, answers, problems or _problems(order))


def _user(given: str) -> tuple[str, dict[str, list[str]]]:
    """The user id in its one spelling, empty if it is none; and what is wrong with it."""
    if not given:
        return "", {"user_id": [_("Enter the customer’s user id.")]}
    try:
        return canonical(given), {}
    except MalformedUserId as error:
        return "", {"user_id": [error.detail]}


def _problems(order: Callable[[], Order]) -> dict[str, list[str]]:
    """What breaks a rule that needs no peer. :param order: makes the draft of it."""
    try:
        order()
    except InvalidOrder as error:
        return dict(error.members["errors"])
    return {}


def _problems_told(items: Sequence[Item], answers: Answers, currency: str) -> dict[str, list[str]]:
    """What the answers of the peers rule out."""
    found = answers.products
    existing = {name: left for name, left in answers.short.items() if name not in found or found[name] is not None}
    short: dict[str, list[str]] = insufficient(items, existing).members["errors"]
    return short | unknown_products(items, found) | foreign_prices(items, found, currency)


def _is_about(prefix: str, problems: Mapping[str, list[str]]) -> bool:
    return any(name.startswith(prefix) for name in problems)


def _told(items: Sequence[Item], answers: Answers, problems: Mapping[str, list[str]]) -> Preview:
    lines = [_line(item, answers) for item in items]
    priced = [item for item, line in zip(items, lines, strict=True) if line.price is not None]
    known = user_facts(answers.user) if isinstance(answers.user, User) else {"name": "", "email": ""}
    unverified = isinstance(answers.user, PeerError)
    return Preview(
        customer=known["name"] or known["email"],
        lines=lines,
        problems=problems,
        away=sorted({error.peer for error in answers.errors}),
        unverified=unverified,
        can_be_unverified=settings.ALLOW_UNVERIFIED_USERS,
        total=sum((item.price * item.quantity for item in items), Decimal(0)) if len(priced) == len(items) else None,
    )


def _line(item: Item, answers: Answers) -> PreviewLine:
    product, stock = answers.products.get(item.product_id), answers.stock.get(item.product_id)
    names = product_facts(product) if product else {"name": "", "sku": ""}
    return PreviewLine(
        name=names["name"],
        sku=names["sku"],
        price=item.price if product else None,
        available=stock.current_quantity if stock else None,
        enough=stock.available if stock else None,
    )
