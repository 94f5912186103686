"""The check of a new order: what it would come to, and all that keeps it from being placed."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus

from django.utils.translation import gettext as _

from integrations import Deadline
from orders.admin.money_format import money
from orders.admin.new_order_form import Typed, as_checked
from orders.admin.staff_actions import status_of, why_not
from orders.models import Document, to_cents
from orders.services.audit import Act
from orders.services.errors import OrderError
from orders.services.lifecycle.previewing import Preview, preview_order
from orders.services.lifecycle.verification import PriceChanged, VerificationFailed
from orders.services.lifecycle.versions import StaleOrder


@dataclass(frozen=True)
class Step:
    """What a button came to.

    :ivar typed: what the form shows next.
    :ivar placed: the order, if there is one now; then nothing else matters.
    :ivar told: what went wrong, in words.
    :ivar errors: by field, as the services name them.
    """

    typed: Typed
    preview: Preview | None = None
    placed: Document | None = None
    told: str = ""
    errors: Mapping[str, list[str]] = field(default_factory=dict)
    status: HTTPStatus = HTTPStatus.OK


def check(typed: Typed, act: Act, deadline: Deadline | None = None) -> Step:
    """Say what the order would come to, and all that would keep it from being placed."""
    preview = preview_order(
        user_id=typed.text("user_id"),
        items=typed.items,
        shipping_address=typed.shipping_address,
        details=typed.details,
        actor=act.actor,
        at=act.at,
        deadline=deadline,
    )
    return Step(as_checked(typed, preview), preview)


def checked_again(typed: Typed, act: Act, error: VerificationFailed, deadline: Deadline) -> Step:
    """After a refusal because of what a peer says: how things are now, and what has changed."""
    again = check(typed, act, deadline)
    told = why_not(error)
    if isinstance(error, PriceChanged) and again.preview:
        told = _("A price has changed. Nothing was placed: %(changes)s. Look at the total, and place the order.") % {
            "changes": ", ".join(_changes(typed, again.preview)) or error.detail
        }
    return replace(again, told=told, status=status_of(error))


def _changes(typed: Typed, preview: Preview) -> list[str]:
    """The prices that are not as they were shown, in words."""
    currency, told = typed.text("currency"), []
    for item, line in zip(typed.items, preview.lines, strict=True):
        if line.price is not None and line.price != to_cents(item.price):
            prices = {"before": money(item.price, currency), "now": money(line.price, currency)}
            told.append(_("%(product)s %(before)s → %(now)s") % {"product": line.name or item.product_id, **prices})
    return told


def refused(typed: Typed, error: OrderError) -> Step:
    """The form again, with what is wrong beside its fields; it has to be checked again."""
    texts = typed.texts
    if isinstance(error, StaleOrder):  # they look at the order whose place it takes as it is now
        texts = {**texts, "version": str(error.members["version"])}
    errors = error.members.get("errors", {})
    return Step(replace(typed, texts=texts, checked=""), told=why_not(error), errors=errors, status=status_of(error))
