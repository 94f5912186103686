"""Asking the peers everything that changes nothing: are the answers what orders need, and how fast are they?"""

import re
import secrets
import uuid
from collections.abc import Callable, Iterator
from decimal import Decimal

from bson import ObjectId
from django.conf import settings
from django.utils import timezone

from integrations import Deadline, inventory, products, users
from integrations.reachability import Reach, reach
from orders.models import to_cents
from orders.services.examination.findings import Finding, Verdict
from orders.services.examination.questions import Judged, Question, put
from orders.services.lifecycle.frozen_facts import product_facts, user_facts

HIGHEST_INTEGER = 2**31 - 1
"""Beyond it the databases of many user services refuse the question instead of answering it."""
FLOAT_ERROR = Decimal("0.000001")
"""What is off by less than this was meant to be whole cents."""
NO_ID = "no-such-product"
ENDS_SOON = 14
"""Days before the end of a certificate from which it is worth a note."""


def reaches() -> list[Reach]:
    """How far one gets at each of the addresses that the settings name."""
    return [reach(module.PEER) for module in (users, products, inventory)]


def examine(found: list[Reach], *, user_id: str | None, product_id: str | None) -> Iterator[Finding]:
    """Put every question that can be put; nothing is changed anywhere.

    :param found: the peers as they were reached; the others are not asked.
    :param user_id: a user who exists and may order.
    :param product_id: a product that exists.
    """
    reached = {each.peer for each in found if not each.problem}
    yield from map(_connection, found)
    for question in (*_of_users(user_id), *_of_products(product_id), *_of_inventory(product_id)):
        if isinstance(question, Finding):
            yield question
        elif question.peer in reached:
            yield put(question)


def _connection(found: Reach) -> Finding:
    shown = found.certificate
    if shown is None:
        local = bool(re.match(r"http://(localhost|127\.[0-9.]+|\[::1\])[:/]", f"{found.url}/"))
        verdict, told = (Verdict.OK if local else Verdict.NOTE), "reached over plain HTTP"
    else:
        days = (shown.ends - timezone.now()).days
        verdict = Verdict.OK if days >= ENDS_SOON else Verdict.NOTE
        told = f"{shown.version}, certificate of {shown.subject} by {shown.issuer}, until {shown.ends:%Y-%m-%d}"
    if found.problem:
        verdict = Verdict.WRONG if shown else Verdict.OPEN
        told = f"{found.problem}; {told.removeprefix(', ')}" if shown else found.problem
    return Finding(found.peer, "connect", found.url or found.setting, verdict, told)


def _of_users(user_id: str | None) -> Iterator[Question | Finding]:
    def verify(name: str) -> Callable[[Deadline], users.User | None]:
        return lambda deadline: users.verify(name, deadline=deadline, retries=False)

    peer = users.PEER.name
    if user_id is None:
        yield Finding(peer, "verify", "a user", Verdict.SKIPPED, "name one who may order: --user ID")
    else:
        yield Question(peer, "verify", f"user {user_id}", "an active user", verify(user_id), _user)
    unknown = unknown_user(user_id)
    yield Question(peer, "verify", f"unknown user {unknown}", "no such user", verify(unknown), _none)


def unknown_user(like: str | None) -> str:
    """The id of a user who does not exist, in the format of one who does; else an integer, as the published service's.

    By chance it may exist after all: once in a hundred million.
    """
    if like is None or like.isdecimal():
        return str(HIGHEST_INTEGER - secrets.randbelow(10**8))
    if ObjectId.is_valid(like):
        return str(ObjectId())
    return str(uuid.uuid4())


def _user(found: users.User | None) -> Judged:
    if found is None:
        return Verdict.WRONG, "no active user of that id"
    return Verdict.OK, f"an active user; {_seen({'name': found.name, 'email': found.email}, user_facts(found))}"


def _seen(answered: dict[str, str], kept: dict[str, str]) -> str:
    """Which optional members came; those of which nothing can be kept are named as such."""
    seen = [name if kept.get(name, given) else f"{name} (not usable)" for name, given in answered.items() if given]
    missing = [name for name, given in answered.items() if not given]
    return "; ".join(f"{word} {', '.join(names)}" for word, names in (("with", seen), ("without", missing)) if names)


def _none(found: object) -> Judged:
    return (Verdict.OK, "there is none") if found is None else (Verdict.WRONG, "it says that there is one")


def _of_products(product_id: str | None) -> Iterator[Question | Finding]:
    def fetch(name: str) -> Callable[[Deadline], products.Product | None]:
        return lambda deadline: products.fetch(name, deadline=deadline, retries=False)

    peer = products.PEER.name
    if product_id is None:
        yield Finding(peer, "product", "a product, its price", Verdict.SKIPPED, "name one that is sold: --product ID")
    else:
        yield Question(peer, "product", f"product {product_id}", "a product and its price", fetch(product_id), _product)
    for case, name in (
        (f"unknown product {(unknown := str(ObjectId()))}", unknown),
        (f"not an ObjectId, {NO_ID}", NO_ID),
    ):
        yield Question(peer, "product", case, "no such product", fetch(name), _none)


def _product(found: products.Product | None) -> Judged:
    if found is None:
        return Verdict.WRONG, "no such product"
    optional = {name: getattr(found, name) for name in ("name", "sku", "image_url", "currency")}
    seen = _seen(optional, product_facts(found))
    if found.currency and found.currency not in settings.CURRENCIES:
        return Verdict.WRONG, f"its currency, {found.currency}, is not one of CURRENCIES; {seen}"
    verdict, price = _price(found.price)
    return verdict, f"{price}; {seen}"


def _price(price: Decimal) -> Judged:
    cents = to_cents(price)
    if price == cents:
        return Verdict.OK, f"price {price}, exact"
    if abs(price - cents) < FLOAT_ERROR:
        return Verdict.NOTE, f"price {price}, not exact: a floating-point number, taken as {cents}"
    return Verdict.NOTE, f"price {price}, more than two decimals: orders must be placed at {cents}"


def _of_inventory(product_id: str | None) -> Iterator[Question | Finding]:
    def check(name: str) -> Callable[[Deadline], inventory.Availability]:
        return lambda deadline: inventory.check(name, 1, deadline=deadline, retries=False)

    def stock(name: str) -> Callable[[Deadline], inventory.StockLevel | None]:
        return lambda deadline: inventory.stock(name, deadline=deadline, retries=False)

    peer = inventory.PEER.name
    if product_id is None:
        yield Finding(peer, "check", "a product's availability", Verdict.SKIPPED, "name one that is sold: --product ID")
        yield Finding(peer, "stock", "a product's units", Verdict.SKIPPED, "name one that is sold: --product ID")
    else:
        case = f"product {product_id}"
        yield Question(peer, "check", case, "whether there is 1 unit", check(product_id), _availability)
        yield Question(peer, "stock", case, "units available and reserved", stock(product_id), _level)
    unknown = str(ObjectId())
    case = f"unknown product {unknown}"
    yield Question(peer, "check", case, "not available", check(unknown), _not_available)
    yield Question(peer, "stock", case, "no such product", stock(unknown), _no_level)


def _availability(found: inventory.Availability) -> Judged:
    said = "available" if found.available else "not available"
    if found.current_quantity is None:
        return Verdict.NOTE, f"{said}; not how many there are, so customers are not told"
    return Verdict.OK, f"{said}, {found.current_quantity} in stock"


def _level(found: inventory.StockLevel | None) -> Judged:
    if found is None:
        return Verdict.WRONG, "no such product"
    return Verdict.OK, f"{found.available} available, {found.reserved} reserved"


def _not_available(found: inventory.Availability) -> Judged:
    if found.available:
        return Verdict.WRONG, "it says that there is 1 unit of it"
    return Verdict.OK, "not available"


def _no_level(found: inventory.StockLevel | None) -> Judged:
    if found is None:
        return Verdict.OK, "there is none"
    if found.available:
        return Verdict.WRONG, f"it says that there are {found.available} units of it"
    return Verdict.NOTE, "it says that there are 0 units, as of a product that is sold out"
