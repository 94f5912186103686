"""Asking the product service."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from pytest_django import Settings

from integrations import Deadline, PeerUnavailable, peer_requests, products
from integrations.products import Product
from integrations.sandbox import Sandbox
from tests.raw_server import RawServer, answer

LAMP = "665f1c0a9b1e8a0012a4aaaa"


@pytest.fixture(autouse=True)
def _peer_settings(settings: Settings) -> Iterator[None]:
    settings.MAX_RETRIES = 1
    settings.RETRY_DELAY = 0.001
    yield
    peer_requests.reset()


def fetch(product_id: str) -> Product | None:
    return products.fetch(product_id, deadline=Deadline.after(5))


def test_a_product_is_described_with_its_exact_price(sandbox: Sandbox) -> None:
    sandbox.control.put_product(LAMP, name="Lamp", price="19.99", category="Home", available=4)
    assert fetch(LAMP) == Product(LAMP, "Lamp", Decimal("19.99"), "Home")


def test_an_id_in_capitals_is_told_as_the_peer_spells_it(sandbox: Sandbox) -> None:
    sandbox.control.put_product(LAMP, name="Lamp", price="19.99", available=4)
    found = fetch(LAMP.upper())
    assert found is not None
    assert found.product_id == LAMP


def test_an_unknown_product_is_none(sandbox: Sandbox) -> None:
    assert fetch(LAMP) is None
    assert sandbox.control.counts() == {"product": 1}


@pytest.mark.parametrize("product_id", ["17", "lamp/17", "7d9f3a52-1f0e-4a53-9a53-0c8f0b5f7a11"])
def test_a_500_for_what_is_no_object_id_means_unknown_and_is_not_repeated(
    sandbox: Sandbox, settings: Settings, product_id: str
) -> None:
    settings.BREAKER_THRESHOLD = 1
    assert fetch(product_id) is None
    assert fetch(product_id) is None
    assert sandbox.control.counts() == {"product": 2}


@pytest.mark.parametrize("product_id", ["", ".", "..", "9" * 300, "\ud83d"])
def test_what_is_no_id_anywhere_is_none_and_not_asked_for(sandbox: Sandbox, product_id: str) -> None:
    assert fetch(product_id) is None
    assert sandbox.control.counts() == {}


@pytest.mark.parametrize("status", [400, 422])
def test_an_id_that_the_peer_refuses_is_unknown(sandbox: Sandbox, status: int) -> None:
    sandbox.control.fault("product", "status", status=status)
    assert fetch(LAMP) is None


@pytest.mark.parametrize(
    ("kind", "options"),
    [("status", {"status": 500}), ("drop_before", {}), ("garbage", {}), ("wrong", {})],
)
def test_a_peer_that_fails_says_nothing_about_the_product(sandbox: Sandbox, kind: str, options: dict[str, Any]) -> None:
    sandbox.control.put_product(LAMP, name="Lamp", price="19.99", available=4)
    sandbox.control.fault("product", kind, **options)
    with pytest.raises(PeerUnavailable):
        fetch(LAMP)
    assert sandbox.control.counts() == {"product": 2}


def fetched(settings: Settings, price: bytes, *, more: bytes = b"") -> Product | None:
    with RawServer(answer(200, b'{"price": ' + price + more + b"}")) as server:
        settings.PRODUCT_SERVICE_URL = server.url
        return fetch(LAMP)


@pytest.mark.parametrize(
    ("written", "price"),
    [
        (b"20", "20"),
        (b"19.99", "19.99"),
        (b'"19.99"', "19.99"),
        (b'"7"', "7"),
        (b"1.5e1", "15"),
        (b"0.1000000000000000055", "0.1000000000000000055"),
    ],
)
def test_a_price_is_a_number_or_a_decimal_string(settings: Settings, written: bytes, price: str) -> None:
    found = fetched(settings, written)
    assert found == Product(LAMP, "", Decimal(price), "")


@pytest.mark.parametrize(
    "written",
    [
        b"0",
        b"-1",
        b"0.00",
        b"null",
        b"true",
        b'""',
        b'"free"',
        b'"1_000"',
        b'"-5"',
        b'"NaN"',
        b"NaN",
        b"Infinity",
        b"1e999999",
        b"9" * 400,
        b'"1e5"',
        b"[1]",
        '"\N{ARABIC-INDIC DIGIT FIVE}"'.encode(),
    ],
)
def test_what_is_no_price_makes_the_answer_useless(settings: Settings, written: bytes) -> None:
    with pytest.raises(PeerUnavailable, match=r"price|JSON"):
        fetched(settings, written)


@pytest.mark.parametrize(
    ("written", "read"), [(b'"EUR"', "EUR"), (b'"jpy"', "JPY"), (b'""', ""), (b"null", "")], ids=str
)
def test_the_currency_of_a_price_is_read_in_any_case(settings: Settings, written: bytes, read: str) -> None:
    found = fetched(settings, b"5", more=b', "currency": ' + written)
    assert found is not None
    assert found.currency == read


@pytest.mark.parametrize(
    "written",
    [b'"\\u20ac"', b'"EURO"', b'"EU"', b'"E R"', b"978", b"true", b"[]", b'"\\ud800AA"', b'"' + b"E" * 9999 + b'"'],
)
def test_a_currency_that_cannot_be_read_makes_the_answer_useless(settings: Settings, written: bytes) -> None:
    with pytest.raises(PeerUnavailable, match="no code of a currency"):
        fetched(settings, b"5", more=b', "currency": ' + written)


def test_what_else_a_product_is_called_is_told_where_it_is_text(settings: Settings) -> None:
    more = b', "name": "Lamp", "sku": "LA-1", "image_url": "https://img.example/1.png"'
    assert fetched(settings, b"5", more=more) == Product(
        LAMP, "Lamp", Decimal(5), sku="LA-1", image_url="https://img.example/1.png"
    )
    assert fetched(settings, b"5", more=b', "name": 1, "sku": null, "image_url": ["x"]') == Product(
        LAMP, "", Decimal(5)
    )


def test_an_answer_about_another_product_is_no_answer(settings: Settings) -> None:
    with pytest.raises(PeerUnavailable, match="another product"):
        fetched(settings, b"5", more=b', "_id": "665f1c0a9b1e8a0012a40001"')
