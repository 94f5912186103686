"""Drafts: what must be true of an order before any peer is asked."""

from datetime import datetime

from django.conf import settings
from django.core.exceptions import ValidationError

from orders.models import Address, Item, Order, Stock, to_cents
from orders.services.access import Actor, Kind
from orders.services.errors import OrderError
from orders.services.identifiers import new_number
from orders.services.text_rules import address_problems
from orders.storage import order_reads


class InvalidOrder(OrderError):
    """The order breaks a rule that needs no peer; `errors` maps each wrong field to its problems."""

    code = "invalid_order"


class TooManyOpenOrders(OrderError):
    """The customer has as many unpaid orders as one may have; `limit` says how many."""

    code = "too_many_open_orders"


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
            f"You have reached the limit of unpaid orders ({limit}). Pay or cancel one of them first.", limit=limit
        )


def new_draft(user_id: str, items: list[Item], shipping_address: Address, at: datetime) -> Order:
    """A new order in `placing`, tidied and checked.

    :raises InvalidOrder:
    """
    at = at.replace(microsecond=at.microsecond // 1000 * 1000)
    order = Order(
        number=new_number(),
        user_id=user_id,
        items=items,
        shipping_address=shipping_address,
        created_at=at,
        updated_at=at,
        status_since=at,
    )
    _check_limits(items)
    if problems := address_problems(shipping_address):
        errors = {f"shipping_address.{name}": found for name, found in problems.items()}
        raise InvalidOrder("Nothing can be sent to this address.", errors=errors)
    for item in items:
        # So that lines of one product are recognised, however its ObjectId is spelt.
        item.product_id = item.product_id.lower()
        item.price = to_cents(item.price)
        item.stock = Stock()
    order.total_price = order.total
    if order.total_price > settings.MAX_ORDER_TOTAL:
        raise InvalidOrder(
            f"The total is {order.total_price}; an order may come to {settings.MAX_ORDER_TOTAL} at most.",
            errors={"items": ["The total is too high."]},
        )
    try:
        order.full_clean(exclude=["status", "history", "items", "shipping_address"])
    except ValidationError as error:
        raise InvalidOrder("The order is not valid.", errors=error.message_dict) from error
    return order


def require_number_of_lines(count: int) -> None:
    """:raises InvalidOrder: an order may not have this many lines. Checked before anything is done for each of them."""
    if not 1 <= count <= settings.MAX_ORDER_LINES:
        raise InvalidOrder(
            f"An order has 1 to {settings.MAX_ORDER_LINES} lines; this one has {count}.",
            errors={"items": [f"1 to {settings.MAX_ORDER_LINES} lines are allowed."]},
        )


def _check_limits(items: list[Item]) -> None:
    require_number_of_lines(len(items))
    errors = {
        f"items.{index}.quantity": [f"At most {settings.MAX_LINE_QUANTITY} are allowed on one line."]
        for index, item in enumerate(items)
        if item.quantity > settings.MAX_LINE_QUANTITY
    }
    if errors:
        raise InvalidOrder(f"A line may have a quantity of {settings.MAX_LINE_QUANTITY} at most.", errors=errors)
