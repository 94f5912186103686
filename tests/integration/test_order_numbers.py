"""Orders are found by the numbers that people type, off one index: their own kind and those of an old shop."""

import pytest
from bson import ObjectId
from pymongo.database import Database

from orders.storage.bulk_orders import named
from orders.storage.order_numbers import ids_by_number, ids_of_numbers, is_meant
from orders.storage.order_query import OrderKeys, OrderQuery
from tests.integration.builders import Document, line, store
from tests.integration.test_query_plans import Plans, by_index, many, plans  # noqa: F401


def numbered(*numbers: str) -> dict[str, ObjectId]:
    return {number: store("pending", line("reserved"), number=number) for number in numbers}


def found(text: str) -> list[ObjectId]:
    return ids_by_number([text])[text]


@pytest.mark.parametrize(
    ("number", "spellings"),
    [
        ("7KQF-2M9D-XW3H", ["7KQF-2M9D-XW3H", "7kqf2m9dxw3h", "7-K-Q-F-2-M-9-D-X-W-3-H"]),
        ("10KQ-2M9D-XW3H", ["IOKQ-2M9D-XW3H", "lokq2m9dxw3h"]),
        ("SO-2024-000123", ["SO-2024-000123", "so-2024-000123", "So2024000123"]),
        ("S020-2400-0123", ["SO-2024-000123"]),  # as an earlier version rewrote it
        ("so_2024.17/b", ["SO_2024.17/B", "so-2024-17-b"]),
        ("Order 1042", ["1042", "ORDER1042"]),
        ("#1042", ["1042"]),
        ("ПО-12", ["по-12"]),
        ("A+1", ["a+1"]),
    ],
)
def test_a_number_is_found_however_it_is_spelt(database: Database[Document], number: str, spellings: list[str]) -> None:
    wanted = numbered(number, "0000-0000-0000", "1043")[number]
    for text in spellings:
        assert found(text) == [wanted], text
        assert is_meant(text, number)
        assert not is_meant(text, "1043")
    assert found("7KQF-2M9D-XW3X") == []


def test_of_numbers_that_look_alike_the_one_that_is_written_so_is_meant(database: Database[Document]) -> None:
    ids = numbered("SO-1-23", "so-12-3", "S0-123", "Käse1", "Kase1")
    assert found("so-1-23") == [ids["SO-1-23"]]
    assert found("SO-12-3") == [ids["so-12-3"]]
    assert found("S0-123") == [ids["S0-123"]]
    assert found("so123") == [ids["SO-1-23"], ids["so-12-3"]], "both may be meant"
    assert found("KASE1") == [ids["Kase1"]]


def test_an_import_takes_case_alone_for_the_same(database: Database[Document]) -> None:
    ids = numbered("SO-1-23", "Käse 17")
    asked = ["so-1-23", "SO-12-3", "S0-1-23", "KÄSE 17", "#SO-1-23"]
    assert ids_of_numbers(asked) == {"so-1-23": ids["SO-1-23"], "käse 17": ids["Käse 17"]}
    assert ids_of_numbers([]) == {}


def test_an_order_that_is_named_twice_is_one(database: Database[Document]) -> None:
    ids = numbered("SO-2024-000123", "7KQF-2M9D-XW3H")
    so, own = ids.values()
    keys = OrderKeys(["so-2024-000123", "SO2024000123", own, "7kqf2m9dxw3h", "nobody-1"])
    assert list(named(OrderQuery(keys=keys))) == [so, "SO2024000123", own, "nobody-1"]


def test_a_number_is_looked_up_off_the_index(plans: Plans, many: list[Document]) -> None:  # noqa: F811
    typed = [order["number"].lower().replace("-", "") for order in many[:5]]
    by_index(plans(lambda: ids_by_number(typed)), most=5)
    by_index(plans(lambda: ids_of_numbers([order["number"] for order in many[:5]])), most=5)
    assert all(ids_by_number(typed).values())


def named_by(text: str) -> list[ObjectId]:
    return list(named(OrderQuery(keys=OrderKeys([text]))))


def test_a_change_takes_numbers_of_another_shop_as_they_are_written_but_for_case() -> None:
    orders = numbered("10-42", "104-2", "Order 1042", "SO-7", "so-8", "SO-8")
    assert named_by("1-042") == ["1-042"]
    assert named_by("1042") == ["1042"]
    assert named_by("so-7") == [orders["SO-7"]]
    assert named_by("so-8") == [orders["so-8"]]
    assert named_by("So-8") == ["So-8"]


def test_a_change_forgives_hyphens_and_look_alikes_in_numbers_of_our_own() -> None:
    orders = numbered("7KQF-2M9D-XW31", "SO-7")
    assert named_by("7kqf2m9dxw3l") == [orders["7KQF-2M9D-XW31"]]
