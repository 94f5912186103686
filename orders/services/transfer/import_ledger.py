"""The rules for what a file says of an order's parcels, returns, hold and money."""

from datetime import datetime
from decimal import Decimal

from orders.models import ChargeKind, Document, Removal, from_cents
from orders.services.audit import LONGEST_REASON, REASON_CODES
from orders.services.lifecycle import payments, tracking
from orders.services.transfer.file_format import ITEM_PLACES
from orders.services.transfer.import_fields import Fields, shown
from orders.storage.ledger import ENDED, stored, worth_of

MOST_DIGITS = 14
LONGEST_ACTOR = 200
SHIPMENT = ("at", *tracking.LONGEST)
RETURN = ("at", "code", "received_at", "restocked")
CHARGE = ("kind", "label", "amount")
LONGEST_LABEL = 200
PAYMENT = ("at", "amount", *payments.LONGEST)
REFUND = ("at", "amount", "reference", "code")
HOLD = ("code", "reason", "actor")


def parcels_and_money(fields: Fields, *, earliest: datetime, latest: datetime) -> Document:
    """Shipments, returns, payments, refunds, what they come to, and a hold, as they are stored; what is not said, not.

    :param earliest: aware, as `latest`: when the order was placed.
    """
    moments = _Moments(earliest, latest)
    found: Document = {
        "shipments": [_shipment(part, moments) for part in fields.objects("shipments", SHIPMENT)],
        "returns": [_return(part, moments) for part in fields.objects("returns", RETURN)],
        "payments": [_payment(part, moments) for part in fields.objects("payments", PAYMENT)],
        "refunds": [_refund(part, moments) for part in fields.objects("refunds", REFUND)],
        **_sums(fields),
        **_hold(fields, moments),
    }
    return {name: value for name, value in found.items() if value not in ([], None)}


def charges(fields: Fields) -> Document:
    """What the order costs beside its lines, as it is stored."""
    found = [_charge(part) for part in fields.objects("charges", CHARGE)]
    return {"charges": found} if found else {}


def _charge(fields: Fields) -> Document:
    kind = fields.choice("kind", ChargeKind.values)
    cents = fields.money("amount", digits=MOST_DIGITS, signed=True)
    if cents is not None and (
        (kind == ChargeKind.DISCOUNT and cents > 0) or (kind == ChargeKind.SHIPPING and cents < 0)
    ):
        fields.note("amount", f"{cents / 100:.2f} for {kind}: a discount is below 0, shipping is not")
    label = fields.text("label", most=LONGEST_LABEL)
    return {"kind": kind, "label": label, "amount": from_cents(cents or 0)}


class _Moments:
    """The times between two others."""

    def __init__(self, earliest: datetime, latest: datetime) -> None:
        self._earliest, self._latest = earliest, latest

    def of(self, fields: Fields, name: str, *, needed: bool = True) -> datetime | None:
        return fields.moment(name, earliest=self._earliest, latest=self._latest, needed=needed)


def _shipment(fields: Fields, moments: _Moments) -> Document:
    texts = {name: fields.text(name, most=most) for name, most in tracking.LONGEST.items()}
    if texts["tracking_url"] and not tracking.is_address(texts["tracking_url"]):
        fields.note("tracking_url", f"{shown(texts['tracking_url'])} is not an address that begins with https://")
    return {"at": moments.of(fields, "at"), **texts}


def _return(fields: Fields, moments: _Moments) -> Document:
    found: Document = {"at": moments.of(fields, "at"), "code": _code(fields)}
    received_at = moments.of(fields, "received_at", needed=False)
    if received_at is None:
        if fields.any_given(["restocked"]):
            fields.note("restocked", "it is given, but not received_at")
        return found
    return found | {"received_at": received_at, "restocked": fields.flag("restocked", default=False)}


def _payment(fields: Fields, moments: _Moments) -> Document:
    texts = {name: fields.text(name, most=most) for name, most in payments.LONGEST.items()}
    return {"at": moments.of(fields, "at"), "amount": _amount(fields), **texts}


def _refund(fields: Fields, moments: _Moments) -> Document:
    reference = fields.text("reference", most=payments.LONGEST["reference"])
    return {"at": moments.of(fields, "at"), "amount": _amount(fields), "reference": reference, "code": _code(fields)}


def _code(fields: Fields) -> str:
    return fields.choice("code", tuple(REASON_CODES), needed=False)


def _amount(fields: Fields) -> object:
    cents = fields.money("amount", digits=MOST_DIGITS)
    return None if cents is None else from_cents(cents)


def _sums(fields: Fields) -> Document:
    paid, refunded = (fields.money(name, digits=MOST_DIGITS, needed=False) for name in ("paid", "refunded"))
    if paid is None or refunded is None:
        if fields.any_given(["paid"]) != fields.any_given(["refunded"]):
            fields.note("refunded", "paid and refunded are given together, or neither")
        return {}
    if refunded > paid:
        fields.note("refunded", f"{refunded / 100:.2f} is more than was paid, {paid / 100:.2f}")
    return {"paid": from_cents(paid), "refunded": from_cents(refunded)}


def _hold(fields: Fields, moments: _Moments) -> Document:
    held_at, part = moments.of(fields, "held_at", needed=False), fields.object("hold", HOLD)
    if fields.any_given(["held_at"]) != fields.any_given(["hold"]):
        fields.note("hold", "held_at and hold are given together, or neither")
    if held_at is None or part is None:
        return {}
    hold = {
        "code": part.choice("code", tuple(REASON_CODES)),
        "reason": part.text("reason", most=LONGEST_REASON, lines=True),
        "actor": part.text("actor", most=LONGEST_ACTOR),
    }
    return {"held_at": held_at, "hold": hold}


def owed(order: Document, items: list[Document]) -> Document:
    """What is owed to the customer of an order whose ledger is given; see `orders.storage.ledger`."""
    if "paid" not in order:
        return {}
    worth = Decimal("0.00") if order["status"] in ENDED else worth_of(items, order.get("charges", ()))
    left = order["paid"].to_decimal() - order["refunded"].to_decimal() - worth
    return {"owed": stored(left)} if left > 0 else {}


def places(fields: Fields, order: Document, line: int) -> Document:
    """What became of a line, by its index, of which the file says something."""
    shipments, returns = len(order.get("shipments", ())), len(order.get("returns", ()))
    found = {
        "split_from": fields.index("split_from", most=line, what="line before it"),
        "shipment": fields.index("shipment", most=shipments, what="shipment"),
        "returned_in": fields.index("returned_in", most=returns, what="return"),
        "removed": fields.choice("removed", Removal.values, needed=False) or None,
    }
    return {name: found[name] for name in ITEM_PLACES if found[name] is not None}
