"""Tokens of services: who makes which, and which of them are let in."""

import re
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest
from bson import ObjectId
from django.db import DatabaseError
from django.utils import timezone
from pymongo.database import Database
from pymongo.errors import AutoReconnect

from orders.models import BulkRun, ServiceToken
from orders.services import access, bulk, service_tokens
from orders.services.access import Actor, Kind, NotPermitted, UnknownScope
from orders.services.service_tokens import (
    InvalidServiceToken,
    NewToken,
    ServiceTokenNotFound,
    TokenOutOfTime,
    TokenRefused,
    TokenState,
)
from tests.functional.admin_helpers import profiled
from tests.integration.builders import Document
from tests.integration.bulk_helpers import started, stored

OPERATOR = access.system("jane", via="command")
AT = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def made(*scopes: str, name: str = "payments", actor: Actor = OPERATOR, at: datetime = AT, **given: Any) -> NewToken:
    return service_tokens.create(name=name, scopes=scopes or ["pay_order"], actor=actor, at=at, **given)


def clerk(*permissions: str) -> Actor:
    return Actor(Kind.STAFF, "clerk", "admin", frozenset({access.MANAGE_TOKENS, *permissions}))


# --- making them ---


def test_a_token_is_stored_as_a_hash_and_stands_for_its_service(database: Database[Document]) -> None:
    new = made("orders.ship_order", "read_orders", days=30)
    stored_token = database["service_tokens"].find_one({})
    assert stored_token is not None
    found = re.fullmatch(r"ost_([0-9a-f]{24})_([A-Za-z0-9_-]{43})", new.secret)
    assert found
    assert found[1] == str(stored_token["_id"])
    assert stored_token["digest"] == sha256(found[2].encode()).hexdigest()
    assert found[2] not in str(stored_token)
    token = ServiceToken.objects.get()
    assert (str(token), token.scopes, token.created_by) == ("payments", ["read_orders", "ship_order"], "system:jane")
    assert (token.created_at, token.expires_at, token.last_used_at) == (AT, AT + timedelta(days=30), None)
    caller = service_tokens.caller_with(new.secret, at=AT, request_id="r-1")
    assert caller == access.service("payments", frozenset({access.VIEW, "orders.ship_order"}), request_id="r-1")
    assert caller.label == "service:payments"
    assert made().secret != new.secret


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"name": ""}, InvalidServiceToken),
        ({"name": "a:b"}, InvalidServiceToken),
        ({"name": "a b"}, InvalidServiceToken),
        ({"name": "-a"}, InvalidServiceToken),
        ({"name": "a\n"}, InvalidServiceToken),
        ({"name": "a" * 65}, InvalidServiceToken),
        ({"scopes": []}, InvalidServiceToken),
        ({"days": 0}, InvalidServiceToken),
        ({"days": 3651}, InvalidServiceToken),
        ({"scopes": ["pay_order", "erase_customer"]}, UnknownScope),
    ],
)
def test_what_is_no_token_is_not_made(database: Database[Document], given: Document, error: type[Exception]) -> None:
    with pytest.raises(error):
        service_tokens.create(**({"name": "payments", "scopes": ["pay_order"], "actor": OPERATOR, "at": AT} | given))
    assert not ServiceToken.objects.exists()


def test_staff_give_only_what_they_hold(database: Database[Document]) -> None:
    finance = clerk("orders.pay_order", "orders.refund_order")
    assert service_tokens.scopes_to_give(finance) == ["pay_order", "refund_order"]
    assert made("pay_order", "refund_order", actor=finance).token.created_by == "staff:clerk"
    for scopes in ("read_orders", "pay_order ship_order", "place_orders", "read_events", "manage_webhooks"):
        with pytest.raises(NotPermitted, match="that you do not hold"):
            made(*scopes.split(), actor=finance, name="other")
    assert ServiceToken.objects.count() == 1


def test_nobody_takes_the_name_of_a_service_that_may_do_more(database: Database[Document]) -> None:
    service_tokens.revoke(made("pay_order", "ship_order").token.pk, actor=OPERATOR, at=AT)
    finance = clerk("orders.pay_order")
    with pytest.raises(NotPermitted, match="ship_order"):
        made("pay_order", actor=finance)
    made("pay_order", actor=finance, name="payments-2")
    made("pay_order", actor=clerk("orders.pay_order", "orders.ship_order"))


@pytest.mark.parametrize(
    "actor",
    [
        Actor(Kind.STAFF, "clerk", "admin", access.every_permission() - {access.MANAGE_TOKENS}),
        access.customer("1"),
        access.service("payments", access.permissions_of(access.scopes())),
    ],
    ids=["staff", "customer", "service"],
)
def test_whoever_manages_no_tokens_neither_makes_sees_nor_revokes_any(
    database: Database[Document], actor: Actor
) -> None:
    token = made().token
    for asked in (
        lambda: made(actor=actor),
        lambda: service_tokens.list_tokens(actor),
        lambda: service_tokens.get_token(token.pk, actor),
        lambda: service_tokens.revoke(token.pk, actor=actor, at=AT),
    ):
        with pytest.raises(NotPermitted):
            asked()
    assert [(token.pk, token.revoked_at) for token in service_tokens.list_tokens(OPERATOR)] == [(token.pk, None)]


def test_the_newest_is_listed_first(database: Database[Document]) -> None:
    tokens = [made(name=name).token.pk for name in "abc"]
    assert [token.pk for token in service_tokens.list_tokens(OPERATOR)] == tokens[::-1]
    with pytest.raises(ServiceTokenNotFound):
        service_tokens.get_token(ObjectId(), OPERATOR)


# --- letting them in ---


def test_a_token_that_is_not_whole_or_not_ours_is_refused(database: Database[Document]) -> None:
    new, other = made(), made(name="other")
    token_id, secret = new.secret[4:28], new.secret[29:]
    wrong = [
        "", "ost_", f"ost_{token_id}", f"ost_{token_id}_", f"ost_{token_id}_{secret}x", f"ost_{token_id}_{secret[:-1]}",
        f"ost_{token_id.upper()}X_{secret}", f"x{new.secret}", f"{new.secret}\n", f" {new.secret}",
        f"ost_{ObjectId()}_{secret}", f"ost_{token_id}_{other.secret[29:]}", f"ost_{other.token.pk}_{secret}",
        f"ost_{token_id}_{new.token.digest[:43]}", f"ost_{token_id}_{'A' * 43}",
    ]  # fmt: skip
    told = []
    for text in wrong:
        with pytest.raises(TokenRefused, match="not valid") as refused:
            service_tokens.caller_with(text, at=AT)
        told.append(refused.value.detail)
    assert not any(secret in text or token_id in text for text in told)
    assert len(set(told[-5:])) == 1, "nobody learns which ids there are"
    assert {token.last_used_at for token in ServiceToken.objects.all()} == {None}


def test_a_token_is_refused_at_the_moment_at_which_its_time_is_over(database: Database[Document]) -> None:
    new = made(days=1)
    end = AT + timedelta(days=1)
    service_tokens.caller_with(new.secret, at=end - SECOND)
    assert service_tokens.state_of(new.token, end - SECOND) is TokenState.ACTIVE
    with pytest.raises(TokenOutOfTime):
        service_tokens.caller_with(new.secret, at=end)
    assert service_tokens.state_of(new.token, end) is TokenState.EXPIRED
    with pytest.raises(TokenRefused):
        service_tokens.caller_with(new.secret[:-1] + ("A" if new.secret[-1] != "A" else "B"), at=end)


def test_a_revoked_token_is_refused_at_once_and_stays_so(database: Database[Document]) -> None:
    new, other = made(days=1), made()
    service_tokens.caller_with(new.secret, at=AT)
    revoked = service_tokens.revoke(new.token.pk, actor=OPERATOR, at=AT)
    for at in (AT, AT + timedelta(days=2)):
        with pytest.raises(TokenRefused, match="revoked"):
            service_tokens.caller_with(new.secret, at=at)
    again = service_tokens.revoke(new.token.pk, actor=access.system("joe", via="command"), at=AT + SECOND)
    assert (again.revoked_at, again.revoked_by) == (revoked.revoked_at, revoked.revoked_by) == (AT, "system:jane")
    assert service_tokens.state_of(again, AT) is TokenState.REVOKED
    service_tokens.caller_with(other.secret, at=AT)
    with pytest.raises(ServiceTokenNotFound):
        service_tokens.revoke(ObjectId(), actor=OPERATOR, at=AT)


def test_a_scope_that_this_version_does_not_know_permits_nothing(database: Database[Document]) -> None:
    new = made("pay_order")
    database["service_tokens"].update_one({}, {"$push": {"scopes": "orders.erase_customer"}})
    assert service_tokens.caller_with(new.secret, at=AT).permissions == {"orders.pay_order"}


def test_a_look_up_is_one_read_by_id_and_writes_once_a_minute(database: Database[Document]) -> None:
    new = made()
    with profiled(database) as asked:
        for seconds in (0, 1, 59):
            service_tokens.caller_with(new.secret, at=AT + seconds * SECOND)
    commands = [(entry["op"], entry.get("planSummary")) for entry in asked if "service_tokens" in entry["ns"]]
    plans = [plan for op, plan in commands if op == "query"]
    assert len(plans) == 3
    assert set(plans) <= {"IDHACK", "IXSCAN { _id: 1 }", "EXPRESS_IXSCAN { _id: 1 },EXPRESS_FETCH"}, plans
    assert [op for op, _ in commands].count("update") == 1
    assert ServiceToken.objects.get().last_used_at == AT
    service_tokens._noted.clear()  # another process, which goes by what is stored
    service_tokens.caller_with(new.secret, at=AT + 59 * SECOND)
    assert ServiceToken.objects.get().last_used_at == AT
    service_tokens.caller_with(new.secret, at=AT + 60 * SECOND)
    assert ServiceToken.objects.get().last_used_at == AT + 60 * SECOND


def test_a_use_that_cannot_be_recorded_keeps_nobody_out(
    database: Database[Document], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    new, tried = made(), []

    def fails(*_: object, **__: object) -> None:
        tried.append(1)
        raise DatabaseError from AutoReconnect("gone")

    monkeypatch.setattr("orders.storage.service_tokens.note_use", fails)
    for _ in range(3):
        assert service_tokens.caller_with(new.secret, at=AT).id == "payments"
    assert len(tried) == 1, "the next requests do not wait for it again"
    assert "was not recorded" in caplog.text
    assert new.secret[29:] not in caplog.text


# --- runs over many orders ---


def run_of(name: str, *scopes: str) -> BulkRun:
    actor = access.service(name, access.permissions_of(scopes))
    return started("pay", keys=stored("pending", 2), actor=actor)


def test_a_run_stops_when_the_token_of_its_service_has_ended(database: Database[Document]) -> None:
    new = made("read_orders", "pay_order", at=timezone.now())
    run = run_of("payments", "read_orders", "pay_order")
    service_tokens.revoke(new.token.pk, actor=OPERATOR, at=timezone.now())
    made("pay_order", at=timezone.now())
    run = bulk.execute_run(run.pk)
    assert (run.state, run.done) == ("paused", 0)
    assert run.last_error.startswith("service:payments no longer has the permission.")
    made("read_orders", "pay_order", at=timezone.now())
    bulk.resume_run(run_id=run.pk, actor=OPERATOR)
    run = bulk.execute_run(run.pk)
    assert (run.state, run.done) == ("done", 2), "another token of the same service has taken over"


def test_a_run_of_a_service_that_came_with_a_jwt_goes_on(database: Database[Document]) -> None:
    run = bulk.execute_run(run_of("stripe", "read_orders", "pay_order").pk)
    assert (run.state, run.done) == ("done", 2)
    orders = list(database["orders"].find())
    assert {order["history"][-1]["actor"] for order in orders} == {"service:stripe"}


def test_a_service_starts_no_run_without_seeing_all_orders(database: Database[Document]) -> None:
    with pytest.raises(NotPermitted, match="read_orders"):
        run_of("payments", "pay_order")
    assert BulkRun.objects.count() == 0
