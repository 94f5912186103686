"""Verifying the user of an order later: it was placed while the user service did not answer."""

from bson import ObjectId
from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from integrations import Deadline, PeerError, users
from orders.models import Document
from orders.services.access import visible_whole
from orders.services.audit import Act
from orders.services.errors import OrderError, RefusalKind
from orders.services.lifecycle.frozen_facts import user_facts
from orders.services.lifecycle.versions import TRIES, busy
from orders.services.search_terms import terms_of
from orders.services.text_rules import CONTACT_FIELDS
from orders.storage.order_writes import guarded_write

KNOWN = gettext_noop("The user service knows %(user)s as an active user.")


class StillUnverified(OrderError):
    """The user could still not be verified."""

    code = "still_unverified"
    kind = RefusalKind.CONFLICT


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
    order = visible_whole(order_id, act.actor)
    if order["user_verified"]:
        return order
    user = _known(order["user_id"])
    for _attempt in range(TRIES):
        if (written := _write_verified(order, user, act)) is not None:
            return written
        order = visible_whole(order_id, act.actor)
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
