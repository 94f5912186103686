"""The backends that are used if nothing is set: the HTTP of the published services, as docs/peers.md has it."""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from integrations.backends import (
    Answer,
    Availability,
    Change,
    Done,
    HttpCall,
    LookUp,
    Outcome,
    Product,
    Refused,
    StockLevel,
    Unexpected,
    User,
    count_in,
    price_in,
    text_in,
)


class Users:
    """Ids come in three formats, and all are passed on unchanged: integers as strings ("17", the published service),
    ObjectIds (24 hexadecimal digits) and UUIDs (other services of the family). The peer answers 422 to an id that is
    not in its own format, and such a user does not exist there.
    """

    def verify(self, user_id: str) -> LookUp[User | None]:
        return HttpCall("GET", f"/users/{_quoted(user_id)}/verify", _user, accepted=(404, 422))


def _user(answer: Answer) -> User | None:
    if not answer.succeeded:
        return None
    body = answer.json_object()
    valid = body.get("valid")
    if not isinstance(valid, bool):
        raise Unexpected("answered something unexpected: no true or false in `valid`")
    return User(name=text_in(body, "full_name"), email=text_in(body, "email")) if valid else None


class Products:
    """An id that the peer refuses (400, 422) is unknown as well. The published service answers 500 to an id that is not
    an ObjectId: that is taken for "unknown", or a customer could open the breaker with invalid ids.
    """

    _unknown = frozenset({400, 404, 422})

    def fetch(self, product_id: str) -> LookUp[Product | None]:
        accepted = self._unknown if re.fullmatch("[0-9a-fA-F]{24}", product_id) else self._unknown | {500}

        def read(answer: Answer) -> Product | None:
            return product_in(product_id, answer.json_object()) if answer.succeeded else None

        return HttpCall("GET", f"/products/{_quoted(product_id)}", read, accepted=accepted)


def product_in(product_id: str, body: dict[str, Any]) -> Product:
    """The product that an answer describes. :param product_id: that was asked for, if the answer does not say."""
    answered_id = body.get("_id", product_id)
    return Product(
        product_id=str(answered_id) if isinstance(answered_id, int) else answered_id,
        name=text_in(body, "name"),
        price=price_in(body, "price"),
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


class Inventory:
    def check(self, product_id: str, quantity: int) -> LookUp[Availability]:
        params = {"product_id": product_id, "quantity": str(quantity)}
        return HttpCall("GET", "/inventory/check", _availability, params=params, accepted=(400, 404, 422))

    def stock(self, product_id: str) -> LookUp[StockLevel | None]:
        return HttpCall("GET", f"/inventory/{_quoted(product_id)}", _level, accepted=(404,))

    def reserve(self, product_id: str, quantity: int, *, order_id: str, key: str) -> Change:
        return self._change("reserve", _says("reserved"), product_id, quantity, order_id)

    def release(self, product_id: str, quantity: int, *, order_id: str, key: str) -> Change:
        return self._change("release", _says("released"), product_id, quantity, order_id)

    def _change(
        self, act: str, read: Callable[[Answer], Outcome], product_id: str, quantity: int, order_id: str
    ) -> Change:
        body = {"product_id": product_id, "quantity": quantity, "order_id": order_id}
        return HttpCall("POST", f"/inventory/{act}", read, body=body)


def _availability(answer: Answer) -> Availability:
    if not answer.succeeded:
        return Availability(available=False, message=answer.detail())
    body = answer.json_object()
    if not isinstance(body.get("available"), bool):
        raise Unexpected("answered something unexpected: no true or false in `available`")
    message = body.get("message") and answer.detail()
    return Availability(body["available"], count_in(body, "current_quantity"), message or "")


def _level(answer: Answer) -> StockLevel | None:
    if answer.status == 404:
        return None
    body = answer.json_object()
    available, reserved = count_in(body, "available_quantity"), count_in(body, "reserved_quantity")
    if available is None or reserved is None:
        raise Unexpected("answered something unexpected: no numbers of units")
    return StockLevel(available, reserved)


def _says(word: str) -> Callable[[Answer], Outcome]:
    """Read the answer to a change that says `word` if it was done; a 200 may also say that it was not."""

    def read(answer: Answer) -> Outcome:
        body = answer.json_object()
        if body.get(word) is False:
            return Refused(f"answered `{word}: false`: {answer.detail()}".rstrip(": "))
        if body.get(word) is not True:
            raise Unexpected(f"answered something unexpected: no true or false in `{word}`")
        units = count_in(body, "quantity")
        if units is None:
            raise Unexpected("answered something unexpected: no number of units in `quantity`")
        return Done(units)

    return read


def _quoted(product_or_user_id: str) -> str:
    return quote(product_or_user_id, safe="")
