"""A user whom nobody could be asked about when the order was placed is verified later."""

from typing import Any

import pytest
from bson import ObjectId
from pymongo.database import Database

from integrations import users
from integrations.sandbox import Sandbox
from orders.services import access
from orders.services.access import NotPermitted, OrderNotFound
from orders.services.lifecycle.late_verification import StillUnverified, verify_user
from orders.services.lifecycle.versions import OrderBusy
from orders.storage import order_reads
from tests.functional.admin_helpers import Document, find, insert, placed, stored
from tests.integration.builders import SUPPORT, act
from tests.order_invariants import violations_of


def unverified(database: Database[Document], user_id: str = "1") -> Document:
    order = placed()
    database["orders"].update_one({"_id": order["_id"]}, {"$set": {"user_verified": False, "user_id": user_id}})
    return find(database, order)


def test_a_user_that_the_service_knows_is_verified_with_a_new_version(
    database: Database[Document], sandbox: Sandbox
) -> None:
    order = unverified(database)
    changed = verify_user(order_id=order["_id"], act=act(SUPPORT))
    assert (changed["user_verified"], changed["version"]) == (True, order["version"] + 1)
    assert changed["history"][-1]["act"] == "verify_user"
    assert violations_of(changed) == []
    again = verify_user(order_id=order["_id"], act=act(SUPPORT))
    assert again == changed == find(database, order)


@pytest.mark.parametrize("trouble", ["unknown", "down"])
def test_a_user_that_is_unknown_or_cannot_be_asked_about_stays_unverified(
    database: Database[Document], sandbox: Sandbox, trouble: str
) -> None:
    order = unverified(database, "987654")
    if trouble == "down":
        sandbox.control.fault("verify", "status", status=503)
    with pytest.raises(StillUnverified, match="has no active" if trouble == "unknown" else "does not answer"):
        verify_user(order_id=order["_id"], act=act())
    assert find(database, order) == order


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (None, ("Amara Okafor", "amara.okafor@example.com", "")),
        ({"name": "Bob", "email": "", "phone": "555"}, ("Bob", "amara.okafor@example.com", "555")),
    ],
)
def test_what_the_contact_lacks_is_filled_in(
    database: Database[Document], sandbox: Sandbox, sent: dict[str, str] | None, kept: tuple[str, ...]
) -> None:
    order = unverified(database)
    if sent:
        database["orders"].update_one({"_id": order["_id"]}, {"$set": {"contact": sent}})
    contact = verify_user(order_id=order["_id"], act=act())["contact"]
    assert tuple(contact[name] for name in ("name", "email", "phone")) == kept


def test_a_contact_that_changes_meanwhile_is_not_overwritten(
    database: Database[Document], sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    order, verify = unverified(database), users.verify

    def change_in_between(*args: Any, **options: Any) -> Any:
        contact = {"name": "Bob", "email": "", "phone": ""}
        database["orders"].update_one({"_id": order["_id"]}, {"$set": {"contact": contact}, "$inc": {"version": 1}})
        return verify(*args, **options)

    monkeypatch.setattr(users, "verify", change_in_between)
    changed = verify_user(order_id=order["_id"], act=act())
    assert (changed["user_verified"], changed["version"]) == (True, order["version"] + 2)
    assert changed["contact"] == {"name": "Bob", "email": "amara.okafor@example.com", "phone": ""}


def test_an_order_that_others_keep_changing_stays_unverified(
    database: Database[Document], sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    order, read = unverified(database), order_reads.get_whole

    def changed_again(order_id: ObjectId) -> Document | None:
        found = read(order_id)
        database["orders"].update_one({"_id": order_id}, {"$inc": {"version": 1}})
        return found

    monkeypatch.setattr(order_reads, "get_whole", changed_again)
    with pytest.raises(OrderBusy):
        verify_user(order_id=order["_id"], act=act())
    assert find(database, order)["user_verified"] is False


def test_a_user_is_verified_once_by_two_at_once(
    database: Database[Document], sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = unverified(database)
    stale = [order_reads.get_whole(order["_id"])]
    first = verify_user(order_id=order["_id"], act=act())
    read = order_reads.get_whole
    monkeypatch.setattr(order_reads, "get_whole", lambda order_id: stale.pop() if stale else read(order_id))
    assert verify_user(order_id=order["_id"], act=act()) == first


def test_a_user_is_verified_by_whoever_may_cancel_and_for_an_order_that_exists(database: Database[Document]) -> None:
    order = insert(database, stored(user_verified=False))
    looker = access.Actor(access.Kind.STAFF, "x", "admin", frozenset({access.VIEW}))
    with pytest.raises(NotPermitted):
        verify_user(order_id=order["_id"], act=act(looker))
    with pytest.raises(OrderNotFound):
        verify_user(order_id=ObjectId(), act=act())
    assert find(database, order)["user_verified"] is False
