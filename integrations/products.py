"""The product service: what a product is called, and its current price."""

import re
from dataclasses import dataclass
from decimal import Decimal

from integrations import peer_requests
from integrations.peer_requests import Answer, Deadline, PeerRequest, Unexpected, text_in

PEER = peer_requests.Peer("products", "PRODUCT_SERVICE_URL")

_UNKNOWN = frozenset({400, 404, 422})
_PRICE_LIMIT = Decimal(10) ** 12  # no price is that high; 1E+999999 is valid JSON


@dataclass(frozen=True, slots=True)
class Product:
    """A product as the peer knows it; what it does not say is empty.

    :ivar price: exact, and greater than 0.
    :ivar currency: of the price (ISO 4217); where the peer names none, it is the shop's.
    """

    product_id: str
    name: str
    price: Decimal
    category: str = ""
    sku: str = ""
    image_url: str = ""
    currency: str = ""


def fetch(product_id: str, *, deadline: Deadline, retries: bool = True) -> Product | None:
    """Return the product, or None if the peer has none with that id.

    An id that the peer refuses (400, 422) is unknown as well. The published service answers 500 to an id that is not
    an ObjectId (docs/peers.md): that is taken for "unknown", or a customer could open the breaker with invalid ids.

    :raises PeerUnavailable: if the peer does not say, or gives no valid price.
    """
    segment = peer_requests.path_segment(product_id)
    if segment is None:
        return None
    accepted = _UNKNOWN if re.fullmatch("[0-9a-fA-F]{24}", product_id) else _UNKNOWN | {500}
    request = PeerRequest(PEER, "product", "GET", f"/products/{segment}", accepted=accepted)

    def interpret(answer: Answer) -> Product | None:
        return _product(product_id, answer) if answer.succeeded else None

    return peer_requests.read(request, interpret, deadline=deadline, retries=retries)


def _product(product_id: str, answer: Answer) -> Product:
    body = answer.json_object()
    answered_id = body.get("_id", product_id)
    if not isinstance(answered_id, str | int) or str(answered_id).lower() != product_id.lower():
        raise Unexpected("answered with another product than was asked for")
    return Product(
        product_id=str(answered_id),
        name=text_in(body, "name"),
        price=_price(body.get("price")),
        category=text_in(body, "category"),
        sku=text_in(body, "sku"),
        image_url=text_in(body, "image_url"),
        currency=_currency(body.get("currency")),
    )


def _currency(found: object) -> str:
    """Return the code of a currency; empty if none is named."""
    if found is None or found == "":
        return ""
    if isinstance(found, str) and re.fullmatch("[A-Za-z]{3}", found):
        return found.upper()
    raise Unexpected("answered something unexpected: no code of a currency (ISO 4217) in `currency`")


def _price(found: object) -> Decimal:
    """Return a price given as a JSON number or as a decimal string ("19.99")."""
    written = isinstance(found, str) and re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,12})?", found)
    number = isinstance(found, int | Decimal) and not isinstance(found, bool)
    if written or number:
        price = Decimal(found)  # type: ignore[arg-type]
        if 0 < price < _PRICE_LIMIT:
            return price
    raise Unexpected("answered something unexpected: no price greater than 0 in `price`")
