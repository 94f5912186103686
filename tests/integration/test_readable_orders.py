"""What makes an order readable: names, contact, currency, reference, note and metadata, frozen when it is placed."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from pytest_django import Settings

from integrations import peer_requests
from integrations.sandbox import Sandbox
from orders.models import Address, Contact, Item, Order
from orders.services.lifecycle.placement import Details, InvalidOrder, place_order
from orders.services.lifecycle.verification import PriceChanged
from orders.services.public_order import public_order
from orders.storage import order_reads
from orders.storage.order_writes import orders
from tests.functional.hostile.values import PLAIN, UNREADABLE
from tests.integration.builders import (
    PRICES,
    A,
    act,
    address,
    asked,
    line,
    lines,
    place,
    read,
    small_sandbox,  # noqa: F401
    store,
)
from tests.raw_server import RawServer, answer

NOBODY = {"name": "", "email": "", "phone": ""}
FACTS = ("name", "sku", "image_url")
HOSTILE: dict[str, tuple[Any, str]] = {
    **{name: (text, text.replace(text[1], "?")) for name, text in UNREADABLE.items()},
    "lone surrogate": ("a\ud800b", "a?b"),
    "override": ("a\u202eb", "ab"),
    "lines": ("a\r\nb", "a b"),
    "a lot of characters": ("x" * 40_000, "x" * 300),
    "a lot of controls": ("\x00" * 40_000, "?" * 300),
    "number": (7, ""),
    "none": (None, ""),
    "list": (["a"], ""),
    "object": ({"$ne": None}, ""),
}
"""What a peer may call somebody or something, and what is kept of it where there is room for 300 characters."""


@pytest.fixture(autouse=True)
def _peers_forgotten() -> Iterator[None]:
    yield
    peer_requests.reset()


def said(**details: Any) -> dict[str, Any]:
    """The order that is placed where the storefront says this."""
    return place((A, 1), details=Details(**details)).order


# --- what the peers say ----------------------------------------------------------------------------------------------


def test_each_line_keeps_what_its_product_is_called(sandbox: Sandbox) -> None:
    image = "https://img.example/lamp.jpg?w=2"
    sandbox.control.put_product(A, name=" Lamp,\t brass", price=PRICES[A], sku="LA-1", image_url=image, available=9)
    placed = place_order(
        user_id="1", items=lines((A, 1), (A, 2)), shipping_address=address(), act=act()
    ).order  # the second line of a product is no other
    sandbox.control.put_product(A, name="Renamed", price=PRICES[A], available=9)
    for item in read(placed["_id"])["items"]:
        assert {name: item[name] for name in FACTS} == {"name": "Lamp,  brass", "sku": "LA-1", "image_url": image}


@pytest.mark.parametrize(
    "url",
    ["javascript:alert(1)", "//img.example/a.png", "data:image/png;base64,AA", "https:///a.png", "http://[", "/a.png",
     "https://img.example/a b.png", "https://img.example/\x00", "https://img.example/" + "x" * 2000],
)  # fmt: skip
def test_what_is_no_address_of_an_image_is_left_out(sandbox: Sandbox, url: str) -> None:
    sandbox.control.put_product(A, name="Lamp", price=PRICES[A], image_url=url, available=9)
    [item] = place((A, 1)).order["items"]
    assert (item["name"], item["image_url"]) == ("Lamp", "")


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ({}, {"name": "Somebody", "email": "a@example.com", "phone": ""}),
        ({"name": "Bob", "phone": "555"}, {"name": "Bob", "email": "a@example.com", "phone": "555"}),
        ({"email": " b@example.com "}, {"name": "Somebody", "email": "b@example.com", "phone": ""}),
        ({"name": "\u200b "}, {"name": "Somebody", "email": "a@example.com", "phone": ""}),
    ],
)
def test_of_the_contact_what_is_sent_wins_field_by_field_and_the_user_service_fills_the_rest(
    sandbox: Sandbox, sent: dict[str, str], kept: dict[str, str]
) -> None:
    assert said(contact=Contact(**sent))["contact"] == kept


def test_a_user_service_that_is_down_leaves_what_was_sent(sandbox: Sandbox) -> None:
    sandbox.control.fault("verify", "status", status=503)
    assert said(contact=Contact(name="Bob"))["contact"] == NOBODY | {"name": "Bob"}
    assert said()["contact"] == NOBODY


@pytest.mark.parametrize(("given", "kept"), HOSTILE.values(), ids=HOSTILE)
def test_no_name_of_a_peer_fails_a_placement_or_is_kept_unreadable(
    sandbox: Sandbox, settings: Settings, given: Any, kept: str
) -> None:
    product = {"price": str(PRICES[A]), "name": given, "sku": given, "image_url": given, "category": given}
    user = {"valid": True, "full_name": given, "email": given}
    with RawServer(answer(200, product)) as products, RawServer(answer(200, user)) as users:
        settings.PRODUCT_SERVICE_URL, settings.USER_SERVICE_URL = products.url, users.url
        placed = place((A, 1)).order
    [item] = placed["items"]
    assert {name: item[name] for name in FACTS} == {"name": kept, "sku": kept[:64], "image_url": ""}
    assert placed["contact"] == NOBODY | {"name": kept[:200]}
    assert placed["user_verified"] is True


@pytest.mark.parametrize("email", ["amara", "a@b", "a\x00@example.com", "a b@example.com", "a@example.com\nb", 7])
def test_an_email_that_is_none_is_left_out_not_corrected(sandbox: Sandbox, settings: Settings, email: Any) -> None:
    with RawServer(answer(200, {"valid": True, "full_name": "Amara", "email": email})) as users:
        settings.USER_SERVICE_URL = users.url
        assert said()["contact"] == NOBODY | {"name": "Amara"}


# --- what the storefront says ----------------------------------------------------------------------------------------


def test_all_that_is_said_is_kept_tidied_and_as_the_text_that_it_is(sandbox: Sandbox) -> None:
    texts = [*PLAIN.values(), "=1+1", "@SUM(A1)", "$name", "<b>&amp;</b>"]
    for text in texts:
        order = said(
            contact=Contact(name=f" {text}", email="Amara.O'Neill+shop@bücher.example", phone="+49 (0) 30 / 123-4"),
            reference=f"\t{text}",
            note=f"{text}\r\n{text} ",
            metadata={"a $ name": f"{text}\n", "__proto__": text},
            billing_address=address(name=text, company=text),
        )
        assert order["contact"]["name"] == order["reference"] == text
        assert order["contact"]["email"] == "Amara.O'Neill+shop@bücher.example"
        assert order["note"] == f"{text}\n{text}"
        assert text in order["metadata"].values()
        assert (order["billing_address"]["name"], order["billing_address"]["company"]) == (text, text)
        shown = public_order(read(order["_id"]))
        assert {name: shown[name] for name in ("reference", "note", "metadata", "contact")} == {
            name: order[name] for name in ("reference", "note", "metadata", "contact")
        }
        assert Order.objects.get(pk=order["_id"]).metadata == order["metadata"]


MANY = {f"k{number}": "" for number in range(51)}
BROKEN: dict[str, tuple[dict[str, Any], str]] = {
    "no email": ({"contact": Contact(email="amara")}, "contact.email"),
    "two emails": ({"contact": Contact(email="a@example.com,b@example.com")}, "contact.email"),
    "a header in an email": ({"contact": Contact(email="a@example.com\nBcc: b@example.com")}, "contact.email"),
    "a long email": ({"contact": Contact(email=f"{'a' * 250}@example.com")}, "contact.email"),
    "no phone": ({"contact": Contact(phone="call me")}, "contact.phone"),
    "a control character in a phone": ({"contact": Contact(phone="555\x07")}, "contact.phone"),
    "a phone of an address": ({"billing_address": address(phone="12")}, "billing_address.phone"),
    "a long name": ({"contact": Contact(name="x" * 201)}, "contact.name"),
    "a control character in a name": ({"contact": Contact(name="a\x1b[31mb")}, "contact.name"),
    "half a character": ({"contact": Contact(name="a\ud800")}, "contact.name"),
    "no town": ({"billing_address": address(city=" ")}, "billing_address.city"),
    "no currency": ({"currency": "XXL"}, "currency"),
    "a currency in small letters": ({"currency": "eur"}, "currency"),
    "a currency that the shop does not take": ({"currency": "CHF"}, "currency"),
    "a currency of another kind": ({"currency": {"$ne": None}}, "currency"),
    "a long reference": ({"reference": "x" * 65}, "reference"),
    "a control character in a reference": ({"reference": "a\x00b"}, "reference"),
    "a long note": ({"note": "x" * 501}, "note"),
    "half a character in a note": ({"note": "\udc00"}, "note"),
    "many entries": ({"metadata": MANY}, "metadata"),
    "a nameless entry": ({"metadata": {"": "a"}}, "metadata."),
    "a long name of an entry": ({"metadata": {"x" * 1_000_000: "a"}}, f"metadata.{'x' * 40}"),
    "an operator": ({"metadata": {"$where": "a"}}, "metadata.$where"),
    "a path": ({"metadata": {"a.b": "a"}}, "metadata.a.b"),
    "a name that cannot be seen": ({"metadata": {"a": "", "a\u200b": ""}}, "metadata.a\u200b"),
    "a control character in an entry": ({"metadata": {"a": "\x00"}}, "metadata.a"),
    "ten megabytes": ({"metadata": {"a": "x" * 10_000_000}}, "metadata.a"),
    "fifty times a megabyte": ({"metadata": {f"k{n}": "x" * 1_000_000 for n in range(50)}}, "metadata.k49"),
}


@pytest.mark.parametrize(("details", "named"), BROKEN.values(), ids=BROKEN)
def test_what_cannot_be_kept_is_refused_and_asks_nobody(sandbox: Sandbox, details: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidOrder) as refused:
        place((A, 1), details=Details(**details), idempotency_key="k")
    errors = refused.value.members["errors"]
    assert named in errors
    assert len(str(errors)) < 10_000
    assert sandbox.control.calls() == []
    assert orders().count_documents({}) == 0


def test_as_much_as_there_may_be_is_kept(sandbox: Sandbox) -> None:
    metadata = {f"{number:040}": "x" * 500 for number in range(50)}
    order = said(metadata=metadata, note="x" * 500, reference="x" * 64)
    assert read(order["_id"])["metadata"] == metadata


# --- currency --------------------------------------------------------------------------------------------------------


def test_an_order_is_in_the_shops_currency_unless_it_says_another_that_the_shop_takes(
    sandbox: Sandbox, settings: Settings
) -> None:
    settings.CURRENCY, settings.CURRENCIES = "CHF", ["CHF", "JPY"]
    assert said()["currency"] == "CHF"
    sandbox.control.put_product(A, name="Lamp", price="1490", currency="jpy", available=9)
    items = [Item(product_id=A, quantity=1, price=Decimal("1490.00"))]
    placed = place_order(
        user_id="1", items=items, shipping_address=address(), act=act(), details=Details(currency="JPY")
    )
    assert placed.order["currency"] == "JPY"


@pytest.mark.parametrize(("ordered", "priced", "told"), [("EUR", "CHF", "CHF"), ("CHF", "", "EUR")])
def test_a_price_in_another_currency_than_the_orders_has_changed(
    sandbox: Sandbox, settings: Settings, ordered: str, priced: str, told: str
) -> None:
    settings.CURRENCIES = ["EUR", "CHF"]
    sandbox.control.put_product(A, name="Lamp", price=PRICES[A], currency=priced, available=9)
    with pytest.raises(PriceChanged, match=f"^The order is in {ordered}. The price of {A} is in {told}.$") as refused:
        said(currency=ordered)
    assert set(refused.value.members["errors"]) == {"items.0.price"}
    assert asked(sandbox) == []
    assert orders().count_documents({}) == 0


# --- orders of before ------------------------------------------------------------------------------------------------


def test_an_order_that_has_none_of_it_reads_as_empty_everywhere() -> None:
    order_id = store("pending", line("reserved"), due=None)
    order = Order.objects.get(pk=order_id)
    assert (order.currency, order.reference, order.note, order.metadata, order.billing_address) == (
        *("EUR", "", "", {}), None,
    )  # fmt: skip
    assert str(order.contact) == ""
    assert {getattr(order.items[0], name) for name in FACTS} == {""}
    assert str(order.shipping_address) == "1 Long Street, 1 Springfield, X"
    shown = public_order(read(order_id))
    assert (shown["currency"], shown["contact"], shown["billing_address"], shown["metadata"]) == (
        *("EUR", NOBODY), None, {},
    )  # fmt: skip
    assert {shown["items"][0][name] for name in FACTS} == {""}
    fast = order_reads.get_order(order_id)
    assert fast is not None
    assert public_order(fast) == shown


def test_what_was_not_read_is_not_taken_for_empty(sandbox: Sandbox) -> None:
    order_id = said(reference="WEB-1", note="Ring twice.")["_id"]
    partly = Order.objects.only("number").get(pk=order_id)
    assert (partly.reference, partly.note) == ("WEB-1", "Ring twice.")


def test_who_receives_it_stands_in_the_address() -> None:
    whole = Address(
        name="Amara", company="Okafor Ltd", line1="1 Way", line2="Flat 2", city="Lisbon", state="L",
        postal_code="1100", country="Portugal", phone="555",
    )  # fmt: skip
    assert str(whole) == "Amara, Okafor Ltd, 1 Way, Flat 2, 1100 Lisbon, L, Portugal, 555"
