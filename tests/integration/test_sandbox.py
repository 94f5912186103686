"""The sandbox answers as the published peers do, fails as told, and never loses count of its stock."""

import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from typing import Any

import pytest
import requests
from pymongo import MongoClient

from integrations.sandbox import BadControlError, Sandbox, UnknownProductError
from integrations.sandbox.catalogue import CUSTOMERS, PRODUCTS, seed

LAMP = "665f1c0a9b1e8a00000000aa"
MUG = "665f1c0a9b1e8a00000000bb"
UNKNOWN = "665f1c0a9b1e8a00000000ff"
TIMEOUT = 60.0


@pytest.fixture(scope="module")
def database(mongo_uri: str) -> Iterator[Any]:
    with MongoClient(mongo_uri) as client:
        name = f"sandbox_{uuid.uuid4().hex[:12]}"
        yield client[name]
        client.drop_database(name)


@pytest.fixture(scope="module")
def running(database: Any) -> Iterator[Sandbox]:
    with Sandbox(database) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox) -> Sandbox:
    running.control.reset()
    running.control.put_product(LAMP, name="Lamp", price="19.99", category="Home", available=9)
    running.control.put_product(MUG, name="Mug", price=Decimal("12.50"), available=100)
    running.control.put_user(1, email="amara@example.com", full_name="Amara Okafor")
    running.control.put_user(2, email="liam@example.com", full_name="Liam Murphy", active=False)
    return running


@pytest.fixture
def http() -> Iterator[requests.Session]:
    with requests.Session() as session:
        yield session


def post(sandbox: Sandbox, http: Any, action: str, quantity: Any, **fields: Any) -> requests.Response:
    key = fields.pop("key", None)
    body = {"product_id": LAMP, "quantity": quantity} | fields
    headers = {"Idempotency-Key": key} if key else {}
    return http.post(f"{sandbox.url}/inventory/{action}", json=body, headers=headers, timeout=TIMEOUT)


def control(sandbox: Sandbox, http: requests.Session, method: str, path: str, body: Any = None) -> Any:
    return http.request(method, f"{sandbox.root}/control{path}", json=body, timeout=TIMEOUT)


def units(sandbox: Sandbox, product_id: str = LAMP) -> tuple[int, int]:
    stock = sandbox.control.stock(product_id)
    return stock.available, stock.reserved


class TestUsers:
    def test_a_known_customer_is_valid(self, sandbox: Sandbox, http: requests.Session) -> None:
        answer = http.get(f"{sandbox.url}/users/1/verify", timeout=TIMEOUT)
        expected = {"valid": True, "user_id": 1, "email": "amara@example.com", "full_name": "Amara Okafor"}
        assert (answer.status_code, answer.json()) == (200, expected)

    @pytest.mark.parametrize("user_id", ["2", "3", "-1", "9" * 25])
    def test_an_inactive_or_unknown_one_is_not(self, sandbox: Sandbox, http: requests.Session, user_id: str) -> None:
        answer = http.get(f"{sandbox.url}/users/{user_id}/verify", timeout=TIMEOUT)
        assert (answer.status_code, answer.json()) == (200, {"valid": False})

    def test_an_id_that_is_no_integer_is_unprocessable(self, sandbox: Sandbox, http: requests.Session) -> None:
        answer = http.get(f"{sandbox.url}/users/one/verify", timeout=TIMEOUT)
        assert answer.status_code == 422
        assert answer.json()["detail"][0]["loc"] == ["path", "user_id"]


class TestProducts:
    def test_a_product_has_its_exact_price_as_a_number(self, sandbox: Sandbox, http: requests.Session) -> None:
        answer = http.get(f"{sandbox.url}/products/{LAMP}", timeout=TIMEOUT)
        expected = {"_id": LAMP, "name": "Lamp", "price": Decimal("19.99"), "category": "Home", "quantity": 9}
        assert answer.json(parse_float=Decimal) == expected
        assert '"price":19.99,' in answer.text

    def test_a_product_tells_its_sku_image_and_currency_where_it_has_them(
        self, sandbox: Sandbox, http: requests.Session
    ) -> None:
        more = {"sku": "LA-1", "image_url": "https://img.example/lamp.jpg", "currency": "EUR"}
        sandbox.control.put_product(LAMP, name="Lamp", price="19.99", available=9, **more)
        answer = http.get(f"{sandbox.url}/products/{LAMP}", timeout=TIMEOUT).json()
        assert {name: answer[name] for name in more} == more

    @pytest.mark.parametrize("price", ["0.1", "12.50", "1E+2", "12345678901234567890.123456789"])
    def test_no_price_passes_through_a_float(self, sandbox: Sandbox, http: requests.Session, price: str) -> None:
        sandbox.control.put_product(LAMP, name="Lamp", price=price, available=1)
        answer = http.get(f"{sandbox.url}/products/{LAMP}", timeout=TIMEOUT)
        assert f'"price":{Decimal(price):f},' in answer.text

    def test_an_unknown_product_is_not_found(self, sandbox: Sandbox, http: requests.Session) -> None:
        answer = http.get(f"{sandbox.url}/products/{UNKNOWN}", timeout=TIMEOUT)
        assert answer.status_code == 404
        assert UNKNOWN in answer.json()["detail"]

    def test_an_id_that_is_no_object_id_breaks_the_service(self, sandbox: Sandbox, http: requests.Session) -> None:
        assert http.get(f"{sandbox.url}/products/lamp", timeout=TIMEOUT).status_code == 500


class TestInventory:
    @pytest.mark.parametrize(("quantity", "enough"), [(1, True), (9, True), (10, False)])
    def test_check_compares_with_what_is_available(
        self, sandbox: Sandbox, http: requests.Session, quantity: int, enough: bool
    ) -> None:
        query = {"product_id": LAMP, "quantity": quantity}
        answer = http.get(f"{sandbox.url}/inventory/check", params=query, timeout=TIMEOUT)
        told = {"current_quantity": 9, "requested_quantity": quantity, "product_id": LAMP}
        assert (answer.status_code, answer.json()) == (200, {"available": enough} | told)

    @pytest.mark.parametrize("product_id", [UNKNOWN, "lamp"])
    def test_check_of_an_unknown_product_says_why_not(
        self, sandbox: Sandbox, http: requests.Session, product_id: str
    ) -> None:
        query = {"product_id": product_id, "quantity": 1}
        answer = http.get(f"{sandbox.url}/inventory/check", params=query, timeout=TIMEOUT)
        assert answer.status_code == 200
        assert answer.json().keys() == {"available", "message"}
        assert answer.json()["available"] is False

    def test_reserve_moves_units(self, sandbox: Sandbox, http: requests.Session) -> None:
        answer = post(sandbox, http, "reserve", 4, order_id="o1")
        moved = {"product_id": LAMP, "quantity": 4, "available_quantity": 5, "reserved_quantity": 4}
        assert (answer.status_code, answer.json()) == (200, {"reserved": True} | moved)
        assert units(sandbox) == (5, 4)

    def test_reserve_of_too_many_moves_none(self, sandbox: Sandbox, http: requests.Session) -> None:
        answer = post(sandbox, http, "reserve", 10)
        detail = "Insufficient inventory. Requested: 10, Available: 9"
        assert (answer.status_code, answer.json()) == (400, {"detail": detail})
        assert units(sandbox) == (9, 0)
        assert sandbox.control.movements() == []

    def test_release_caps_at_what_is_reserved(self, sandbox: Sandbox, http: requests.Session) -> None:
        post(sandbox, http, "reserve", 3)
        told = [post(sandbox, http, "release", 5).json() for _ in range(2)]
        assert told == [{"released": True, "quantity": 3}, {"released": True, "quantity": 0}]
        assert units(sandbox) == (9, 0)

    @pytest.mark.parametrize("action", ["reserve", "release"])
    @pytest.mark.parametrize("product_id", [UNKNOWN, "lamp"])
    def test_an_unknown_product_is_not_found(
        self, sandbox: Sandbox, http: requests.Session, action: str, product_id: str
    ) -> None:
        assert post(sandbox, http, action, 1, product_id=product_id).status_code == 404

    @pytest.mark.parametrize(
        "fields",
        [
            {"quantity": 0},
            {"quantity": -1},
            {"quantity": 1.5},
            {"quantity": True},
            {"quantity": 2**63},
            {"product_id": 7},
            {"order_id": 7},
        ],
    )
    def test_a_malformed_body_is_unprocessable_and_moves_nothing(
        self, sandbox: Sandbox, http: requests.Session, fields: dict[str, Any]
    ) -> None:
        answer = post(sandbox, http, "reserve", **({"quantity": 1} | fields))
        assert answer.status_code == 422
        assert answer.json()["detail"][0]["loc"] == ["body", next(iter(fields))]
        assert units(sandbox) == (9, 0)

    @pytest.mark.parametrize("body", [b"", b"{", b"[1]", b'"x"', b"\xff", b"[" * 100_000])
    def test_a_body_that_is_no_object_is_unprocessable(
        self, sandbox: Sandbox, http: requests.Session, body: bytes
    ) -> None:
        url = f"{sandbox.url}/inventory/reserve"
        assert http.post(url, data=body, timeout=TIMEOUT).status_code == 422

    def test_stock_tells_both_amounts(self, sandbox: Sandbox, http: requests.Session) -> None:
        post(sandbox, http, "reserve", 2)
        answer = http.get(f"{sandbox.url}/inventory/{LAMP}", timeout=TIMEOUT)
        amounts = {"available_quantity": 7, "reserved_quantity": 2, "reorder_threshold": 10}
        assert (answer.status_code, answer.json()) == (200, {"product_id": LAMP} | amounts)
        assert http.get(f"{sandbox.url}/inventory/{UNKNOWN}", timeout=TIMEOUT).status_code == 404

    def test_of_64_who_reserve_the_last_20_units_20_succeed(self, sandbox: Sandbox) -> None:
        sandbox.control.put_product(LAMP, name="Lamp", price="1", available=20)

        def reserve(number: int) -> int:
            with requests.Session() as http:
                return post(sandbox, http, "reserve", 1, order_id=f"o{number}").status_code

        with ThreadPoolExecutor(64) as pool:
            statuses = sorted(pool.map(reserve, range(64)))
        assert statuses == [200] * 20 + [400] * 44
        assert units(sandbox) == (0, 20)
        assert len({movement["order_id"] for movement in sandbox.control.movements()}) == 20

    def test_two_sandboxes_on_one_database_never_sell_a_unit_twice(self, sandbox: Sandbox, database: Any) -> None:
        with Sandbox(database) as second:

            def reserve(number: int) -> int:
                with requests.Session() as http:
                    return post((sandbox, second)[number % 2], http, "reserve", 1).status_code

            with ThreadPoolExecutor(12) as pool:
                statuses = list(pool.map(reserve, range(12)))
        assert sorted(statuses) == [200] * 9 + [400] * 3
        assert units(sandbox) == (0, 9)

    def test_the_ledger_adds_up_to_the_stock(self, sandbox: Sandbox) -> None:
        def act(number: int) -> None:
            with requests.Session() as http:
                product_id = (LAMP, MUG)[number % 2]
                post(sandbox, http, "reserve", 1 + number % 3, product_id=product_id, order_id=f"o{number}")
                post(sandbox, http, "release", 1 + number % 2, product_id=product_id, order_id=f"o{number}")

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(act, range(24)))
        for product_id, start in ((LAMP, 9), (MUG, 100)):
            signs = {"reserve": 1, "release": -1}
            ledger = sandbox.control.movements(product_id=product_id)
            reserved = sum(signs[movement["action"]] * movement["quantity"] for movement in ledger)
            assert units(sandbox, product_id) == (start - reserved, reserved)


class TestNotAtomic:
    """What the published inventory is like: it reads a row, and writes absolute numbers."""

    def test_one_after_the_other_it_answers_and_moves_just_the_same(
        self, sandbox: Sandbox, http: requests.Session
    ) -> None:
        sandbox.control.be_atomic(False)
        moved = {"product_id": LAMP, "quantity": 4, "available_quantity": 5, "reserved_quantity": 4}
        assert post(sandbox, http, "reserve", 4).json() == {"reserved": True} | moved
        assert post(sandbox, http, "reserve", 6).status_code == 400
        assert post(sandbox, http, "reserve", 1, product_id=UNKNOWN).status_code == 404
        assert post(sandbox, http, "release", 9).json() == {"released": True, "quantity": 4}
        assert units(sandbox) == (9, 0)
        assert [move["quantity"] for move in sandbox.control.movements()] == [4, 4]

    def test_a_recorded_answer_comes_back_for_its_key(self, sandbox: Sandbox, http: requests.Session) -> None:
        sandbox.control.be_atomic(False)
        sandbox.control.honour_keys(True)
        told = [post(sandbox, http, "reserve", 2, key="k").json() for _ in range(2)]
        assert told[0] == told[1]
        assert units(sandbox) == (7, 2)

    def test_of_two_side_by_side_one_is_lost(self, sandbox: Sandbox) -> None:
        sandbox.control.be_atomic(False, 1.0)

        def reserve(_: int) -> int:
            with requests.Session() as http:
                return post(sandbox, http, "reserve", 2).status_code

        with ThreadPoolExecutor(2) as pool:
            assert list(pool.map(reserve, range(2))) == [200, 200]
        assert units(sandbox) == (7, 2)
        assert len(sandbox.control.movements()) == 2

    def test_it_can_be_slow_inside(self, sandbox: Sandbox, http: requests.Session) -> None:
        sandbox.control.be_atomic(False)
        sandbox.control.fault("reserve", "stall_inside", seconds=2, times=1)
        slow = threading.Thread(target=lambda: requests.post(
            f"{sandbox.url}/inventory/reserve", json={"product_id": LAMP, "quantity": 2}, timeout=TIMEOUT
        ))  # fmt: skip
        slow.start()
        while not sandbox.control.counts().get("reserve"):
            time.sleep(0.01)
        assert post(sandbox, http, "reserve", 1).status_code == 200
        assert units(sandbox) == (8, 1)
        slow.join()
        assert units(sandbox) == (7, 2), "it wrote what followed from what it had seen"


class TestIdempotencyKeys:
    def test_are_ignored_at_first(self, sandbox: Sandbox, http: requests.Session) -> None:
        for _ in range(2):
            assert post(sandbox, http, "reserve", 2, key="k").status_code == 200
        assert units(sandbox) == (5, 4)
        assert [movement["key"] for movement in sandbox.control.movements()] == ["k", "k"]

    def test_bring_back_the_recorded_answer_when_honoured(self, sandbox: Sandbox, http: requests.Session) -> None:
        sandbox.control.honour_keys(True)
        first = post(sandbox, http, "reserve", 2, key="k").json()
        post(sandbox, http, "reserve", 1, key="other")
        assert post(sandbox, http, "reserve", 2, key="k").json() == first
        assert units(sandbox) == (6, 3)

    def test_act_once_however_many_ask_at_a_time(self, sandbox: Sandbox) -> None:
        sandbox.control.honour_keys(True)

        def release(_number: int) -> Any:
            with requests.Session() as http:
                return post(sandbox, http, "release", 2, key="k").json()

        with requests.Session() as http:
            post(sandbox, http, "reserve", 9)
        with ThreadPoolExecutor(8) as pool:
            told = list(pool.map(release, range(8)))
        assert told == [{"released": True, "quantity": 2}] * 8
        assert units(sandbox) == (2, 7)

    def test_do_not_hold_on_to_a_refusal(self, sandbox: Sandbox, http: requests.Session) -> None:
        sandbox.control.honour_keys(True)
        assert post(sandbox, http, "reserve", 10, key="k").status_code == 400
        sandbox.control.put_product(LAMP, name="Lamp", price="1", available=10)
        assert post(sandbox, http, "reserve", 10, key="k").status_code == 200

    def test_of_an_answer_that_was_lost_are_recorded(self, sandbox: Sandbox, http: requests.Session) -> None:
        sandbox.control.honour_keys(True)
        sandbox.control.fault("reserve", "drop_after", times=1)
        with pytest.raises(requests.ConnectionError):
            post(sandbox, http, "reserve", 2, key="k")
        assert post(sandbox, http, "reserve", 2, key="k").status_code == 200
        assert units(sandbox) == (7, 2)


class TestFaults:
    def test_latency_delays_the_answer(self, sandbox: Sandbox, http: requests.Session) -> None:
        sandbox.control.fault("reserve", "latency", seconds=0.2, times=1)
        started = time.monotonic()
        assert post(sandbox, http, "reserve", 1).status_code == 200
        assert time.monotonic() - started >= 0.2

    def test_status_answers_without_acting(self, sandbox: Sandbox, http: requests.Session) -> None:
        sandbox.control.fault("reserve", "status", status=503, retry_after=7)
        answer = post(sandbox, http, "reserve", 1)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "7")
        assert "503" in answer.json()["detail"]
        assert units(sandbox) == (9, 0)

    @pytest.mark.parametrize(("kind", "reserved"), [("drop_before", 0), ("drop_after", 1)])
    def test_a_drop_closes_the_connection(
        self, sandbox: Sandbox, http: requests.Session, kind: str, reserved: int
    ) -> None:
        sandbox.control.fault("reserve", kind)
        with pytest.raises(requests.ConnectionError):
            post(sandbox, http, "reserve", 1)
        assert units(sandbox) == (9 - reserved, reserved)

    @pytest.mark.parametrize(("kind", "reserved"), [("stall_before", 0), ("stall_after", 1)])
    def test_a_stall_lets_the_client_time_out(
        self, sandbox: Sandbox, http: requests.Session, kind: str, reserved: int
    ) -> None:
        sandbox.control.fault("reserve", kind, seconds=30)
        with pytest.raises(requests.ReadTimeout):
            http.post(f"{sandbox.url}/inventory/reserve", json={"product_id": LAMP, "quantity": 1}, timeout=2)
        assert units(sandbox) == (9 - reserved, reserved)

    def test_a_stall_ends_without_an_answer(self, sandbox: Sandbox, http: requests.Session) -> None:
        sandbox.control.fault("verify", "stall_before", seconds=0.05)
        with pytest.raises(requests.ConnectionError):
            http.get(f"{sandbox.url}/users/1/verify", timeout=TIMEOUT)

    def test_garbage_acts_and_answers_what_is_no_json(self, sandbox: Sandbox, http: requests.Session) -> None:
        sandbox.control.fault("reserve", "garbage")
        answer = post(sandbox, http, "reserve", 1)
        assert answer.status_code == 200
        with pytest.raises(requests.JSONDecodeError):
            answer.json()
        assert units(sandbox) == (8, 1)

    def test_wrong_acts_and_answers_json_of_another_shape(self, sandbox: Sandbox, http: requests.Session) -> None:
        sandbox.control.fault("reserve", "wrong")
        answer = post(sandbox, http, "reserve", 1)
        assert answer.status_code == 200
        assert "reserved" not in answer.json()
        assert units(sandbox) == (8, 1)

    def test_strikes_only_its_operation_and_product(self, sandbox: Sandbox, http: requests.Session) -> None:
        sandbox.control.fault("reserve", "status", status=500, product_id=MUG)
        assert post(sandbox, http, "reserve", 1).status_code == 200
        assert post(sandbox, http, "release", 1, product_id=MUG).status_code == 200
        assert post(sandbox, http, "reserve", 1, product_id=MUG).status_code == 500

    def test_of_every_operation_leaves_health_and_control_alone(self, sandbox: Sandbox, http: requests.Session) -> None:
        sandbox.control.fault("*", "drop_before")
        assert http.get(f"{sandbox.root}/health", timeout=TIMEOUT).json() == {"status": "healthy"}
        assert control(sandbox, http, "GET", "/stock").status_code == 200
        with pytest.raises(requests.ConnectionError):
            http.get(f"{sandbox.url}/inventory/{LAMP}", timeout=TIMEOUT)

    def test_strikes_as_often_as_told_among_many_threads(self, sandbox: Sandbox) -> None:
        sandbox.control.fault("verify", "status", status=500, times=5)

        def verify(_number: int) -> int:
            return requests.get(f"{sandbox.url}/users/1/verify", timeout=TIMEOUT).status_code

        with ThreadPoolExecutor(8) as pool:
            statuses = sorted(pool.map(verify, range(24)))
        assert statuses == [200] * 19 + [500] * 5

    def test_may_be_slow_and_fail(self, sandbox: Sandbox, http: requests.Session) -> None:
        sandbox.control.fault("verify", "latency", seconds=0.1)
        sandbox.control.fault("verify", "status", status=502)
        started = time.monotonic()
        assert http.get(f"{sandbox.url}/users/1/verify", timeout=TIMEOUT).status_code == 502
        assert time.monotonic() - started >= 0.1

    def test_strikes_by_chance_the_same_way_after_the_same_seed(self, sandbox: Sandbox, http: requests.Session) -> None:
        sandbox.control.fault("verify", "status", status=500, probability=0.5)

        def round_of_calls() -> list[int]:
            control(sandbox, http, "POST", "/seed", {"seed": 7}).raise_for_status()
            url = f"{sandbox.url}/users/1/verify"
            return [http.get(url, timeout=TIMEOUT).status_code for _ in range(12)]

        first = round_of_calls()
        assert set(first) == {200, 500}
        assert round_of_calls() == first

    def test_is_over_when_cleared(self, sandbox: Sandbox, http: requests.Session) -> None:
        fault = {"operation": "verify", "kind": "latency", "seconds": 0.5}
        assert control(sandbox, http, "POST", "/faults", fault).status_code == 201
        assert [told["left"] for told in control(sandbox, http, "GET", "").json()["faults"]] == [None]
        assert control(sandbox, http, "DELETE", "/faults").status_code == 204
        assert control(sandbox, http, "GET", "").json()["faults"] == []


class TestControl:
    @pytest.mark.parametrize(
        ("method", "path", "body", "named"),
        [
            ("POST", "/faults", {"kind": "wrong"}, "operation"),
            ("POST", "/faults", {"operation": "ship", "kind": "wrong"}, "operation"),
            ("POST", "/faults", {"operation": "*", "kind": "odd"}, "kind"),
            ("POST", "/faults", {"operation": "*", "kind": ["odd"]}, "kind"),
            ("POST", "/faults", {"operation": "*", "kind": "latency"}, "seconds"),
            ("POST", "/faults", {"operation": "*", "kind": "latency", "seconds": -1}, "seconds"),
            ("POST", "/faults", {"operation": "*", "kind": "wrong", "seconds": 1}, "seconds"),
            ("POST", "/faults", {"operation": "*", "kind": "status", "status": 99}, "status"),
            ("POST", "/faults", {"operation": "*", "kind": "wrong", "times": 0}, "times"),
            ("POST", "/faults", {"operation": "*", "kind": "wrong", "times": True}, "times"),
            ("POST", "/faults", {"operation": "*", "kind": "wrong", "probability": 1.5}, "probability"),
            ("POST", "/faults", {"operation": "*", "kind": "wrong", "probability": None}, "probability"),
            ("POST", "/faults", {"operation": "*", "kind": "wrong", "product": LAMP}, "product"),
            ("POST", "/faults", [], "object"),
            ("PUT", "/keys", {"honour": "yes"}, "honour"),
            ("POST", "/seed", {"seed": "7"}, "seed"),
            ("PUT", "/products/lamp", {"name": "a", "price": 1, "available": 1}, "product id"),
            ("PUT", f"/products/{LAMP}", {"name": "a", "price": "x", "available": 1}, "price"),
            ("PUT", f"/products/{LAMP}", {"name": "a", "price": "NaN", "available": 1}, "price"),
            ("PUT", f"/products/{LAMP}", {"name": "a", "price": -1, "available": 1}, "price"),
            ("PUT", f"/products/{LAMP}", {"name": "a", "price": 1, "available": -1}, "available"),
            ("PUT", f"/products/{LAMP}", {"name": "a", "price": 1, "available": None}, "available"),
            ("PUT", f"/products/{LAMP}", {"name": "a", "price": 1}, "available"),
            ("PUT", f"/products/{LAMP}", {"name": "a", "price": 1, "available": 1, "sku": 7}, "sku"),
            ("PUT", f"/products/{LAMP}", {"name": "a", "price": 1, "available": 1, "image_url": None}, "image_url"),
            ("PUT", f"/products/{LAMP}", {"name": "a", "price": 1, "available": 1, "currency": []}, "currency"),
            ("PUT", "/users/x", {"email": "a", "full_name": "b"}, "user id"),
            ("PUT", "/users/3", {"email": "a", "full_name": "b", "active": 1}, "active"),
            ("GET", "/movements?product_id=lamp", None, "product id"),
        ],
    )
    def test_names_what_is_wrong(
        self, running: Sandbox, http: requests.Session, method: str, path: str, body: Any, named: str
    ) -> None:
        before = running.control.faults.listed()
        answer = control(running, http, method, path, body)
        assert answer.status_code == 400
        assert named in answer.json()["detail"]
        assert running.control.faults.listed() == before

    def test_puts_products_and_customers(self, sandbox: Sandbox, http: requests.Session) -> None:
        product = {"name": "Clock", "price": 72.10, "category": "Home", "available": 3, "reserved": 2, "sku": "CL-1"}
        assert control(sandbox, http, "PUT", f"/products/{UNKNOWN}", product).status_code == 204
        user = {"email": "mei@example.com", "full_name": "Mei Tanaka", "active": True}
        assert control(sandbox, http, "PUT", "/users/3", user).status_code == 204
        answer = http.get(f"{sandbox.url}/products/{UNKNOWN}", timeout=TIMEOUT)
        assert '"price":72.1,' in answer.text
        assert answer.json()["sku"] == "CL-1"
        assert http.get(f"{sandbox.url}/users/3/verify", timeout=TIMEOUT).json()["valid"] is True
        told = control(sandbox, http, "GET", "/stock").json()
        amounts = {"available": 3, "reserved": 2, "reorder_threshold": 10}
        assert told[-1] == {"product_id": UNKNOWN} | amounts

    def test_tells_the_ledger_of_an_order(self, sandbox: Sandbox, http: requests.Session) -> None:
        post(sandbox, http, "reserve", 2, order_id="o1", key="k1")
        post(sandbox, http, "reserve", 1, order_id="o2")
        (movement,) = control(sandbox, http, "GET", f"/movements?order_id=o1&product_id={LAMP}").json()
        assert movement["answer"]["available_quantity"] == 7
        expected = ("k1", LAMP, "reserve", 2)
        assert tuple(movement[name] for name in ("key", "product_id", "action", "quantity")) == expected

    def test_tells_the_calls_received_also_those_that_failed(self, sandbox: Sandbox, http: requests.Session) -> None:
        sandbox.control.fault("reserve", "status", status=500)
        http.headers["X-Request-ID"] = "r1"
        post(sandbox, http, "reserve", 2, order_id="o1", key="k1")
        http.get(f"{sandbox.url}/users/1/verify", timeout=TIMEOUT)
        told = control(sandbox, http, "GET", "/calls").json()
        assert told["counts"] == {"reserve": 1, "verify": 1}
        (call,) = sandbox.control.calls("reserve")
        del call["at"]
        carried = {"product_id": LAMP, "quantity": 2, "order_id": "o1", "key": "k1", "request_id": "r1"}
        assert call == {"operation": "reserve"} | carried

    def test_resets_everything(self, sandbox: Sandbox, http: requests.Session) -> None:
        sandbox.control.fault("*", "wrong")
        assert control(sandbox, http, "PUT", "/keys", {"honour": True}).json() == {"honour": True}
        told = control(sandbox, http, "PUT", "/atomicity", {"atomic": False, "pause": 0.5})
        assert told.json() == {"atomic": False, "pause": 0.5}
        assert control(sandbox, http, "POST", "/reset").status_code == 204
        state = {"honour": False, "atomic": True, "faults": [], "counts": {}}
        assert control(sandbox, http, "GET", "").json() == state
        with pytest.raises(UnknownProductError):
            sandbox.control.stock(LAMP)

    @pytest.mark.parametrize(
        "body", [{}, {"atomic": 1}, {"atomic": False, "pause": -1}, {"atomic": False, "pause": "1"}]
    )
    def test_is_not_atomic_only_as_it_was_told(
        self, sandbox: Sandbox, http: requests.Session, body: dict[str, Any]
    ) -> None:
        assert control(sandbox, http, "PUT", "/atomicity", body).status_code == 400
        assert control(sandbox, http, "GET", "").json()["atomic"] is True

    def test_knows_no_other_address(self, sandbox: Sandbox, http: requests.Session) -> None:
        assert control(sandbox, http, "GET", "/nothing").status_code == 404
        answer = control(sandbox, http, "PUT", "/faults", {})
        assert (answer.status_code, answer.headers["Allow"]) == (405, "DELETE, POST")

    def test_refuses_an_unknown_option_from_python(self, sandbox: Sandbox) -> None:
        with pytest.raises(BadControlError, match="second"):
            sandbox.control.fault("*", "latency", second=1)


class TestCatalogue:
    def test_is_put_where_it_is_missing_and_leaves_stock_alone(self, sandbox: Sandbox, http: requests.Session) -> None:
        seed(sandbox.control)
        first = PRODUCTS[0]
        post(sandbox, http, "reserve", 5, product_id=first.product_id)
        seed(sandbox.control)
        assert units(sandbox, first.product_id) == (first.available - 5, 5)
        assert len(sandbox.control.stocks()) == len(PRODUCTS) + 2
        inactive = next(customer for customer in CUSTOMERS if not customer.active)
        url = f"{sandbox.url}/users/{inactive.user_id}/verify"
        assert http.get(url, timeout=TIMEOUT).json() == {"valid": False}


class TestServer:
    def test_keeps_one_connection_for_many_requests(self, sandbox: Sandbox) -> None:
        address = (sandbox.root.removeprefix("http://").split(":")[0], int(sandbox.root.rsplit(":", 1)[1]))
        with socket.create_connection(address, timeout=TIMEOUT) as connection:
            for path in ("/health", "/nowhere", f"/api/v1/products/{LAMP}", "/api/v1/products/x"):
                connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                head, _, body = connection.recv(65536).partition(b"\r\n\r\n")
                assert f"Content-Length: {len(body)}".encode() in head  # the whole answer in one piece
            connection.sendall(b"DELETE /control/faults HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b"204 No Content" in connection.recv(65536)
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert b"Connection: close" in connection.recv(65536)
            assert connection.recv(65536) == b""

    @pytest.mark.parametrize(
        ("request_head", "status"),
        [
            (b"BREW /health HTTP/1.1\r\nHost: x\r\n\r\n", b"501"),
            (b"POST /control/reset HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"411"),
            (b"POST /control/reset HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"400"),
            (b"POST /control/reset HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", b"413"),
            (b"GET http://[x/health HTTP/1.1\r\nHost: x\r\n\r\n", b"400"),
            (b"\x16\x03\x01 x y z\r\n\r\n", b"400"),
        ],
    )
    def test_refuses_what_it_cannot_read(self, sandbox: Sandbox, request_head: bytes, status: bytes) -> None:
        port = int(sandbox.root.rsplit(":", 1)[1])
        with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT) as connection:
            connection.sendall(request_head)
            assert status in connection.recv(65536).split(b"\r\n")[0]
        assert units(sandbox) == (9, 0)

    def test_stops_promptly_with_open_connections_and_sleeping_calls(self, database: Any) -> None:
        sandbox = Sandbox(database).start()
        sandbox.control.fault("verify", "stall_before", seconds=30)
        sandbox.control.fault("check", "latency", seconds=30)
        errors: list[Exception] = []

        def call(path: str) -> None:
            try:
                requests.get(f"{sandbox.url}{path}", timeout=TIMEOUT)
            except requests.ConnectionError as error:
                errors.append(error)

        paths = ("/users/1/verify", f"/inventory/check?product_id={LAMP}&quantity=1")
        sleepers = [threading.Thread(target=call, args=(path,)) for path in paths]
        with requests.Session() as idle:
            idle.get(f"{sandbox.root}/health", timeout=TIMEOUT)
            for sleeper in sleepers:
                sleeper.start()
            while len(sandbox.control.calls()) < 2:
                time.sleep(0.01)
            started = time.monotonic()
            sandbox.stop()
            assert time.monotonic() - started < 15, "they would sleep for 30 s"
            for sleeper in sleepers:
                sleeper.join(TIMEOUT)
        assert len(errors) == 2

    def test_comes_back_on_its_port_with_what_it_knew(self, database: Any) -> None:
        sandbox = Sandbox(database)
        with pytest.raises(RuntimeError, match="port"):
            sandbox.url  # noqa: B018
        with sandbox:
            url = sandbox.url
            sandbox.control.fault("stock", "status", status=502)
        with pytest.raises(requests.ConnectionError):
            requests.get(f"{url}/inventory/{LAMP}", timeout=TIMEOUT)
        with sandbox:
            assert sandbox.url == url
            assert requests.get(f"{url}/inventory/{LAMP}", timeout=TIMEOUT).status_code == 502


@contextmanager
def command(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    line = [sys.executable, "-m", "integrations.sandbox", *arguments]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def url_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().split()[-1]


class TestCommand:
    def test_serves_until_terminated(self, mongo_uri: str, database: Any) -> None:
        options = ("--port", "0", "--mongodb-uri", mongo_uri, "--db", database.name, "--seed")
        with command(*options) as process:
            address = f"{url_of(process)}/products/{PRODUCTS[0].product_id}"
            assert requests.get(address, timeout=TIMEOUT).json()["name"] == PRODUCTS[0].name
            process.send_signal(signal.SIGTERM)
            rest, errors = process.communicate(timeout=TIMEOUT)
        assert (process.returncode, rest, errors) == (0, "", "")

    def test_says_in_one_line_why_it_cannot_start(self, mongo_uri: str, database: Any, running: Sandbox) -> None:
        port = running.root.rsplit(":", 1)[1]
        processes: dict[str, subprocess.Popen[str]] = {}
        attempts = {
            "listen": (port, mongo_uri),
            "reached": ("0", "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=200"),
            "URI": ("0", "mongodb://"),
            "0 to 65535": ("x", mongo_uri),
        }
        with ExitStack() as stack:
            for word, (where, uri) in attempts.items():
                options = ("--port", where, "--mongodb-uri", uri, "--db", database.name)
                processes[word] = stack.enter_context(command(*options))
            for word, process in processes.items():
                output, errors = process.communicate(timeout=60)
                assert (process.returncode, output, errors.count("\n")) == (2, "", 1)
                assert word in errors

    def test_killed_at_any_moment_leaves_ledger_and_stock_agreeing(
        self, mongo_uri: str, database: Any, sandbox: Sandbox
    ) -> None:
        sandbox.control.put_product(LAMP, name="Lamp", price="1", available=100_000)
        options = ("--port", "0", "--mongodb-uri", mongo_uri, "--db", database.name)
        with command(*options) as process:
            url = url_of(process)
            with ThreadPoolExecutor(4) as pool:
                for _ in range(4):
                    pool.submit(reserve_until_gone, url)
                while len(sandbox.control.movements()) < 20:
                    time.sleep(0.01)
                process.kill()
            process.communicate(timeout=TIMEOUT)
        # The next start aborts the transaction that the kill left open; otherwise this would wait a minute.
        with command(*options) as process:
            url = url_of(process)
            body = {"product_id": LAMP, "quantity": 1}
            answer = requests.post(f"{url}/inventory/reserve", json=body, timeout=TIMEOUT)
            process.send_signal(signal.SIGINT)
            assert (*process.communicate(timeout=TIMEOUT), process.returncode) == ("", "", 0)
        assert answer.status_code == 200
        ledger = sum(movement["quantity"] for movement in sandbox.control.movements())
        assert ledger > 20
        assert units(sandbox) == (100_000 - ledger, ledger)


def reserve_until_gone(url: str) -> None:
    with requests.Session() as http:
        while True:
            try:
                body = {"product_id": LAMP, "quantity": 1}
                http.post(f"{url}/inventory/reserve", json=body, timeout=TIMEOUT)
            except requests.RequestException:
                return
