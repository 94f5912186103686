"""A PRODUCT_BACKEND and its peer."""

from decimal import ROUND_HALF_UP, Decimal
from typing import cast

import pytest

from integrations import Deadline, products
from integrations.backend_loading import offers_many, offers_search, product_backend
from integrations.backends import BulkProductBackend, SearchableProductBackend
from integrations.contract.canned import UNREADABLE, require_no_answer
from integrations.contract.known import Known

PATIENCE = 30.0
STRANGE = ("no such id", "a/b?c=d#e", "..%2f..", "\N{LATIN SMALL LETTER U WITH DIAERESIS}")


def fetch(product_id: str) -> products.Product | None:
    return products.fetch(product_id, deadline=Deadline.after(PATIENCE))


def many(*product_ids: str) -> products.Found:
    """Ask for several as a placement does, whatever the backend offers."""
    found: products.Found = {}
    for look_up in products.look_ups(product_ids, deadline=Deadline.after(PATIENCE)):
        found |= look_up()
    return found


def bulk() -> BulkProductBackend:
    backend = product_backend()
    if not offers_many(backend):
        pytest.skip("the backend offers no bulk look-up")
    return cast("BulkProductBackend", backend)


def test_a_product_is_found_with_its_exact_price(known: Known) -> None:
    found = fetch(known.require_product())
    assert isinstance(found, products.Product)
    assert known.price in (None, found.price.quantize(Decimal("0.01"), ROUND_HALF_UP))


def test_a_product_that_does_not_exist_is_none(known: Known) -> None:
    assert fetch(known.unknown_product_id) is None


@pytest.mark.parametrize("product_id", STRANGE)
def test_an_id_of_another_format_is_no_products(product_id: str) -> None:
    assert fetch(product_id) is None


def test_what_says_nothing_about_a_product_is_no_answer(known: Known) -> None:
    require_no_answer(product_backend().fetch(known.product_id or known.unknown_product_id))


def test_of_many_each_is_what_it_is_alone(known: Known) -> None:
    bulk()
    asked = (known.require_product(), known.unknown_product_id, *STRANGE)
    assert many(*asked) == {product_id: fetch(product_id) for product_id in asked}


def test_more_than_can_be_asked_for_at_once_are_all_answered(known: Known) -> None:
    unknown = [f"{number:024x}" for number in range(bulk().most_at_once)]
    found = many(*unknown, known.require_product())
    assert found.pop(known.product_id) == fetch(known.product_id)
    assert not any(found.values())


def test_what_says_nothing_about_many_is_no_answer(known: Known) -> None:
    require_no_answer(bulk().fetch_many([known.require_product()]), UNREADABLE)


def searchable() -> SearchableProductBackend:
    backend = product_backend()
    if not offers_search(backend):
        pytest.skip("the backend offers no search")
    return cast("SearchableProductBackend", backend)


def search(text: str, limit: int = 20) -> list[products.Product]:
    return products.search(text, limit, deadline=Deadline.after(PATIENCE))


def test_a_product_is_found_by_its_name_as_it_is_by_its_id(known: Known) -> None:
    searchable()
    product = fetch(known.require_product())
    assert isinstance(product, products.Product)
    assert product in search(product.name)
    assert len(search(product.name, 1)) == 1


@pytest.mark.parametrize("text", ["no product is called this: 7f3a9c51", "%", "a&limit=1000#", "\N{SNOWMAN}" * 40])
def test_a_text_that_finds_nothing_is_an_empty_list(text: str) -> None:
    searchable()
    assert len(search(text, 2)) <= 2
    if text != "%":
        assert search(text) == []


def test_what_says_nothing_about_a_search_is_no_answer() -> None:
    require_no_answer(searchable().search("a", 5), UNREADABLE)
