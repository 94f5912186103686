"""How often a caller may write and an address may be refused, over real HTTP: counted, told, and never in the way."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jwt
import pytest
from django.db import connections
from pymongo.read_concern import ReadConcern
from pytest_django import Settings

from integrations.sandbox import Sandbox
from orders.services import rate_limits
from orders.storage import rate_counters as rate_limits_model
from tests.api_client import ApiClient, token
from tests.factories import OrderFactory
from tests.functional.admin_helpers import profiled
from tests.functional.helpers import TWO_TOWELS, Api, Documents, problem, visitor_fixture  # noqa: F401

WRITES = 4
GARBAGE = "not.a.token"


@pytest.fixture(autouse=True)
def limits(settings: Settings) -> Iterator[None]:
    settings.RATE_LIMIT_WRITES, settings.RATE_LIMIT_ADMIN_WRITES = WRITES, 2 * WRITES
    settings.RATE_LIMIT_REFUSED_TOKENS = 3
    rate_limits.forget()
    yield
    rate_limits.forget()


def told(answer: Any) -> tuple[int, int]:
    return int(answer.headers["RateLimit-Limit"]), int(answer.headers["RateLimit-Remaining"])


def counters(database: Documents) -> list[dict[str, Any]]:
    """As the primary has them: they are written without waiting for a majority."""
    return database.get_collection("rate_limits", read_concern=ReadConcern("local")).find().to_list()


# --- writes ----------------------------------------------------------------------------------------------------------


def test_a_caller_sees_what_is_left_and_then_is_told_when_to_come_again(api: Api, database: Documents) -> None:
    customer = api()
    for left in reversed(range(WRITES)):
        answer = customer.place(TWO_TOWELS)
        assert answer.status_code == 201
        assert told(answer) == (WRITES, left)
        assert answer.headers["RateLimit-Policy"] == f"{WRITES};w=60"
    assert 50 <= int(answer.headers["RateLimit-Reset"]) <= 60

    refused = customer.place(TWO_TOWELS)
    said = problem(refused, 429, "too_many_writes")
    assert "Nothing was changed; try again in" in said["detail"]
    assert 1 <= int(refused.headers["Retry-After"]) <= 60 / WRITES
    assert told(refused) == (WRITES, 0)
    assert database["orders"].count_documents({}) == WRITES
    assert database["idempotency_keys"].count_documents({}) == 0


def test_a_primary_whose_clock_went_ahead_locks_nobody_out_after_it(api: Api, database: Documents) -> None:
    assert api().place(TWO_TOWELS).status_code == 201
    hour = {"full_at": 3_600_000.0}
    database["rate_limits"].update_many({}, {"$inc": hour})
    answer = problem(api().place(TWO_TOWELS), 429)
    assert "try again in" in answer["detail"]
    (counter,) = counters(database)
    assert counter["full_at"] - counter["at"] <= 60_000


def test_who_was_refused_stays_so_while_the_limiter_does_not_answer(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    customer = api()
    for _ in range(WRITES):
        assert customer.place(TWO_TOWELS).status_code == 201
    problem(customer.place(TWO_TOWELS), 429)
    monkeypatch.setattr(rate_limits, "_asked_again_at", time.monotonic() + 60)
    problem(customer.place(TWO_TOWELS), 429)
    assert api("7").place(TWO_TOWELS).status_code == 201


def test_every_kind_of_write_counts_replays_and_refused_ones_too(api: Api, sandbox: Sandbox) -> None:
    customer = api()
    first = customer.place(TWO_TOWELS, key="once")
    again = customer.place(TWO_TOWELS, key="once")
    assert again.headers["Idempotency-Replayed"] == "true"
    address = f"orders/{first.json()['id']}"
    assert told(customer.put(f"{address}/status", json={"status": "nonsense"})) == (WRITES, 1)
    assert told(customer.delete(address)) == (WRITES, 0)
    problem(customer.place(TWO_TOWELS, key="once"), 429)


def test_reads_are_not_counted_and_write_nothing(visitor: Api, database: Documents) -> None:
    order = OrderFactory(user_id="1")
    customer = visitor()
    for _ in range(WRITES + 1):
        customer.delete(f"orders/{'0' * 24}")
    before = counters(database)
    for path in ("orders/", f"orders/{order.pk}", f"orders/{order.pk}/history", "orders/user/1"):
        answer = customer.get(path)
        assert answer.status_code == 200
        assert "RateLimit-Limit" not in answer.headers
    assert counters(database) == before


def test_each_caller_has_an_allowance_of_his_own_and_admins_a_larger_one(visitor: Api) -> None:
    nowhere = f"orders/{'0' * 24}"
    for _ in range(WRITES + 1):
        last = visitor("1").delete(nowhere)
    problem(last, 429)
    problem(visitor("2").delete(nowhere), 404)
    assert told(visitor(admin=True).delete(nowhere)) == (2 * WRITES, 2 * WRITES - 1)


def test_zero_is_no_limit_and_costs_nothing(visitor: Api, database: Documents, settings: Settings) -> None:
    settings.RATE_LIMIT_WRITES = settings.RATE_LIMIT_REFUSED_TOKENS = 0
    for _ in range(2 * WRITES):
        answer = visitor().delete(f"orders/{'0' * 24}")
        problem(answer, 404)
        problem(visitor(token=GARBAGE).get("orders/"), 401)
    assert "RateLimit-Limit" not in answer.headers
    assert counters(database) == []


def test_the_allowance_comes_back_little_by_little(visitor: Api, settings: Settings) -> None:
    settings.RATE_LIMIT_WRITES = 120
    customer, nowhere = visitor("9"), f"orders/{'0' * 24}"
    with ThreadPoolExecutor(8) as pool:
        statuses = [answer.status_code for answer in pool.map(lambda _: customer.delete(nowhere), range(150))]
    assert statuses.count(404) >= 120
    answer = customer.delete(nowhere)
    if answer.status_code == 429:  # unless one had just come back
        time.sleep(int(answer.headers["Retry-After"]))
        answer = customer.delete(nowhere)
    problem(answer, 404)


def test_who_was_refused_is_remembered_so_that_a_flood_writes_nothing(visitor: Api, database: Documents) -> None:
    customer, nowhere = visitor(), f"orders/{'0' * 24}"
    for _ in range(WRITES + 1):
        first = customer.delete(nowhere)
    before = counters(database)
    time.sleep(1.1)
    later = customer.delete(nowhere)
    problem(later, 429)
    assert counters(database) == before
    assert int(later.headers["Retry-After"]) < int(first.headers["Retry-After"])


def test_a_write_costs_one_look_by_id(visitor: Api, database: Documents) -> None:
    with profiled(database) as done:
        visitor().delete(f"orders/{'0' * 24}")
        visitor().delete(f"orders/{'0' * 24}")
    asked = [each for each in done if each["ns"].endswith(".rate_limits")]
    assert len(asked) == 2
    assert {each["planSummary"] for each in asked} == {"IDHACK"}
    assert asked[-1]["docsExamined"] == 1
    assert asked[-1]["command"]["writeConcern"] == {"w": 1}


# --- refused tokens --------------------------------------------------------------------------------------------------


def test_garbage_is_turned_away_and_a_valid_token_from_there_still_opens(visitor: Api) -> None:
    for _ in range(3):
        problem(visitor(token=GARBAGE).get("orders/"), 401)
    refused = visitor(token=GARBAGE).get("orders/")
    problem(refused, 429, "too_many_refused_tokens")
    assert int(refused.headers["Retry-After"]) >= 1
    problem(visitor(token=token("1", key="x" * 40)).delete(f"orders/{'0' * 24}"), 429, "too_many_refused_tokens")
    assert visitor("1").get("orders/").status_code == 200, "others behind the same address are let in"
    problem(visitor("1").delete(f"orders/{'0' * 24}"), 404)


def test_genuine_tokens_that_have_expired_and_no_token_at_all_are_no_guesses(visitor: Api, database: Documents) -> None:
    for _ in range(5):
        problem(visitor(token=token("1", exp=int(time.time()) - 60)).get("orders/"), 401)
        assert visitor().get("orders/", headers={"Authorization": ""}).status_code == 401
    assert counters(database) == []
    forged = jwt.encode({"sub": "1", "exp": 1, "type": "access"}, "y" * 40, algorithm="HS256")
    for _ in range(4):
        last = visitor(token=forged).get("orders/")
    problem(last, 429)


def test_addresses_behind_a_trusted_proxy_are_told_apart(visitor: Api, settings: Settings) -> None:
    settings.TRUSTED_PROXIES = 1
    for _ in range(4):
        last = visitor(token=GARBAGE).get("orders/", headers={"X-Forwarded-For": "203.0.113.1"})
    problem(last, 429)
    problem(visitor(token=GARBAGE).get("orders/", headers={"X-Forwarded-For": "203.0.113.2"}), 401)
    problem(visitor(token=GARBAGE).get("orders/", headers={"X-Forwarded-For": "203.0.113.2, 203.0.113.1"}), 429)


# --- never in the way ------------------------------------------------------------------------------------------------


def test_a_counter_that_hangs_holds_an_order_up_for_a_moment_only(
    api: Api, database: Documents, caplog: pytest.LogCaptureFixture
) -> None:
    customer = api()
    usual = timed(customer)
    with database.client.start_session() as session, session.start_transaction():
        # As long as this is not committed, every other write of that document waits.
        database["rate_limits"].update_one({"_id": "write:customer:1"}, {"$set": {"x": 1}}, session=session)
        first, second, third = timed(customer), timed(customer), timed(customer)
        session.abort_transaction()
    assert max(first, second) - usual < rate_limits.ANSWER_TIMEOUT + 0.75
    assert min(first, second) > rate_limits.ANSWER_TIMEOUT, "one failure is not enough to stop limiting"
    assert third < min(first, second), "after two in a row it is not asked for a while"
    assert caplog.text.count("the rate limiter does not answer") == 2
    assert database["orders"].count_documents({}) == 4


def test_counters_that_fail_let_everybody_in_and_limit_again_afterwards(api: Api, database: Documents) -> None:
    database.command("collMod", "rate_limits", validator={"nobody": "writes here"})
    try:
        for _ in range(WRITES + 2):
            assert api().place(TWO_TOWELS).status_code == 201
        problem(api(token=GARBAGE).get("orders/"), 401)
    finally:
        database.command("collMod", "rate_limits", validator={})
    assert told(api().place(TWO_TOWELS)) == (WRITES, WRITES - 1)


def test_a_process_remembers_so_many_refusals_and_no_more(
    database: Documents, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_limits, "REMEMBERED", 3)
    for number in range(5):
        for _ in range(2):
            last = rate_limits.spend("write", str(number), limit=1)
        assert last is not None
        assert last.wait > 50
        assert len(rate_limits._refused) <= 3


def test_many_at_once_get_exactly_what_there_is(database: Documents) -> None:
    def spend(_: int) -> bool:
        try:
            allowance = rate_limits_model.spend("crowd", limit=50, period=3600)
            return not allowance.wait
        finally:
            connections.close_all()

    with ThreadPoolExecutor(16) as pool:
        granted = sum(pool.map(spend, range(200)))
    assert granted == 50


def test_mongod_clears_full_allowances_away(database: Documents) -> None:
    [ttl] = [index for index in database["rate_limits"].list_indexes() if "expireAfterSeconds" in index]
    assert (ttl["key"], ttl["expireAfterSeconds"]) == ({"expires_at": 1}, 0)
    rate_limits_model.spend("somebody", limit=1, period=10)
    kept = next(iter(counters(database)), None)
    assert kept is not None
    assert kept["expires_at"].timestamp() * 1000 == pytest.approx(kept["full_at"], abs=1)


def timed(customer: ApiClient) -> float:
    began = time.monotonic()
    assert customer.place(TWO_TOWELS).status_code == 201
    return time.monotonic() - began
