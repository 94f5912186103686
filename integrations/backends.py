"""What a backend is: the class that knows how one of the three services is asked, and what its answers mean.

`USER_BACKEND`, `PRODUCT_BACKEND` and `INVENTORY_BACKEND` name one each, by dotted path; :mod:`integrations.published`
has those that are used if nothing is set. docs/peers.md, "Peers of another shape", is the guide,
`examples/other_peers.py` an example, and `pytest --pyargs integrations.contract` tests one.

A method asks nobody. It returns the question: an :class:`HttpCall`, which the service sends, or an :class:`OwnCall`,
which does its own input and output. Whether and when it is asked, how often, for how long and under which lease is
decided around it and is never a backend's business.

What comes of it:

- A look-up returns what was asked for, or :class:`Unavailable`. Anything else, and whatever is raised, counts as
  `Unavailable`.
- A change of stock returns :class:`Done`, :class:`Refused`, :class:`Unavailable` or :class:`Unknown`. Anything else,
  and whatever is raised, counts as `Unknown`: a person has to find out what happened, and nothing is sold twice.

A backend is made once in each process, without arguments, and used by many threads at a time.
"""

import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Generic, Protocol, TypeAlias, TypeVar
from urllib.parse import urlencode

from integrations.answer import Answer, Unexpected, count_in, price_in, text_in

__all__ = [
    "Answer", "Availability", "BulkProductBackend", "Change", "Done", "HttpCall", "InventoryBackend", "LookUp",
    "Outcome", "OwnCall", "Product", "ProductBackend", "Refused", "SearchableProductBackend", "StockLevel",
    "Unavailable", "Unexpected", "Unknown", "User", "UserBackend", "count_in", "price_in", "text_in",
]  # fmt: skip

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

_PRICE_LIMIT = Decimal(10) ** 12  # no price is that high; 1E+999999 is valid JSON
_TARGET = re.compile("/[!-~]*")
_encode = json.JSONEncoder(allow_nan=False).encode


# What is known of users, products and stock


@dataclass(frozen=True, slots=True)
class User:
    """An active user as the peer knows them; what it does not say is empty."""

    name: str = ""
    email: str = ""

    def __post_init__(self) -> None:
        _require_text(self.name, self.email)


@dataclass(frozen=True, slots=True)
class Product:
    """A product as the peer knows it; what it does not say is empty.

    :ivar product_id: the one that was asked for, in whatever case.
    :ivar price: exact, and greater than 0: a Decimal, never made from a float.
    :ivar currency: of the price (ISO 4217); where the peer names none, it is the shop's.
    :raises Unexpected: if the price, the currency or a text is none.
    """

    product_id: str
    name: str
    price: Decimal
    category: str = ""
    sku: str = ""
    image_url: str = ""
    currency: str = ""

    def __post_init__(self) -> None:
        _require_text(self.product_id, self.name, self.category, self.sku, self.image_url)
        if not (isinstance(self.price, Decimal) and self.price.is_finite() and 0 < self.price < _PRICE_LIMIT):
            raise Unexpected("answered something unexpected: no price greater than 0")
        if not (isinstance(self.currency, str) and re.fullmatch("([A-Z]{3})?", self.currency)):
            raise Unexpected("answered something unexpected: no code of a currency (ISO 4217)")


@dataclass(frozen=True, slots=True)
class Availability:
    """Whether the units are in stock; how many there are, if the peer says so; its message, if any."""

    available: bool
    current_quantity: int | None = None
    message: str = ""

    def __post_init__(self) -> None:
        _require_text(self.message)
        if not isinstance(self.available, bool):
            raise Unexpected("answered something unexpected: neither that there is enough nor that there is not")
        if self.current_quantity is not None:
            _require_units(self.current_quantity)


@dataclass(frozen=True, slots=True)
class StockLevel:
    """Units that can be reserved, and units that are reserved."""

    available: int
    reserved: int

    def __post_init__(self) -> None:
        _require_units(self.available, self.reserved)


def _require_text(*found: object) -> None:
    if not all(isinstance(one, str) for one in found):
        raise Unexpected("answered something unexpected: no text where there should be some")


def _require_units(*found: object) -> None:
    if not all(isinstance(one, int) and not isinstance(one, bool) and one >= 0 for one in found):
        raise Unexpected("answered something unexpected: no numbers of units")


# What an answer means


@dataclass(frozen=True, slots=True)
class Unavailable:
    """There is no usable answer; of a change: certainly nothing was done, and a later attempt may succeed.

    :ivar detail: why, in one line, for staff.
    :ivar retry_after: seconds to wait, if the peer says so; a `Retry-After` of its answer need not be repeated here.
    """

    detail: str = ""
    retry_after: float | None = None

    def __post_init__(self) -> None:
        _require_text(self.detail)
        if not (self.retry_after is None or isinstance(self.retry_after, int | float)):
            raise Unexpected("answered something unexpected: no number of seconds to wait")


@dataclass(frozen=True, slots=True)
class Done:
    """The peer has reserved or released so many units."""

    units: int

    def __post_init__(self) -> None:
        _require_units(self.units)


@dataclass(frozen=True, slots=True)
class Refused:
    """The peer has done nothing and never will: too little stock, no such product, nothing reserved.

    :ivar detail: why, in one line, for staff.
    :ivar conflict: it may have refused only because an earlier attempt with the same key is still in progress.
    """

    detail: str = ""
    conflict: bool = False

    def __post_init__(self) -> None:
        _require_text(self.detail)


@dataclass(frozen=True, slots=True)
class Unknown:
    """It may or may not have been done. :ivar detail: why that is not known, in one line, for staff."""

    detail: str = ""

    def __post_init__(self) -> None:
        _require_text(self.detail)


Outcome: TypeAlias = Done | Refused | Unavailable | Unknown


# Questions


@dataclass(frozen=True, slots=True)
class HttpCall(Generic[T_co]):
    """One request, and how to read its answer.

    Sent with the address of the peer in front, within its time limits, with `Content-Type`, `X-Request-ID` and, for a
    change, `Idempotency-Key`. `read` is given a 2xx, and an answer whose status is among `accepted`. All others are
    judged by the table of outcomes in docs/peers.md: most backends need no more than 404 here, for look-ups.

    :ivar path: begins with a slash; quoted (`urllib.parse.quote(product_id, safe="")`).
    :ivar body: sent as JSON.
    :raises ValueError: if it cannot be sent.
    """

    method: str
    path: str
    read: Callable[[Answer], T_co]
    params: Mapping[str, str] | None = None
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    accepted: Collection[int] = ()

    def __post_init__(self) -> None:
        if not _TARGET.fullmatch(self.path):
            raise ValueError(f"{self.path!r} is not a quoted path that begins with a slash")
        if not all(isinstance(value, str) for value in (self.method, *self.headers.values())):
            raise ValueError("the method, or the value of a header, is not text")
        if not isinstance(self.accepted, Collection):
            raise ValueError("the accepted statuses are no collection")
        urlencode(self.params or {})
        _encode(self.body)


@dataclass(frozen=True, slots=True)
class OwnCall(Generic[T_co]):
    """A question that the backend asks in its own way: over another protocol, or with a library of the peer's.

    `run` is called for each attempt, with the seconds within which it must return. What it returns is the outcome. A
    change must carry its key, if the peer honours any.
    """

    run: Callable[[float], T_co]


LookUp: TypeAlias = HttpCall[T | Unavailable] | OwnCall[T | Unavailable]
Change: TypeAlias = HttpCall[Outcome] | OwnCall[Outcome]


# The three backends


class UserBackend(Protocol):
    """`USER_BACKEND`"""

    def verify(self, user_id: str) -> LookUp[User | None]:
        """Ask for a user who may order; None: there is none with that id, or they are not active."""


class ProductBackend(Protocol):
    """`PRODUCT_BACKEND`"""

    def fetch(self, product_id: str) -> LookUp[Product | None]:
        """Ask for a product; None: there is none with that id."""


class BulkProductBackend(ProductBackend, Protocol):
    """A `PRODUCT_BACKEND` whose peer can be asked for many products at once: a placement is one call then.

    :ivar most_at_once: ids in one question; of more, several are asked.
    """

    most_at_once: int

    def fetch_many(self, product_ids: Sequence[str]) -> LookUp[Collection[Product]]:
        """Ask for several products. What is not among the answered ones does not exist, be its id malformed or not."""


class SearchableProductBackend(ProductBackend, Protocol):
    """A `PRODUCT_BACKEND` whose peer can be searched: the backoffice then offers products by name, not by id alone."""

    def search(self, text: str, limit: int) -> LookUp[Sequence[Product]]:
        """Ask for the products that somebody means who typed this, such as a part of a name or of a SKU.

        The best come first, `limit` at most; of more, the rest is left out. An empty answer: there is none.
        """


class InventoryBackend(Protocol):
    """`INVENTORY_BACKEND`"""

    def check(self, product_id: str, quantity: int) -> LookUp[Availability]:
        """Ask whether so many units are in stock; of an unknown product there are not."""

    def stock(self, product_id: str) -> LookUp[StockLevel | None]:
        """Ask how many units there are; None: there is no such product."""

    def reserve(self, product_id: str, quantity: int, *, order_id: str, key: str) -> Change:
        """Reserve all of the units for an order, or none of them.

        :param key: the same for each attempt at the same change, and for no other change.
        """

    def release(self, product_id: str, quantity: int, *, order_id: str, key: str) -> Change:
        """Give back units that are reserved, at most so many: the answer says how many it were."""
