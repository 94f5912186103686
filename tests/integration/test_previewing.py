"""Looking at an order before it is placed: what it would come to, and all that keeps it from being placed."""

from decimal import Decimal
from typing import Any

import pytest
from pytest_django import Settings

from integrations import Deadline
from integrations.sandbox import Sandbox
from orders.models import Contact, Item
from orders.services import access, product_search
from orders.services.access import Actor, Kind, NotPermitted
from orders.services.lifecycle.drafts import Details
from orders.services.lifecycle.placement import place_order
from orders.services.lifecycle.previewing import Preview, preview_order
from orders.storage.order_writes import orders
from tests.integration.builders import (
    A,
    B,
    C,
    act,
    address,
    place,
    shelve,
    small_sandbox,  # noqa: F401
)
from tests.integration.test_placement import DEAD
from tests.other_shop import Shop, other_fixture, shop_fixture  # noqa: F401

NIA = Actor(Kind.STAFF, "nia", "admin", frozenset({access.VIEW, access.PLACE_FOR_CUSTOMER}))
NOBODY = Actor(Kind.STAFF, "max", "admin", frozenset({access.VIEW, access.PLACE}))


def preview(*wanted: tuple[str, int], user_id: str = "1", actor: Actor = NIA, **details: Any) -> Preview:
    items = [Item(product_id=product, quantity=quantity, price=Decimal(0)) for product, quantity in wanted]
    return preview_order(
        user_id=user_id, items=items, shipping_address=address(), details=Details(**details), actor=actor, at=act().at
    )


def test_what_an_order_would_come_to_is_known_before_it_is_placed_and_nothing_is_kept(sandbox: Sandbox) -> None:
    sandbox.control.put_product(A, name="Towel", sku="TW", price="14.899", available=9)
    shelve(sandbox, B)
    found = preview((A.upper(), 2), (B, 3))
    assert found.can_place
    assert [(line.name, line.sku, line.price, line.available, line.enough) for line in found.lines] == [
        ("Towel", "TW", Decimal("14.90"), 9, True),
        ("Thing", "", Decimal("49.00"), 10, True),
    ]
    assert (found.total, found.customer, found.problems, found.away) == (Decimal("176.80"), "Somebody", {}, [])
    assert orders().count_documents({}) == 0
    assert sandbox.control.calls("reserve") == []
    sandbox.control.put_user(1, email="a@example.com", full_name="")
    assert preview((A, 1)).customer == "a@example.com"


def test_an_order_that_can_be_placed_is_placed_just_as_it_was_shown(sandbox: Sandbox) -> None:
    items = [Item(product_id=A, quantity=2, price=Decimal(0))]
    asked: dict[str, Any] = {"user_id": "1", "items": items, "shipping_address": address(), "details": Details()}
    total = preview_order(**asked, actor=NIA, at=act().at).total
    placed = place_order(**asked, act=act(NIA)).order
    assert placed["total_price"].to_decimal() == total
    assert {entry["actor"] for entry in placed["history"]} == {"staff:nia"}


@pytest.mark.parametrize("actor", [NOBODY, access.customer("2")], ids=["staff", "another customer"])
def test_whoever_may_not_place_it_learns_nothing(sandbox: Sandbox, actor: Actor) -> None:
    with pytest.raises(NotPermitted):
        preview((A, 1), actor=actor)
    with pytest.raises(NotPermitted):
        place((A, 1), actor=actor)
    with pytest.raises(NotPermitted):
        product_search.search_products("towel", actor=actor)
    assert sandbox.control.calls() == []


@pytest.mark.parametrize(
    ("wanted", "options", "problems"),
    [
        ([], {}, {"items"}),
        ([(A, 0)], {}, {"items.0.quantity"}),
        ([(A, 10_001), (B, 1)], {}, {"items.0.quantity"}),
        ([("", 1), (B, 1)], {}, {"items.0.product_id"}),
        ([("f" * 24, 1), (A, 99), (B, 1)], {}, {"items.0.product_id", "items.1.quantity"}),
        ([(A, 1)], {"user_id": ""}, {"user_id"}),
        ([(A, 1)], {"user_id": "{1}"}, {"user_id"}),
        ([(A, 1)], {"user_id": "99"}, {"user_id"}),
        ([(A, 1)], {"contact": Contact(email="nobody")}, {"contact.email"}),
        ([(A, 1)], {"user_id": "99", "contact": Contact(email="nobody")}, {"user_id", "contact.email"}),
        ([(A, 1), (C, 1)], {"currency": "USD"}, {"items.0.price", "items.1.price"}),
    ],
)
def test_all_that_keeps_it_from_being_placed_is_said_at_once_by_field(
    sandbox: Sandbox, settings: Settings, wanted: list[tuple[str, int]], options: dict[str, Any], problems: set[str]
) -> None:
    settings.CURRENCIES = [settings.CURRENCY, "USD"]
    for product in (A, B, C):
        shelve(sandbox, product)
    found = preview(*wanted, **options)
    assert not found.can_place
    assert set(found.problems) == problems
    assert len(found.lines) == len(wanted)
    assert orders().count_documents({}) == 0


def test_a_total_that_is_too_high_is_said_once_the_prices_are_known(sandbox: Sandbox, settings: Settings) -> None:
    settings.MAX_ORDER_TOTAL = Decimal(20)
    assert preview((A, 1)).can_place
    assert set(preview((A, 2)).problems) == {"items"}


def test_a_peer_that_is_away_is_named_and_what_the_others_say_is_told(sandbox: Sandbox, settings: Settings) -> None:
    settings.PRODUCT_SERVICE_URL = DEAD
    found = preview((A, 1))
    assert (found.away, found.can_place, found.total, found.lines[0].enough) == (["products"], False, None, True)
    settings.PRODUCT_SERVICE_URL, settings.INVENTORY_SERVICE_URL = settings.USER_SERVICE_URL, DEAD
    found = preview((A, 1))
    assert (found.away, found.can_place, found.total) == (["inventory"], False, Decimal("14.90"))
    assert (found.lines[0].enough, found.lines[0].available) == (None, None)


def test_a_user_service_that_is_away_keeps_it_from_being_placed_where_the_setting_says_so(
    sandbox: Sandbox, settings: Settings
) -> None:
    settings.USER_SERVICE_URL = DEAD
    found = preview((A, 1))
    assert (found.unverified, found.can_place, found.customer, found.away) == (True, True, "", [])
    settings.ALLOW_UNVERIFIED_USERS = False
    assert not preview((A, 1)).can_place


def test_peers_are_asked_no_longer_than_there_is_time(sandbox: Sandbox) -> None:
    found = preview_order(
        user_id="1",
        items=[Item(product_id=A, quantity=1, price=Decimal(0))],
        shipping_address=address(),
        details=Details(),
        actor=NIA,
        at=act().at,
        deadline=Deadline.after(0),
    )
    assert (found.away, found.unverified) == (["inventory", "products"], True)
    assert sandbox.control.calls() == []


# --- products by name ------------------------------------------------------------------------------------------------


def test_products_are_found_where_the_product_service_can_be_searched(
    sandbox: Sandbox, settings: Settings, other: Shop
) -> None:
    assert [product.product_id for product in product_search.search_products(f"No.  {A}", actor=NIA)] == [A]
    assert product_search.search_products(" n ", actor=NIA) == []
    settings.PRODUCT_BACKEND = "integrations.published.Products"
    assert not product_search.can_search()
    with pytest.raises(product_search.NoProductSearch):
        product_search.search_products("towel", actor=NIA)


def test_no_more_products_are_shown_than_asked_for_whatever_the_peer_sends(other: Shop) -> None:
    other.prices |= {f"{number:024x}": "1.00" for number in range(30)}
    other.most_is_ignored = True
    assert len(product_search.search_products("no.", actor=NIA)) == product_search.MOST_FOUND
