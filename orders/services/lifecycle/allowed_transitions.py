"""Which transitions an order may make as it is now, and what is said where it may not."""

from collections.abc import Sequence

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from orders.models import Edge, Order, can_proceed, condition_words, edges_from
from orders.services.errors import OrderError, RefusalKind
from orders.services.words import status_word, status_words, transition_word

CANNOT = gettext_noop("Cannot %(transition)s an order that is %(status)s.")
CAN_BECOME = gettext_noop("It can become: %(statuses)s.")
FINAL = gettext_noop("It is final.")
"""Also kept, where a bulk run passes by an order."""


class TransitionRefused(OrderError):
    """The machine does not allow this change from the order's present status."""

    code = "transition_not_allowed"
    kind = RefusalKind.CONFLICT


def edge_of(order: Order, transition: str) -> Edge:
    """The arrow by which a transition leads on from where an order is.

    :raises TransitionRefused: there is none, or a condition of it is not met.
    """
    edge = next((edge for edge in edges_from(order.status) if edge.name == transition), None)
    if edge is None:
        text, allowed = refusal(transition, order.status), allowed_of(order)
        raise TransitionRefused(text, current_status=order.status, allowed=allowed)
    if not can_proceed(getattr(order, edge.name)):
        told = _("Cannot %(transition)s this order now.") % {"transition": transition_word(edge.name)}
        raise _refused(order, f"{told} {condition_words(edge, order)}")
    return edge


def cannot_become(order: Order, status: str) -> TransitionRefused:
    """That no transition leads to this status."""
    words = {"status": status_word(order.status), "target": status_word(status)}
    return _refused(order, _("An order that is %(status)s cannot become %(target)s.") % words)


def refusal(transition: str, status: str) -> str:
    """Why a transition is refused to an order in this status, and what it can become instead."""
    told = _(CANNOT)
    words = {"transition": transition_word(transition), "status": status_word(status)}
    return f"{told % words} {_alternatives(status)}"


def _refused(order: Order, problem: str) -> TransitionRefused:
    allowed = allowed_of(order)
    return TransitionRefused(f"{problem} {_choice(allowed)}", current_status=order.status, allowed=allowed)


def allowed_of(order: Order) -> list[str]:
    """The statuses that it can become as it is now."""
    return [edge.target for edge in edges_from(order.status) if not condition_words(edge, order)]


def _alternatives(status: str) -> str:
    return _choice([edge.target for edge in edges_from(status)])


def _choice(allowed: Sequence[str]) -> str:
    if not allowed:
        return _(FINAL)
    return _(CAN_BECOME) % {"statuses": status_words(allowed)}
