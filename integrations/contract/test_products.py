"""A PRODUCT_BACKEND and its peer."""

from decimal import ROUND_HALF_UP, Decimal
from typing import cast

import pytest

from integrations import Deadline, products
from integrations.backend_loading import offers_many, product_backend
from integrations.backends import BulkProductBackend
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
