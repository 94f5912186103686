"""A first page of the list, and what its first orders come to: read together, however the orders are found."""

from datetime import UTC, datetime, timedelta

import pytest
from bson import Decimal128, ObjectId
from django.db import DatabaseError
from pymongo.errors import NetworkTimeout, OperationFailure

from orders.models import Document, OtherOrder, Snooze
from orders.services.search_terms import terms_of
from orders.services.searching import meanings_of
from orders.storage import foreign_orders, order_lists
from orders.storage.order_query import OrderQuery
from orders.storage.order_writes import orders

pytestmark = pytest.mark.usefixtures("database")

MANY = 30
START = datetime(2026, 1, 1)  # noqa: DTZ001 - naive UTC, as stored


@pytest.fixture(autouse=True)
def many(database: object) -> list[ObjectId]:
    """Orders, the newest first: every second by Amara, every third an Okafor's."""
    documents: list[Document] = []
    for n in range(MANY):
        document = {
            "_id": ObjectId(), "number": f"N{n:011d}", "user_id": "8", "user_verified": True, "status": "pending",
            "version": 1,
            "contact": {"name": f"{('Amara', 'Andrea')[n % 2]} {('Okafor', 'Lindqvist', 'Rossi')[n % 3]}"},
            "items": [], "total_price": Decimal128(f"{n % 7}.00"), "created_at": START - timedelta(seconds=n),
        }  # fmt: skip
        documents.append(document | {"terms": terms_of(document)})
    orders().insert_many(documents)
    return [document["_id"] for document in documents]


def ids(query: OrderQuery, size: int = 5, most: int = 20) -> tuple[list[ObjectId], list[ObjectId] | None]:
    page, found = order_lists.first_page(query, size, most, seconds=30)
    return [place.id for place in page.places], None if found is None else [place.id for place in found]


def test_the_first_orders_are_told_beside_the_page(many: list[ObjectId]) -> None:
    assert ids(OrderQuery()) == (many[:5], many[:20])
    assert ids(OrderQuery(), size=MANY) == (many, many), "all there are"
    page, found = ids(OrderQuery(lowest_first=True))
    assert page[:2] == [many[0], many[7]]
    assert found == many[:20], "what is added up are the newest"


def test_the_page_does_not_wait_for_what_takes_too_long(many: list[ObjectId], monkeypatch: pytest.MonkeyPatch) -> None:
    found = order_lists._places
    of_an_inner_read = DatabaseError()
    of_an_inner_read.__cause__ = NetworkTimeout("too late")
    for error, is_told in (
        (NetworkTimeout("too late"), False),
        (of_an_inner_read, False),
        (OperationFailure("broken"), True),
    ):

        def cut_off(*asked: object, error: Exception = error) -> object:
            if asked[1] == 20:
                raise error
            return found(*asked)  # type: ignore[arg-type]

        monkeypatch.setattr(order_lists, "_places", cut_off)
        if is_told:
            with pytest.raises(DatabaseError) as failed:
                ids(OrderQuery())
            assert failed.value.__cause__ is error
        else:
            assert ids(OrderQuery()) == (many[:5], None)


def test_orders_with_several_words_are_found_as_far_as_a_page_may_look(
    many: list[ObjectId], monkeypatch: pytest.MonkeyPatch
) -> None:
    both = [order_id for n, order_id in enumerate(many) if n % 6 == 0]
    asked = OrderQuery(meanings=meanings_of("amara okafor"))
    assert ids(asked, size=3) == (both[:3], None), "many may have to be looked at: nothing is added up"
    assert ids(asked, size=9) == (both, both)
    monkeypatch.setattr(order_lists, "LOOKED_AT_WHERE_SPARSE", 1)
    monkeypatch.setattr(order_lists, "MOST_LOOKED_AT", 6)
    asked = OrderQuery(meanings=meanings_of("amara okafor"))
    assert ids(asked, size=4) == (both[:3], None), "what there may be beyond is not told"
    page = order_lists.page_after(asked, 4)
    assert page.later
    assert page.reached is not None
    assert order_lists.page_after(asked, 4, page.reached).places[0].id == both[3]
    whole = order_lists.page_after(asked, 1)
    assert (whole.later, whole.reached) == (True, None), "a page that is full is read on from its last order"
    assert order_lists.first_ids(asked, 100) == both, "nobody waits for what is not a page"


def test_a_page_passes_by_orders_of_others_that_fill_what_it_may_look_at(
    many: list[ObjectId], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(order_lists, "LOOKED_AT_WHERE_SPARSE", 1)
    monkeypatch.setattr(order_lists, "MOST_LOOKED_AT", 4)
    orders().update_many({"_id": {"$in": many[:18]}}, {"$unset": {"version": 1}})
    foreign_orders.forget()
    page = order_lists.page_after(OrderQuery(meanings=meanings_of("amara okafor")), 2)
    assert [place.id for place in page.places] == [many[18], many[24]]


def test_parts_are_named_for_people() -> None:
    assert str(OtherOrder(number="SB6D-774Q-7B66")) == "SB6D-774Q-7B66"
    assert str(Snooze(until=datetime(2026, 12, 1, 8, tzinfo=UTC))) == "until 2026-12-01 08:00"
