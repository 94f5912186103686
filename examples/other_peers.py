"""Backends for peers that speak another HTTP than the published ones: a complete example, to be copied and changed.

    USER_BACKEND=examples.other_peers.Users PRODUCT_BACKEND=examples.other_peers.Products \\
    INVENTORY_BACKEND=examples.other_peers.Inventory USER_SERVICE_URL=… PRODUCT_SERVICE_URL=… INVENTORY_SERVICE_URL=…

Each method says what to ask and how to read the answer. Time limits, retries, leases and keys are not its business:
integrations/backends.py says what is, docs/peers.md explains it, and `pytest --pyargs integrations.contract` tests it.
Whatever a method or a reader raises counts as "no answer", or, for a change of stock, as "nobody knows".
"""

from collections.abc import Collection, Sequence
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
    User,
    count_in,
    price_in,
    text_in,
)


class Users:
    """`GET /customers/{id}` answers `{"exists": true}`, and `{"exists": false}` for whoever is unknown or blocked."""

    def verify(self, user_id: str) -> LookUp[User | None]:
        return HttpCall("GET", f"/customers/{quote(user_id, safe='')}", self._read)

    def _read(self, answer: Answer) -> User | None:
        body = answer.json_object()
        return User(name=text_in(body, "name")) if _flag(body, "exists") else None


class Products:
    """`POST /catalogue/lookup` with `{"ids": [...]}` answers `{"products": [{"id", "title", "price"}]}` with those that
    exist: one call for a whole order. There is no call for a single product, so that is a bulk look-up of one.

    `GET /catalogue/search?words=mug&most=10` answers the same, for the backoffice's search by name.
    """

    most_at_once = 100

    def fetch_many(self, product_ids: Sequence[str]) -> LookUp[Collection[Product]]:
        return HttpCall("POST", "/catalogue/lookup", self._read, body={"ids": list(product_ids)})

    def fetch(self, product_id: str) -> LookUp[Product | None]:
        def read(answer: Answer) -> Product | None:
            return next(iter(self._read(answer)), None)

        return HttpCall("POST", "/catalogue/lookup", read, body={"ids": [product_id]})

    def search(self, text: str, limit: int) -> LookUp[Sequence[Product]]:
        return HttpCall("GET", "/catalogue/search", self._read, params={"words": text, "most": str(limit)})

    def _read(self, answer: Answer) -> list[Product]:
        return [
            Product(product_id=one["id"], name=text_in(one, "title"), price=price_in(one, "price"))
            for one in answer.json_object()["products"]
        ]


class Inventory:
    """`GET /stock/{id}` answers `{"available": 50, "held": 3}`, and with `?wanted=2` also `"sufficient": true`.

    `POST /stock/{id}/reserve` and `/release` with `{"amount": 2, "reference_id": "<order id>"}` answer
    `{"reserved": 2}` and `{"released": 2}`. 409: too little is there, or held, for that; 404: no such product.
    """

    def check(self, product_id: str, quantity: int) -> LookUp[Availability]:
        def read(answer: Answer) -> Availability:
            if answer.status == 404:
                return Availability(available=False)
            body = answer.json_object()
            return Availability(_flag(body, "sufficient"), count_in(body, "available"))

        return HttpCall("GET", _stock_of(product_id), read, params={"wanted": str(quantity)}, accepted=(404,))

    def stock(self, product_id: str) -> LookUp[StockLevel | None]:
        def read(answer: Answer) -> StockLevel | None:
            if answer.status == 404:
                return None
            body = answer.json_object()
            return StockLevel(body["available"], body["held"])

        return HttpCall("GET", _stock_of(product_id), read, accepted=(404,))

    def reserve(self, product_id: str, quantity: int, *, order_id: str, key: str) -> Change:
        return self._change("reserve", "reserved", product_id, quantity, order_id)

    def release(self, product_id: str, quantity: int, *, order_id: str, key: str) -> Change:
        return self._change("release", "released", product_id, quantity, order_id)

    def _change(self, act: str, done: str, product_id: str, quantity: int, order_id: str) -> Change:
        def read(answer: Answer) -> Outcome:
            if answer.status == 409:  # here it is final; unread, a 409 may be a conflict with an earlier attempt
                return Refused(answer.detail())
            return Done(answer.json_object()[done])

        body = {"amount": quantity, "reference_id": order_id}
        return HttpCall("POST", f"{_stock_of(product_id)}/{act}", read, body=body, accepted=(409,))


def _stock_of(product_id: str) -> str:
    return f"/stock/{quote(product_id, safe='')}"


def _flag(body: dict[str, Any], name: str) -> bool:
    found = body[name]
    if not isinstance(found, bool):
        raise TypeError(f"`{name}` is neither true nor false")
    return found
