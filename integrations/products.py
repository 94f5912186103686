"""The product service: what a product is called, and what it costs now."""

import re
from dataclasses import dataclass
from decimal import Decimal

from integrations import http
from integrations.http import Deadline, Reply, Unexpected

PEER = http.Peer("products", "PRODUCT_SERVICE_URL")

_UNKNOWN = frozenset({400, 404, 422})
_PRICE_LIMIT = Decimal(10) ** 12  # no price is that high; 1E+999999 is valid JSON


@dataclass(frozen=True, slots=True)
class Product:
    """A product as the peer knows it; `price` is exact, greater than 0 and in the shop's currency."""

    product_id: str
    name: str
    price: Decimal
    category: str


def fetch(product_id: str, *, deadline: Deadline, retries: bool = True) -> Product | None:
    """Return the product, or None if the peer knows none of that id.

    An id that the peer refuses (400, 422) is unknown as well. The published service answers 500 to an id that
    is no ObjectId (docs/peers.md): that is taken for "unknown", or a customer could open the breaker by asking for
    nonsense.

    :raises PeerUnavailable: if the peer does not say, or says no price that is one.
    """
    segment = http.segment(product_id)
    if segment is None:
        return None
    known = _UNKNOWN if re.fullmatch("[0-9a-fA-F]{24}", product_id) else _UNKNOWN | {500}
    call = http.Call(PEER, "product", "GET", f"/products/{segment}", known=known)

    def interpret(reply: Reply) -> Product | None:
        return _product(product_id, reply) if reply.succeeded else None

    return http.read(call, interpret, deadline=deadline, retries=retries)


def _product(product_id: str, reply: Reply) -> Product:
    body = reply.json_object()
    answered_id = body.get("_id", product_id)
    if not isinstance(answered_id, str | int) or str(answered_id).lower() != product_id.lower():
        raise Unexpected("answered with another product than was asked for")
    return Product(
        product_id=str(answered_id),
        name=_text(body.get("name")),
        price=_price(body.get("price")),
        category=_text(body.get("category")),
    )


def _text(found: object) -> str:
    return found if isinstance(found, str) else ""


def _price(found: object) -> Decimal:
    """Return a price given as a JSON number or as a decimal string ("19.99")."""
    written = isinstance(found, str) and re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,12})?", found)
    number = isinstance(found, int | Decimal) and not isinstance(found, bool)
    if written or number:
        price = Decimal(found)  # type: ignore[arg-type]
        if 0 < price < _PRICE_LIMIT:
            return price
    raise Unexpected("answered something unexpected: no price greater than 0 in `price`")
