"""What orders call products and customers, by their ids."""

from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId
from pymongo.database import Database

from orders.storage.order_names import customer_name, customers_of, product_names
from tests.functional.admin_helpers import Document, insert, line, profiled, stored

MUG, TOWEL, NOTHING = "a" * 24, "b" * 24, "c" * 24


def item(product_id: str, **facts: Any) -> Document:
    return line() | {"product_id": product_id} | facts


def test_a_product_is_called_as_in_its_newest_order(database: Database[Document]) -> None:
    insert(
        database,
        stored(3, items=[item(MUG, name="Mug, old"), item(TOWEL, name="Towel")]),
        stored(2, items=[item(TOWEL), item(MUG), item(MUG, name="Mug")]),
        stored(1, items=[item(NOTHING, name="")]),
    )
    assert product_names([MUG, TOWEL, MUG, NOTHING, "d" * 24]) == {MUG: "Mug"}
    assert product_names([]) == {}


@pytest.mark.parametrize("contact", [None, {}, {"name": ""}, {"name": None}])
def test_a_customer_is_called_as_in_their_newest_order(database: Database[Document], contact: Any) -> None:
    at = stored()["created_at"]
    insert(
        database,
        stored(2, user_id="8", contact={"name": "Amara Okafor"}),
        stored(1, user_id="8", contact={"name": "Amara Eze"}),
        stored(0, user_id="9", contact={"name": "Chidi Okafor"}, created_at=at - timedelta(days=1)),
        stored(0, user_id="9", contact=contact, created_at=at),
    )
    assert [customer_name(user_id) for user_id in ("8", "9", "10")] == ["Amara Eze", "", ""]


def test_orders_tell_whose_they_are_by_name_else_by_e_mail_address(database: Database[Document]) -> None:
    contacts = [{"name": "Amara Okafor", "email": "a@example.com"}, {"name": "", "email": "b@example.com"}, {}, None]
    insert(database, *(stored(number, contact=contact) for number, contact in enumerate(contacts)))
    ids = [order["_id"] for order in database["orders"].find(sort=[("number", 1)])]
    assert len(ids) == len(contacts)
    assert customers_of([*ids, ids[0], ObjectId()]) == {ids[0]: "Amara Okafor", ids[1]: "b@example.com"}
    assert customers_of([]) == {}


def test_a_name_is_read_from_one_order(database: Database[Document]) -> None:
    insert(database, *(stored(number, user_id="8", contact={"name": "Amara Okafor"}) for number in range(200)))
    with profiled(database) as operations:
        assert customer_name("8") == "Amara Okafor"
        assert product_names([line()["product_id"]]) == {}
    assert [operation["docsExamined"] for operation in operations] == [1, 1]
