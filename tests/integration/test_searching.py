"""Searching orders: what is found, in which order, by which index, and that whoever changes an order keeps it found."""

from datetime import datetime, timedelta
from decimal import Decimal
from itertools import product
from typing import Any

import pytest
from bson import Decimal128, ObjectId
from django.db import DatabaseError

from integrations.sandbox import Sandbox
from orders.models import Contact, Order
from orders.services.lifecycle import editing
from orders.services.lifecycle.placement import Details
from orders.services.lifecycle.versions import OrderBusy
from orders.services.order_queries import InvalidOrderQuery
from orders.services.search_index import index_orders
from orders.services.search_terms import terms_of
from orders.services.searching import meanings_of, searched_in_time
from orders.storage import order_lists, order_reads, term_index
from orders.storage.order_query import OrderQuery
from orders.storage.order_writes import orders
from tests.integration.builders import (
    A,
    Document,
    act,
    address,
    line,
    place,
    read,
    small_sandbox,  # noqa: F401
    store,
)
from tests.order_invariants import violations_of

START = datetime(2026, 1, 1)  # noqa: DTZ001 - naive UTC, as stored


def searched(text: str, **more: Any) -> OrderQuery:
    return OrderQuery(meanings=meanings_of(text), **more)


def found(text: str, most: int = 100, **more: Any) -> list[ObjectId]:
    """What a search finds, by whichever way it is read: a page, the storefront's list, all of them in batches."""
    query = searched(text, **more)
    ids = order_lists.first_ids(query, most)
    listed = [order["_id"] for order in order_reads.list_orders(query, limit=most)]
    batches = [order["_id"] for batch in order_lists.batches(query, size=2) for order in batch]
    assert ids == listed == batches[:most]
    assert order_lists.count(query) == len(batches)
    assert order_lists.size(query, most) == len(ids)
    return ids


def said(number: int, name: str, city: str = "Lisbon", **fields: Any) -> ObjectId:
    """Store an order of somebody in some town; the higher the number, the newer."""
    document: Document = {
        "number": f"N{number:011d}",
        "contact": {"name": name, "email": "", "phone": ""},
        "shipping_address": {"line1": "1", "city": city, "postal_code": "", "country": "X"},
        "items": [line("reserved")],
        "user_id": "u-1",
    }
    document |= fields
    document |= {"created_at": START + timedelta(minutes=number), "terms": terms_of(document)}
    return store(document.pop("status", "pending"), due=None, **document)


# --- what is found ---------------------------------------------------------------------------------------------------

pytestmark = pytest.mark.usefixtures("database")


def test_an_order_has_to_have_all_words_and_the_newest_comes_first() -> None:
    first, second = said(1, "Amara Okafor"), said(2, "Okafor Amy", "Lyon")
    other = said(3, "Jonas Lindqvist", "Lyon")
    assert found("okafor am") == found("am okaf") == [second, first]
    assert found("okafor lyon") == [second]
    assert found("lyon") == [other, second]
    assert found("lyon", oldest_first=True) == [second, other]
    assert found("okafor nowhere") == found("nowhere okafor") == found("x") == []


def test_a_total_is_found_by_itself_and_beside_words() -> None:
    first = said(1, "Amara Okafor", total_price=Decimal128("64.90"))
    second = said(2, "Jonas Lindqvist", total_price=Decimal128("64.90"))
    numbered = said(3, "Mei Tanaka", reference="6490-1", total_price=Decimal128("1.00"))
    said(4, "Mei Tanaka", total_price=Decimal128("64.91"))
    assert found("64.90") == found("64,90") == [numbered, second, first]
    assert found("amara 64.90") == found("64,90 ama") == [first]
    assert found("1.00") == [numbered]
    assert found("2.00") == []


def test_a_total_is_found_as_it_stands_on_a_page(settings: Any) -> None:
    settings.CURRENCIES = ["EUR", "CHF"]
    order = said(1, "Euridice Chf", total_price=Decimal128("1264.90"))
    for typed in ("CHF\xa01,264.90", "1.264,90 EUR", "€1,264.90", "chf 1\u2019264.90 euri"):
        assert found(typed) == [order], typed
    assert found("USD 1264.90") == []
    assert found("chf") == found("eur") == [order], "without an amount it is a word like any other"


def test_a_search_and_other_conditions_narrow_each_other() -> None:
    made = [said(n, "Amara Okafor", status="paid" if n % 2 else "pending", user_id=str(n % 3)) for n in range(9)]
    assert found("amara", statuses=("paid",)) == made[7::-2]
    assert found("amara", user_id="0") == [made[6], made[3], made[0]]
    span = {"since": START + timedelta(minutes=2), "before": START + timedelta(minutes=5)}
    assert found("amara", **span) == made[4:1:-1]
    assert found("amara", least=Decimal(30)) == []
    draft = said(20, "Amara Okafor", status="rejected")
    assert draft not in found("amara")
    assert order_lists.first_ids(searched("amara", drafts=True), 1) == [draft]


def test_numbers_and_ids_are_found_without_terms_too() -> None:
    """Orders from before the search knew words, until they are indexed."""
    order_id = store("pending", line("reserved"), due=None, number="10KQ-2M9D-XW3H", user_id="auth0|7")
    assert found("lokq 2m9d xw3h") == found(str(order_id)) == found("auth0|7") == found(A) == [order_id]
    assert found("10KQ-2M9D") == []


@pytest.mark.parametrize(
    "text",
    ["$ne", '{"$gt": ""}', "am.*", "(am)", "^amara$", "a|o", "[a-z]mara", ".", "terms.$", "amara\\", "\\x61mara"],
)
def test_signs_of_queries_and_patterns_mean_nothing(text: str) -> None:
    order_id = said(1, "Amara Okafor")
    plain = "".join(char for char in text if char.isalnum())
    try:
        expected = [order_id] if plain and ("amara".startswith(plain) or "okafor".startswith(plain)) else []
        assert found(text) == expected
    except InvalidOrderQuery:
        assert not plain


# --- how it is read --------------------------------------------------------------------------------------------------


@pytest.fixture
def common(monkeypatch: pytest.MonkeyPatch) -> list[ObjectId]:
    """Sixty orders of whom each word has more than a few; the newest last."""
    monkeypatch.setattr(term_index, "FEW", 5)
    monkeypatch.setattr(term_index, "FEW_OF_SEVERAL", 5)
    return [
        said(
            n, f"Amara {('Okafor', 'Oduya')[n % 2]}", ("Lisbon", "Lyon", "Graz")[n % 3], total_price=Decimal128("5.00")
        )
        for n in range(60)
    ]


LIMITS: list[dict[str, int]] = [
    {"MOST_WALKED": 3, "MOST_LOOKED_AT": 2000, "LOOKED_AT_WHERE_SPARSE": 1, "FEW_TERMS": 0},
    {"MOST_WALKED": 10, "MOST_LOOKED_AT": 2000, "LOOKED_AT_WHERE_SPARSE": 32, "FEW_TERMS": 0},
    {"MOST_WALKED": 1000, "MOST_LOOKED_AT": 2000, "LOOKED_AT_WHERE_SPARSE": 1, "FEW_TERMS": 4},
    {"MOST_WALKED": 3, "MOST_LOOKED_AT": 2000, "LOOKED_AT_WHERE_SPARSE": 1, "FEW_TERMS": 1},
    {"MOST_WALKED": 3, "MOST_LOOKED_AT": 7, "LOOKED_AT_WHERE_SPARSE": 1, "FEW_TERMS": 0},
    {"MOST_WALKED": 3, "MOST_LOOKED_AT": 7, "LOOKED_AT_WHERE_SPARSE": 1, "FEW_TERMS": 4},
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "which"),
    [
        ("amara", lambda n: True),
        ("amara okafor", lambda n: n % 2 == 0),
        ("okaf lisb", lambda n: n % 6 == 0),
        ("am o g", lambda n: n % 3 == 2),
        ("lisbon lyon", lambda n: False),
        ("5.00 lyon", lambda n: n % 3 == 1),
        ("5.00", lambda n: True),
    ],
)
def test_common_words_are_found_alike_however_their_orders_are_read(
    common: list[ObjectId], monkeypatch: pytest.MonkeyPatch, text: str, which: Any
) -> None:
    for limits, oldest_first in product(LIMITS, (False, True)):
        for name, limit in limits.items():
            monkeypatch.setattr(term_index if name == "FEW_TERMS" else order_lists, name, limit)
        case = f"{limits}, the {'oldest' if oldest_first else 'newest'} first"
        expected = [order_id for n, order_id in enumerate(common) if which(n)]
        expected = expected if oldest_first else expected[::-1]
        assert found(text, oldest_first=oldest_first) == expected, case
        query, paged, page, back = searched(text, oldest_first=oldest_first), [], None, None
        while page is None or page.later:
            page = order_lists.page_after(query, 4, page and (page.reached or page.places[-1]))
            paged += [order.pk for order in page.orders]
            back = page if page.places else back
        assert paged == expected, case
        seen = {order.pk for order in back.orders} if back else set()
        while back and back.earlier:
            back = order_lists.page_before(query, 4, back.places[0])
            seen |= {order.pk for order in back.orders}
        assert seen == set(expected), f"{case}: on the way back"
        if len(expected) > 8 and limits["MOST_LOOKED_AT"] > len(common):
            before = order_lists.page_before(query, 4, page.places[0])
            assert [order.pk for order in before.orders] == paged[-len(page.places) - 4 : -len(page.places)], case
            no_whole_page = order_lists.page_before(query, len(common), page.places[0])
            assert [order.pk for order in no_whole_page.orders] == paged, case


def test_a_search_that_takes_too_long_says_what_to_do(settings: Any) -> None:
    said(1, "Amara Okafor")
    settings.BACKOFFICE_QUERY_MS = 0
    with pytest.raises(InvalidOrderQuery, match="Too many orders have these words"), searched_in_time():
        order_lists.first_ids(searched("amara"), 10)


def test_another_failure_of_the_database_stays_one() -> None:
    with pytest.raises(DatabaseError, match="away"), searched_in_time():
        raise DatabaseError("away")


# --- who keeps it so -------------------------------------------------------------------------------------------------


def test_a_placed_order_is_found_at_once_by_what_it_says_and_what_the_peers_call_it(sandbox: Sandbox) -> None:
    details = Details(contact=Contact(name="Zoë Núñez", phone="+34 600 123 456"), reference="WEB-77")
    order = place((A, 1), details=details).order
    for text in ("nunez zoe", "Springfield", "12345", "web-77", "600123456", "somebody a@example.com", order["number"]):
        expected = [] if text.startswith("somebody") else [order["_id"]]
        assert found(text) == expected, text
    assert found("a@example.com") == [order["_id"]]
    assert order["terms"] == terms_of(order)
    assert violations_of(order) == []


def test_a_new_address_is_found_and_the_old_one_no_longer(sandbox: Sandbox) -> None:
    details = Details(billing_address=address(city="Ghent", postal_code="9000"))
    order = place((A, 1), details=details).order
    wanted = address(name="Mei Tanaka", city="Kyoto", postal_code="604-8571")
    editing.change_address(order_id=order["_id"], address=wanted, act=act(), expected_version=order["version"])
    assert found("tanaka kyoto") == found("6048571") == found("ghent") == found(order["number"]) == [order["_id"]]
    assert found("12345 kyoto") == []
    assert violations_of(read(order["_id"])) == []


def test_an_order_that_is_gone_when_its_address_is_written_is_busy(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = place((A, 1)).order
    monkeypatch.setattr(order_reads, "get_searchable", lambda order_id: None)
    with pytest.raises(OrderBusy):
        editing.change_address(
            order_id=order["_id"], address=address(city="Kyoto"), act=act(), expected_version=order["version"]
        )
    assert read(order["_id"])["shipping_address"]["city"] == "Springfield"


def test_an_order_from_before_there_were_terms_reads_as_one_without(sandbox: Sandbox) -> None:
    order_id = store("pending", line("reserved"), due=None)
    assert Order.objects.get(pk=order_id).terms == []


# --- the orders that have none yet -----------------------------------------------------------------------------------


def bare(number: int, name: str) -> ObjectId:
    order_id = said(number, name)
    orders().update_one({"_id": order_id}, {"$unset": {"terms": 1}})
    return order_id


def test_orders_without_terms_get_them_and_nothing_else_changes() -> None:
    ids = [bare(n, "Amara Okafor") for n in range(7)]
    before = [read(order_id) for order_id in ids]
    looked: list[int] = []
    assert index_orders(progress=looked.append) == 7
    assert sum(looked) == 7
    assert found("amara") == ids[::-1]
    after = [read(order_id) for order_id in ids]
    assert [order | {"terms": 0} for order in after] == [order | {"terms": 0} for order in before]
    assert index_orders() == 0, "they are done"


def test_indexing_goes_on_where_it_was_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orders.services.search_index.BATCH", 2)
    for n in range(5):
        bare(n, "Amara Okafor")
    assert index_orders(stopping=lambda: True) == 2
    assert len(found("amara")) == 2
    assert index_orders() == 3
    assert len(found("amara")) == 5


def test_terms_that_are_no_longer_right_are_written_again_if_that_is_asked_for() -> None:
    order_id, other = said(1, "Amara Okafor"), said(2, "Jonas Lindqvist")
    orders().update_one({"_id": order_id}, {"$set": {"terms": ["old"]}})
    assert index_orders() == 0
    assert index_orders(again=True) == 1
    assert found("amara") == [order_id]
    assert found("jonas") == [other]
    assert found("old") == []


def test_what_somebody_else_writes_meanwhile_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    order_id = bare(1, "Amara Okafor")
    moved = {"shipping_address": {"city": "Kyoto"}, "terms": ["kyoto"]}

    def overtaken(order: Document) -> list[str]:
        orders().update_one({"_id": order_id}, {"$set": moved})
        return terms_of(order)

    monkeypatch.setattr("orders.services.search_index.terms_of", overtaken)
    assert index_orders() == 0
    assert read(order_id)["terms"] == ["kyoto"]


def test_a_status_that_changes_meanwhile_does_not_keep_an_order_from_its_terms(monkeypatch: pytest.MonkeyPatch) -> None:
    order_id = bare(1, "Amara Okafor")

    def overtaken(order: Document) -> list[str]:
        orders().update_one({"_id": order_id}, {"$set": {"status": "paid", "version": 9}})
        return terms_of(order)

    monkeypatch.setattr("orders.services.search_index.terms_of", overtaken)
    assert index_orders() == 1
    assert (read(order_id)["status"], read(order_id)["version"]) == ("paid", 9)
    assert found("amara") == [order_id]


def test_of_a_few_orders_as_many_are_looked_at_as_it_takes() -> None:
    oldest = said(0, "Amara Okafor", "Porto")
    for number in range(1, 30):
        said(number, "Amara Okafor")
        said(100 + number, "Jonas Lindqvist", "Porto")
    said(200, "Jonas Lindqvist", "Porto")
    assert [place.id for place in order_lists.page_after(searched("okafor porto"), 2).places] == [oldest]
