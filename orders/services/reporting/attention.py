"""Orders that need attention, and what staff can do about them besides transitions and resolving unknown lines."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bson import ObjectId
from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, ngettext

from integrations import Deadline, PeerError, users
from orders.models import DUE_STATES, Document, LineState
from orders.services.access import RESOLVE, Actor, NotPermitted, visible
from orders.services.adoption.adopting import not_adopted
from orders.services.audit import Act
from orders.services.errors import OrderError, RefusalKind
from orders.services.lifecycle.frozen_facts import user_facts
from orders.services.lifecycle.versions import TRIES, busy
from orders.services.search_terms import terms_of
from orders.services.text_rules import CONTACT_FIELDS
from orders.storage import alerts, order_reads, time_limit
from orders.storage.alerts import NEEDS_ATTENTION, Alert
from orders.storage.line_stock import LineStock, lines_by_index
from orders.storage.order_writes import guarded_write

SHOWN, COUNTED = 25, 500
"""Of each kind, how many orders are shown (those that have waited longest), and up to how many are counted."""
NOT_RELEASED = gettext_noop("%(units)s not released. %(error)s")
KNOWN = gettext_noop("The user service knows %(user)s as an active user.")
READING = 2.0
"""Seconds for reading all of them."""


class NothingOwed(OrderError):
    """No line of the order can be retried: no stock is due, or it is being tried."""

    code = "nothing_owed"
    kind = RefusalKind.CONFLICT


class NothingShort(OrderError):
    """The line is not short of the units that the caller saw."""

    code = "nothing_short"
    kind = RefusalKind.CONFLICT


class StillUnverified(OrderError):
    """The user could still not be verified."""

    code = "still_unverified"
    kind = RefusalKind.CONFLICT


@dataclass(frozen=True)
class Waiting:
    """The orders with one alert.

    :ivar count: how many there are, counted up to COUNTED.
    :ivar orders: those that have waited longest, as :data:`orders.storage.alerts.FIELDS` says.
    :ivar since: the field that says for how long; of those that are snoozed, until when they are.
    """

    alert: Alert
    count: int
    orders: Sequence[Document] = ()
    since: str = ""

    @property
    def more(self) -> bool:
        """Whether there may be more than are counted."""
        return self.count >= COUNTED


def counts(*, actor: Actor, at: datetime) -> list[Waiting]:
    """How many orders need attention, by alert.

    :raises NotPermitted: the actor does not see all orders.
    :raises DatabaseError: also where it takes too long.
    """
    _require_seeing_all(actor)
    with time_limit(READING):
        return [Waiting(alert, alerts.count(alert, at, COUNTED)) for alert in NEEDS_ATTENTION]


def everything(*, actor: Actor, at: datetime) -> list[Waiting]:
    """The orders that need attention, by alert; raises as :func:`counts` does."""
    _require_seeing_all(actor)
    with time_limit(READING):
        return [_waiting(alert, at) for alert in NEEDS_ATTENTION]


def snoozed(*, actor: Actor, at: datetime) -> Waiting:
    """The orders that are snoozed, those first that wake up first; raises as above."""
    _require_seeing_all(actor)
    with time_limit(READING):
        return _waiting(Alert.SNOOZED, at)


def number(*, actor: Actor, at: datetime, most: int, within: float) -> int:
    """How many orders need attention, each counted once, up to `most`.

    :param within: seconds.
    :raises NotPermitted: the actor does not see all orders.
    :raises DatabaseError: also where it takes too long.
    """
    _require_seeing_all(actor)
    with time_limit(within):
        return alerts.count_of_any(at, most)


def _waiting(alert: Alert, at: datetime) -> Waiting:
    found = alerts.longest_waiting(alert, at, SHOWN)
    # What is not cut off is counted already.
    count = alerts.count(alert, at, COUNTED) if len(found) == SHOWN else len(found)
    return Waiting(alert, count, found, alerts.since(alert, at))


def foreign(*, actor: Actor) -> int:
    """How many documents of another service there are among the orders, counted up to COUNTED; raises as above."""
    _require_seeing_all(actor)
    with time_limit(READING):
        return not_adopted(COUNTED)


def _require_seeing_all(actor: Actor) -> None:
    if not actor.sees_all:
        raise NotPermitted(_("You may not see orders that need attention."))


def retry_now(*, order_id: ObjectId, act: Act) -> Document:
    """Make an order's stock due at once, for the lines that nobody is trying right now; a worker does the rest.

    :returns: the whole document after it; unchanged where the stock is due already.
    :raises NotPermitted: the actor may not settle stock.
    :raises OrderNotFound:
    :raises NothingOwed: nothing is, or all of it is being tried.
    :raises DatabaseError: it may or may not have been recorded.
    """
    act.actor.require(RESOLVE)
    order, now = _whole(order_id, act.actor), order_reads.server_time()
    idle = [
        index
        for index, item in enumerate(order["items"])
        if item["stock"]["state"] in DUE_STATES and not _is_tried(item["stock"], now)
    ]
    if idle and order.get("stock_due_at") and order["stock_due_at"] <= now:
        return order  # a worker is about to take it
    written = None
    if idle:
        # Each attempt is counted, so as long as the counts are the same nobody has begun a new one.
        seen = {f"items.{index}.stock.{name}": order["items"][index]["stock"][name]
                for index in idle for name in ("state", "attempts")}  # fmt: skip
        written = guarded_write(
            order_id,
            guard=seen | {"stock_due_at": order.get("stock_due_at")},
            entries=[act.entry("retry", source=order["items"][index]["stock"]["state"], line=index) for index in idle],
            fields={"stock_due_at": now},
        )
    if written is None:
        raise NothingOwed(
            _("Order %(number)s has no stock to retry, or it is being retried right now.") % {"number": order["number"]}
        )
    return written


def _is_tried(stock: Document, now: datetime) -> bool:
    attempt = stock.get("attempt")
    return bool(attempt and attempt["until"] > now)


def accept_shortage(*, order_id: ObjectId, line: int, discrepancy: int, act: Act) -> Document:
    """Acknowledge that inventory took back fewer units than asked: the line counts as released.

    :param discrepancy: the units that are missing, as the person saw them.
    :param act: its reason says what happened to the units.
    :returns: the whole document after it.
    :raises NotPermitted: the actor may not settle stock.
    :raises ReasonMissing:
    :raises OrderNotFound:
    :raises NothingShort: there is no such line, or it is not short of that many.
    :raises DatabaseError: it may or may not have been recorded.
    """
    act.actor.require(RESOLVE)
    act.require_reason(_("A reason is required: say what happened to the missing units."))
    order = _whole(order_id, act.actor)
    stock: Document = order["items"][line]["stock"] if 0 <= line < len(order["items"]) else {}
    written = None
    if stock.get("discrepancy") == discrepancy:
        detail = NOT_RELEASED % {"units": discrepancy, "error": stock["error"]}
        written = guarded_write(
            order_id,
            guard={f"items.{line}.stock.{name}": stock[name] for name in ("state", "discrepancy")},
            entries=[act.entry("accept_shortage", line=line, detail=detail)],
            items=lines_by_index({line: LineStock(LineState.RELEASED, attempts=stock["attempts"])}),
        )
    if written is None:
        told = ngettext(
            "Item %(item)d of order %(number)s is not %(units)d unit short.",
            "Item %(item)d of order %(number)s is not %(units)d units short.",
            discrepancy,
        )
        raise NothingShort(told % {"item": line + 1, "number": order["number"], "units": discrepancy})
    return written


def verify_user(*, order_id: ObjectId, act: Act) -> Document:
    """Ask the user service again about the user of an order that was placed while it did not answer.

    What the order's contact lacks is filled in from its answer, unless it was erased.

    For those who may cancel the order, which is the alternative.

    :returns: the whole document after it.
    :raises NotPermitted: the actor may not cancel orders.
    :raises OrderNotFound:
    :raises StillUnverified: the service does not answer, or knows no such active user.
    :raises OrderBusy: others kept changing the order.
    :raises DatabaseError: it may or may not have been recorded.
    """
    act.actor.require_transition("cancel", "")
    order = _whole(order_id, act.actor)
    if order["user_verified"]:
        return order
    user = _known(order["user_id"])
    for _attempt in range(TRIES):
        if (written := _write_verified(order, user, act)) is not None:
            return written
        order = _whole(order_id, act.actor)
        if order["user_verified"]:
            return order
    raise busy()


def _known(user_id: str) -> users.User:
    try:
        known = users.verify(user_id, deadline=Deadline.after(settings.REQUEST_DEADLINE))
    except PeerError as error:
        raise StillUnverified(_("The user service does not answer. Try again later.")) from error
    if known is None:
        raise StillUnverified(
            _("The user service has no active user %(user)s. Resolve this, or cancel the order.") % {"user": user_id}
        )
    return known


def _write_verified(order: Document, user: users.User, act: Act) -> Document | None:
    """Also fill in what the contact lacks. The version guards what it was read to say: it may have changed since."""
    return guarded_write(
        order["_id"],
        guard={"user_verified": False, "version": order["version"]},
        entries=[act.entry("verify_user", detail=KNOWN % {"user": order["user_id"]})],
        fields={"user_verified": True} | ({} if order.get("erased_at") else _contact_of(order, user)),
        seen_at=act.at,
    )


def _contact_of(order: Document, user: users.User) -> Document:
    contact = order.get("contact") or {}
    said = {name: contact.get(name) or user_facts(user).get(name, "") for name in CONTACT_FIELDS}
    return {"contact": said, "terms": terms_of(order | {"contact": said})}


def _whole(order_id: ObjectId, actor: Actor) -> Document:
    return visible(order_reads.get_whole(order_id), order_id, actor)
