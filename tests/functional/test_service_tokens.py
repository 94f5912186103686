"""Services of the shop over real HTTP: their tokens, scopes in JWTs, and admins by their subject."""

import json
from datetime import timedelta
from itertools import takewhile
from typing import Any

import pytest
import requests
from bson import ObjectId
from django.utils import timezone
from pymongo.read_concern import ReadConcern
from pytest_django import Settings

from integrations.sandbox import Sandbox
from orders.api.operations import OPERATIONS
from orders.models import ServiceToken
from orders.services import access, rate_limits, service_tokens
from orders.services.events.telling import tell
from tests.api_client import token
from tests.factories import OrderFactory
from tests.functional.helpers import TWO_TOWELS, Api, Documents, database_down, outage, problem, visitor_fixture  # noqa: F401
from tests.functional.test_authentication import kept_out
from tests.functional.test_openapi import document_fixture  # noqa: F401

OPERATOR = access.system("jane", via="command")
EVERYTHING = tuple(access.scopes())


def made(*scopes: str, name: str = "payments", **given: Any) -> service_tokens.NewToken:
    return service_tokens.create(name=name, scopes=scopes, actor=OPERATOR, at=timezone.now(), **given)


def needs(answered: requests.Response, *scopes: str) -> None:
    """The refusal names the scopes of which the token needs one."""
    said = problem(answered, 403, "not_permitted")
    assert said["scopes"] == list(scopes)
    assert all(scope in said["detail"] for scope in scopes)


# --- what they do ---


def test_a_payment_service_marks_orders_as_paid_and_does_nothing_else(visitor: Api, database: Documents) -> None:
    order = OrderFactory(user_id="7")
    payments = visitor(token=made("pay_order").secret)
    paid = payments.put(f"orders/{order.pk}/status", json={"status": "paid"})
    assert paid.status_code == 200
    assert paid.json()["status"] == "paid", "it may see what it changes"
    needs(payments.get(f"orders/{order.pk}"), "read_orders")
    needs(payments.get("orders/"), "read_orders")
    needs(payments.put(f"orders/{order.pk}/status", json={"status": "cancelled"}), "cancel_order")
    needs(payments.delete(f"orders/{order.pk}"), "cancel_order")
    needs(payments.place(TWO_TOWELS), "place_orders")
    needs(payments.get("events"), "read_events")
    needs(payments.get("webhooks"), "manage_webhooks")
    stored = database["orders"].find_one({"_id": order.pk})
    assert stored is not None
    entry = stored["history"][-1]
    assert (stored["status"], entry["actor"], entry["via"]) == ("paid", "service:payments", "api")


def test_whoever_lacks_the_scope_learns_of_no_order_whether_it_exists(visitor: Api) -> None:
    order, events = OrderFactory(), visitor(token=made("read_events").secret)
    for order_id in (order.pk, ObjectId(), "nonsense"):
        needs(events.get(f"orders/{order_id}"), "read_orders")
        needs(events.delete(f"orders/{order_id}"), "cancel_order")
        needs(events.put(f"orders/{order_id}/hold", json={}), "hold_order")


def test_customers_learn_that_a_service_did_it_and_not_which(visitor: Api, database: Documents) -> None:
    order = OrderFactory(user_id="7")
    payments = visitor(token=made("pay_order").secret)
    payments.put(f"orders/{order.pk}/status", json={"status": "paid", "reason": "Bank day"})
    tell()
    for path, names in ((f"orders/{order.pk}/history", {"service"}), ("events", {"service"})):
        [entry] = [entry for entry in visitor("7").get(path).json() if entry["actor"].startswith("service")]
        assert {entry["actor"]} == names
        assert "Bank day" not in json.dumps(entry)
    reader = visitor(token=made("read_orders", "read_events", name="erp").secret)
    for path in (f"orders/{order.pk}/history", "events"):
        [entry] = [entry for entry in reader.get(path).json() if entry["actor"] == "service:payments"]
        assert "Bank day" in json.dumps(entry)


def test_a_service_places_an_order_for_anybody_once_for_each_key(api: Api, database: Documents) -> None:
    shop = api(token=made("place_orders", name="shop").secret)
    first = shop.place(TWO_TOWELS, key="basket-1", user_id="2")
    assert (first.status_code, first.json()["user_id"]) == (201, "2")
    rotated = api(token=made("place_orders", name="shop").secret)
    again = rotated.place(TWO_TOWELS, key="basket-1", user_id="2")
    assert (again.headers["Idempotency-Replayed"], again.json()["id"]) == ("true", first.json()["id"])
    other = api(token=made("place_orders", name="other").secret)
    assert other.place(TWO_TOWELS, key="basket-1", user_id="2").json()["id"] != first.json()["id"]
    assert database["orders"].count_documents({}) == 2


def test_a_services_tokens_share_the_write_limit_of_back_ends(
    visitor: Api, settings: Settings, database: Documents
) -> None:
    settings.RATE_LIMIT_WRITES, settings.RATE_LIMIT_ADMIN_WRITES = 1, 2
    order = f"orders/{ObjectId()}"
    tokens = [visitor(token=made("pay_order").secret) for _ in range(2)]
    assert all(client.delete(order).headers["RateLimit-Limit"] == "2" for client in tokens), "refused ones count, too"
    counters = database.get_collection("rate_limits", read_concern=ReadConcern("local"))
    assert [found["_id"] for found in counters.find()] == ["write:service:payments"]
    asked = (tokens[number % 2].put(f"{order}/status", json={"status": "paid"}) for number in range(50))
    problem(next(answer for answer in asked if answer.status_code != 404), 429, "too_many_writes")
    rate_limits.forget()


# --- who is let in ---


def test_a_token_that_has_ended_is_told_from_one_that_never_was(visitor: Api) -> None:
    good, revoked, late = made("read_orders"), made("read_orders"), made("read_orders", days=1)
    assert visitor(token=revoked.secret).get("orders/").status_code == 200
    service_tokens.revoke(revoked.token.pk, actor=OPERATOR, at=timezone.now())
    ServiceToken.objects.filter(pk=late.token.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    assert "revoked" in kept_out(visitor(token=revoked.secret).get("orders/"))["detail"]
    kept_out(visitor(token=late.secret).get("orders/"), "token_expired")
    for wrong in (f"{late.secret[:-1]}!", "ost_", "ost_7", f"ost_{ObjectId()}_{good.secret[29:]}"):
        kept_out(visitor(token=wrong).get("orders/"))
    address = f"orders/?access_token={good.secret}"
    kept_out(visitor().get(address, headers={"Authorization": None}), "not_authenticated")
    assert visitor(token=good.secret).get("orders/").status_code == 200


def test_wrong_tokens_are_limited_by_their_address_and_good_ones_never(visitor: Api, settings: Settings) -> None:
    settings.RATE_LIMIT_REFUSED_TOKENS = 3
    rate_limits.forget()
    good, late = made("read_orders"), made("read_orders")
    ServiceToken.objects.filter(pk=late.token.pk).update(expires_at=timezone.now())
    for _ in range(5):
        kept_out(visitor(token=late.secret).get("orders/"), "token_expired")
    guesses = (visitor(token=f"ost_{good.token.pk}_{number:043}").get("orders/").status_code for number in range(50))
    answers = list(takewhile(lambda status: status == 401, guesses))
    assert 3 <= len(answers) < 50, "then they are told to wait"
    assert visitor(token=good.secret).get("orders/").status_code == 200
    rate_limits.forget()


def test_a_token_that_cannot_be_looked_up_is_an_outage(visitor: Api) -> None:
    payments = visitor(token=made("read_orders").secret)
    with database_down():
        outage(payments.delete(f"orders/{ObjectId()}"), "database_unavailable")
    assert payments.get("orders/").status_code == 200


# --- JWTs ---


def test_without_the_setting_a_jwts_scopes_are_nothing(visitor: Api) -> None:
    OrderFactory(user_id="2")
    both = "orders.read_orders orders.pay_order"
    assert visitor(token=token("1", scope=both)).get("orders/").json() == []


@pytest.mark.parametrize("as_list", [False, True])
def test_a_jwt_with_scopes_is_a_services(visitor: Api, settings: Settings, *, as_list: bool) -> None:
    settings.JWT_SCOPE_CLAIM = "scope"
    order = OrderFactory(user_id="2")
    scope = "openid orders.read_orders orders.pay_order"
    stripe = visitor(token=token("stripe@shop", scope=scope.split() if as_list else scope))
    assert [found["id"] for found in stripe.get("orders/").json()] == [str(order.pk)]
    needs(stripe.delete(f"orders/{order.pk}"), "cancel_order")
    needs(stripe.put(f"orders/{order.pk}/status", json={"status": "cancelled"}), "cancel_order")
    stripe.put(f"orders/{order.pk}/status", json={"status": "paid"})
    assert stripe.get(f"orders/{order.pk}/history").json()[-1]["actor"] == "service:stripe@shop"


@pytest.mark.parametrize("scope", ["openid profile email", "read_orders pay_order", ["read_orders"], "", 7, {"a": "b"}])
def test_the_scopes_of_other_services_leave_a_customer_who_they_are(
    visitor: Api, settings: Settings, scope: object
) -> None:
    settings.JWT_SCOPE_CLAIM = "scope"
    OrderFactory(user_id="2")
    own = OrderFactory(user_id="1")
    assert [found["id"] for found in visitor(token=token("1", scope=scope)).get("orders/").json()] == [str(own.pk)]
    admin = visitor(token=token("1", scope=scope, role="admin"))
    assert len(admin.get("orders/").json()) == 2


def test_an_admin_with_scopes_stays_one(visitor: Api, settings: Settings) -> None:
    settings.JWT_SCOPE_CLAIM = "scope"
    admin = visitor(token=token("boss", scope="orders.pay_order", role="admin"))
    assert admin.get("webhooks").status_code == 200


def test_an_admin_may_be_named_by_the_subject_alone(visitor: Api, settings: Settings) -> None:
    OrderFactory(user_id="2")
    settings.JWT_ADMIN_SUBJECTS = ["7", "boss"]
    assert len(visitor(token=token("7")).get("orders/").json()) == 1
    for other in ("007", "70", "1", "Boss"):
        assert visitor(token=token(other)).get("orders/").json() == [], other
    kept_out(visitor(token=token("7", type="refresh")).get("orders/"))
    kept_out(visitor(token=token("7", key="another-" * 6)).get("orders/"))


def test_the_stub_leaves_the_tokens_of_services_as_they_are(visitor: Api, settings: Settings) -> None:
    OrderFactory(user_id="2")
    settings.AUTH_STUB = True
    assert len(visitor(token=made("read_orders").secret).get("orders/").json()) == 1
    kept_out(visitor(token=f"ost_{ObjectId()}_{'a' * 43}").get("orders/"))
    assert visitor(token="7").get("orders/").json() == []


# --- what the document says ---


def test_every_scope_opens_an_operation_and_the_document_names_it(document: dict[str, Any]) -> None:
    assert {scope for operation in OPERATIONS.values() for scope in operation.scopes} == set(EVERYTHING)
    for methods in document["paths"].values():
        for operation in methods.values():
            needed = operation["x-scopes"]
            assert needed == list(OPERATIONS[operation["operationId"]].scopes)
            assert all(f"`{scope}`" in operation["description"] for scope in needed)


def test_a_replay_of_a_change_asks_for_the_scope_again(api: Api, sandbox: Sandbox) -> None:
    placed = api().place(TWO_TOWELS).json()["id"]
    first, body = made("pay_order"), {"status": "paid"}
    key = {"Idempotency-Key": "k-1"}
    assert api(token=first.secret).put(f"orders/{placed}/status", json=body, headers=key).status_code == 200
    other = api(token=made("ship_order").secret)
    needs(other.put(f"orders/{placed}/status", json=body, headers=key), "pay_order")
    again = api(token=made("pay_order").secret).put(f"orders/{placed}/status", json=body, headers=key)
    assert again.headers["Idempotency-Replayed"] == "true"
