"""Drafts: what must be true of an order before any peer is asked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.formats import localize
from django.utils.translation import gettext as _

from orders.models import Address, Contact, Item, Order, Stock, to_cents
from orders.services.access import Actor, Kind
from orders.services.errors import OrderError, RefusalKind
from orders.services.identifiers import new_number
from orders.services.text_rules import line_problem, one_line, part_problems, problem_of, several_lines
from orders.storage import order_reads


class InvalidOrder(OrderError):
    """The order breaks a rule that needs no peer; `errors` maps each wrong field to its problems."""

    code = "invalid_order"
    kind = RefusalKind.INVALID


MOST_METADATA = 50
LONGEST_METADATA_KEY = 40
LONGEST_METADATA_VALUE = 500
"""Characters."""
RECIPIENT = ("name", "company", "phone")
"""The fields of an address that say who receives it there."""


@dataclass(frozen=True)
class Details:
    """What an order may say beside whom it is for, its lines and where it goes.

    :ivar contact: whom to reach about it; what it leaves out is asked of the user service.
    :ivar currency: by its code; None: the shop's.
    :ivar reference: the storefront's own number of it.
    :ivar note: the customer's.
    :ivar metadata: text by name.
    """

    contact: Contact = field(default_factory=Contact)
    currency: str | None = None
    reference: str = ""
    note: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    billing_address: Address | None = None


class TooManyOpenOrders(OrderError):
    """The customer has as many unpaid orders as one may have; `limit` says how many."""

    code = "too_many_open_orders"
    kind = RefusalKind.CONFLICT


def require_room_for_orders(actor: Actor, user_id: str) -> None:
    """Limit a customer's unpaid orders, since they hold stock; not those that others place for them.

    An order counts once its draft is written, so that several that arrive at the same moment may all pass.

    :raises TooManyOpenOrders:
    """
    limit = settings.MAX_OPEN_ORDERS_PER_USER
    if not limit or actor.kind is not Kind.CUSTOMER:
        return
    if order_reads.count_open(user_id, most=limit) >= limit:
        raise TooManyOpenOrders(
            _("You have reached the limit of unpaid orders (%(limit)d). Pay or cancel one of them first.")
            % {"limit": limit},
            limit=limit,
        )


def new_draft(user_id: str, items: list[Item], shipping_address: Address, at: datetime, details: Details) -> Order:
    """A new order in `placing`, tidied and checked.

    :raises InvalidOrder:
    """
    at = at.replace(microsecond=at.microsecond // 1000 * 1000)
    order = Order(
        number=new_number(),
        user_id=user_id,
        items=items,
        currency=details.currency or settings.CURRENCY,
        contact=details.contact,
        shipping_address=shipping_address,
        billing_address=details.billing_address,
        reference=one_line(details.reference),
        note=several_lines(details.note),
        metadata=tidied_metadata(_few(details.metadata)),
        created_at=at,
        updated_at=at,
        status_since=at,
    )
    _check_limits(items)
    if problems := _part_problems(order) | _detail_problems(order):
        raise InvalidOrder(_("Check the fields of the order."), errors=problems)
    for item in items:
        # So that lines of one product are recognised, however its ObjectId is spelt.
        item.product_id = item.product_id.lower()
        item.price = to_cents(item.price)
        item.stock = Stock()
    order.total_price = order.total
    if order.total_price > settings.MAX_ORDER_TOTAL:
        raise InvalidOrder(
            _("The total is %(total)s; an order may come to %(most)s at most.")
            % {"total": localize(order.total_price), "most": localize(settings.MAX_ORDER_TOTAL)},
            errors={"items": [_("The total is too high.")]},
        )
    try:
        parts = ("items", "contact", "shipping_address", "billing_address")
        order.full_clean(exclude=["status", "history", "metadata", *parts])
    except ValidationError as error:
        raise InvalidOrder(_("The order is not valid."), errors=error.message_dict) from error
    return order


def requested(order: Order) -> list[Any]:
    """What a new draft was asked to be, JSON-ready: the same for two requests exactly if they ask for the same.

    Fields that orders did not always have stand apart and only where they say something, so that a request means the
    same to the version before.
    """
    shipping = _values(order.shipping_address)
    lines = [[item.product_id, item.quantity, str(item.price)] for item in order.items]
    said = {
        "currency": order.currency if order.currency != settings.CURRENCY else "",
        "contact": {name: value for name, value in _values(order.contact).items() if value},
        "recipient": {name: value for name in RECIPIENT if (value := shipping.pop(name))},
        "billing_address": _values(order.billing_address) if order.billing_address else None,
        "reference": order.reference,
        "note": order.note,
        "metadata": order.metadata,
    }
    more = {name: value for name, value in said.items() if value}
    return [order.user_id, lines, shipping, *([more] if more else [])]


def _values(part: Address | Contact) -> dict[str, str]:
    return {field.name: getattr(part, field.name) for field in part._meta.concrete_fields if not field.primary_key}


def _few(metadata: Mapping[str, str]) -> Mapping[str, str]:
    """:raises InvalidOrder: it has too many entries. Checked before anything is done for each of them."""
    if len(metadata) > MOST_METADATA:
        problem = _("At most %(most)d entries are allowed; there are %(count)d.")
        problem %= {"most": MOST_METADATA, "count": len(metadata)}
        raise InvalidOrder(_("Metadata: %(problem)s") % {"problem": problem}, errors={"metadata": [problem]})
    return metadata


def _part_problems(order: Order) -> dict[str, list[str]]:
    names = ("contact", "shipping_address", "billing_address")
    parts = {name: part for name in names if (part := getattr(order, name)) is not None}
    return {f"{name}.{field}": found for name, part in parts.items() for field, found in part_problems(part).items()}


def _detail_problems(order: Order) -> dict[str, list[str]]:
    problems: dict[str, list[str]] = {}
    if order.currency not in settings.CURRENCIES:
        problems["currency"] = [
            _("Orders are taken in %(currencies)s only.") % {"currencies": ", ".join(settings.CURRENCIES)}
        ]
    for name in ("reference", "note"):
        if problem := problem_of(getattr(order, name)):
            problems[name] = [problem]
    entries = {name: metadata_problem(name, text) for name, text in order.metadata.items()}
    # A name may be as long as the body.
    return problems | {f"metadata.{name[:LONGEST_METADATA_KEY]}": [found] for name, found in entries.items() if found}


def tidied_metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    """Metadata as it is kept."""
    return {name: several_lines(text) for name, text in metadata.items()}


def metadata_problem(name: str, text: str) -> str | None:
    """What is wrong with an entry of the metadata. MongoDB reads dots and dollar signs in names as its own."""
    if not 1 <= len(name) <= LONGEST_METADATA_KEY or "." in name or name.startswith("$"):
        told = _("A name has 1 to %(longest)d characters, no dot, and no dollar sign at its start.")
        return told % {"longest": LONGEST_METADATA_KEY}
    if len(text) > LONGEST_METADATA_VALUE:
        told = _("A text has at most %(longest)d characters; this one has %(length)d.")
        return told % {"longest": LONGEST_METADATA_VALUE, "length": len(text)}
    return line_problem(name) or problem_of(text)


def require_number_of_lines(count: int) -> None:
    """:raises InvalidOrder: an order may not have this many lines. Checked before anything is done for each of them."""
    if not 1 <= count <= settings.MAX_ORDER_LINES:
        raise InvalidOrder(
            _("An order has 1 to %(most)d lines; this one has %(count)d.")
            % {"most": settings.MAX_ORDER_LINES, "count": count},
            errors={"items": [_("1 to %(most)d lines are allowed.") % {"most": settings.MAX_ORDER_LINES}]},
        )


def _check_limits(items: list[Item]) -> None:
    require_number_of_lines(len(items))
    errors = {
        f"items.{index}.quantity": [
            _("At most %(most)d are allowed on one line.") % {"most": settings.MAX_LINE_QUANTITY}
        ]
        for index, item in enumerate(items)
        if item.quantity > settings.MAX_LINE_QUANTITY
    }
    if errors:
        told = _("A line may have a quantity of %(most)d at most.") % {"most": settings.MAX_LINE_QUANTITY}
        raise InvalidOrder(told, errors=errors)
