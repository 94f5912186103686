"""Parts of orders over the API: what its endpoints parse, and how they answer. The rules are tested at the services."""

import json
import re
from collections import Counter
from typing import Any

import pytest

from devtools.localhost import ROOT
from integrations.sandbox import Sandbox
from tests.dose import WHOLE
from tests.functional.helpers import ONE_SKILLET, TWO_TOWELS, Api, at_once, placed_in, problem

PAGE = (ROOT / "docs" / "storefront.md").read_text()
EXAMPLES = re.findall(r"(?m)^```http\n([A-Z]+) /orders/\{id\}/(\S+)\n?(.*?)```$", PAGE, re.DOTALL)
ONE = [{"line": 0, "quantity": 1}]
WRITES = {
    "shipments": ("processing", "POST", {"lines": ONE, "carrier": "UPS"}, 201),
    "shipments/0": ("shipped", "PATCH", {"carrier": "UPS"}, 200),
    "cancellations": ("pending", "POST", {"lines": ONE}, 201),
    "refunds": ("paid", "POST", {"amount": "1.00"}, 201),
    "returns": ("shipped", "POST", {"lines": ONE, "reason": "Too small"}, 201),
    "hold": ("pending", "PUT", {"reason_code": "fraud"}, 200),
}
"""Address below an order's → its status, and a request that it then takes, with the status of the answer."""
NO_AMOUNTS = [
    "0",
    "0.00",
    "-1.00",
    "1.001",
    "1e2",
    "1,00",
    " 1.00",
    "",
    None,
    True,
    [],
    {},
    -1,
    0,
    1.001,
    1e30,
    "9" * 13,
]


@pytest.mark.parametrize("address", WRITES)
def test_each_answers_the_whole_order_and_minds_versions_and_keys(api: Api, sandbox: Sandbox, address: str) -> None:
    status, method, body, answered = WRITES[address]
    order, staff = placed_in(api, status, TWO_TOWELS, ONE_SKILLET), api(admin=True)
    target, version = f"orders/{order['id']}/{address}", order["version"]
    stale = staff.request(method, target, json=body, headers={"If-Match": f'"{version - 1}"'})
    problem(stale, 412, "stale_order")
    headers = {"If-Match": f'"{version}"', "Idempotency-Key": "k"}
    first = staff.request(method, target, json=body, headers=headers)
    assert first.status_code == answered, first.text
    assert first.headers["ETag"] == f'"{version + 1}"'
    assert "RateLimit-Remaining" in first.headers
    assert "Idempotency-Replayed" not in first.headers
    again = staff.request(method, target, json=body, headers=headers)
    assert (again.status_code, again.headers["Idempotency-Replayed"]) == (answered, "true")
    assert first.json() == again.json() == staff.get(f"orders/{order['id']}").json()


def test_the_examples_of_the_page_are_carried_out_one_after_the_other(api: Api, sandbox: Sandbox) -> None:
    order, staff = placed_in(api, "pending", TWO_TOWELS, ONE_SKILLET), api(admin=True)
    said: dict[str, Any] = {}
    for method, path, body in EXAMPLES:
        answer = staff.request(method, f"orders/{order['id']}/{path}", json=json.loads(body) if body else None)
        assert answer.ok, (method, path, answer.text)
        said = answer.json()
        if path == "hold" and method == "DELETE":
            assert staff.put(f"orders/{order['id']}/status", json={"status": "processing"}).ok
    assert {path.split("/")[0] for _, path, _ in EXAMPLES} == {
        "status", "shipments", "cancellations", "refunds", "returns", "hold",
    }  # fmt: skip
    assert [(item["quantity"], item["state"], item["split_from"]) for item in said["items"]] == [
        (1, "returned", None), (1, "cancelled", None), (1, "shipped", 0),
    ]  # fmt: skip
    assert (said["status"], said["paid"], said["refunded"], said["owed"]) == ("shipped", "78.80", "49.00", "14.90")


# --- what is parsed ---


@pytest.mark.parametrize("amount", NO_AMOUNTS, ids=repr)
@pytest.mark.parametrize("where", ["refund", "payment"])
def test_what_is_no_amount_is_refused_by_name(api: Api, sandbox: Sandbox, where: str, amount: Any) -> None:
    order, staff = placed_in(api, "pending"), api(admin=True)
    if where == "refund":
        answer, name = staff.post(f"orders/{order['id']}/refunds", json={"amount": amount}), "amount"
    else:
        body = {"status": "paid", "payment": {"amount": amount}}
        answer, name = staff.put(f"orders/{order['id']}/status", json=body), "payment.amount"
    assert list(problem(answer, 400, "invalid")["errors"]) == [name]
    assert staff.get(f"orders/{order['id']}").json() == order


def test_numbers_without_end_are_no_amounts(api: Api, sandbox: Sandbox) -> None:
    order, staff = placed_in(api, "paid"), api(admin=True)
    for number in ("0e99999999999999999999", "1e99999999999999999999", "1e-99999999999999999999", "9" * 5000):
        body = f'{{"amount": {number}}}'
        answer = staff.post(f"orders/{order['id']}/refunds", data=body, headers={"Content-Type": "application/json"})
        problem(answer, 400)
    assert staff.get(f"orders/{order['id']}").json() == order


def test_an_amount_may_be_a_number_and_a_line_and_its_quantity_texts(api: Api, sandbox: Sandbox) -> None:
    order, staff = placed_in(api, "paid", TWO_TOWELS, ONE_SKILLET), api(admin=True)
    assert staff.post(f"orders/{order['id']}/refunds", json={"amount": 1.5}).json()["refunded"] == "1.50"
    lines = [{"line": "1", "quantity": "1"}]
    assert staff.post(f"orders/{order['id']}/refunds", json={"lines": lines}).json()["refunded"] == "50.50"


@pytest.mark.parametrize("line", [-1, "-1", "01", "+1", "1.0", 0.5, True, None, [], "", 2**31], ids=repr)
def test_what_is_no_line_is_refused_by_its_place(api: Api, sandbox: Sandbox, line: Any) -> None:
    order = placed_in(api, "pending")
    answer = api().post(f"orders/{order['id']}/cancellations", json={"lines": [{"line": line}]})
    assert list(problem(answer, 400, "invalid")["errors"]) == ["lines.0.line"]


def test_a_refund_is_of_an_amount_or_of_lines(api: Api, sandbox: Sandbox) -> None:
    order, staff = placed_in(api, "paid"), api(admin=True)
    for body in ({}, {"reason": "A scratch"}, {"amount": "1.00", "lines": ONE}):
        answer = staff.post(f"orders/{order['id']}/refunds", json=body)
        assert list(problem(answer, 400, "invalid")["errors"]) == ["amount"]
    assert staff.get(f"orders/{order['id']}").json()["refunded"] == "0.00"


def test_of_many_lines_none_is_looked_at(api: Api, sandbox: Sandbox) -> None:
    order, staff = placed_in(api, "pending"), api(admin=True)
    for address in ("shipments", "cancellations", "refunds", "returns"):
        for lines in ([{"line": 0}] * 101, [{}] * 101, [None] * 5000):
            answer = staff.post(f"orders/{order['id']}/{address}", json={"lines": lines})
            assert problem(answer, 400, "invalid")["errors"] == {"lines": ["At most 100 lines are allowed."]}
        empty = staff.post(f"orders/{order['id']}/{address}", json={"lines": []})
        assert all(name.startswith("lines") for name in problem(empty, 400, "invalid")["errors"])


def test_a_payment_goes_with_paid_only_and_tracking_with_shipped_only(api: Api, sandbox: Sandbox) -> None:
    order, staff = placed_in(api, "pending"), api(admin=True)
    for status, extra in (("cancelled", "payment"), ("paid", "shipment"), ("shipped", "payment")):
        answer = staff.put(f"orders/{order['id']}/status", json={"status": status, extra: {}})
        assert list(problem(answer, 400, "invalid")["errors"]) == [extra]
    assert staff.get(f"orders/{order['id']}").json() == order


def test_what_is_wrong_with_tracking_is_told_where_it_stands(api: Api, sandbox: Sandbox) -> None:
    order, staff = placed_in(api, "processing"), api(admin=True)
    bad = {"tracking_url": "javascript:alert(1)"}
    status = staff.put(f"orders/{order['id']}/status", json={"status": "shipped", "shipment": bad})
    assert list(problem(status, 400, "invalid")["errors"]) == ["shipment.tracking_url"]
    parcel = staff.post(f"orders/{order['id']}/shipments", json=bad)
    assert list(problem(parcel, 400, "invalid")["errors"]) == ["tracking_url"]
    assert staff.get(f"orders/{order['id']}").json()["shipments"] == []


@pytest.mark.parametrize("number", ["-1", "01", "1.0", "x", "9" * 7, "0x0", "%20"])
def test_a_part_is_named_by_its_place(api: Api, sandbox: Sandbox, number: str) -> None:
    order, staff = placed_in(api, "shipped"), api(admin=True)
    parcel = staff.patch(f"orders/{order['id']}/shipments/{number}", json={"carrier": "UPS"})
    assert list(problem(parcel, 400, "invalid")["errors"]) == ["shipment_number"]
    back = staff.post(f"orders/{order['id']}/returns/{number}/receipt", json={"restock": True})
    assert list(problem(back, 400, "invalid")["errors"]) == ["return_number"]


def test_restocking_is_said_and_never_guessed(api: Api, sandbox: Sandbox) -> None:
    order, staff = placed_in(api, "shipped"), api(admin=True)
    assert staff.post(f"orders/{order['id']}/returns", json={"reason": "Too small"}).status_code == 201
    for body in ({}, {"restock": None}, {"restock": "true"}, {"restock": 1}):
        answer = staff.post(f"orders/{order['id']}/returns/0/receipt", json=body)
        assert list(problem(answer, 400, "invalid")["errors"]) == ["restock"]
    assert staff.get(f"orders/{order['id']}").json()["returns"][0]["received_at"] is None


# --- what is presented ---


def test_tracking_that_is_left_out_of_a_correction_stays(api: Api, sandbox: Sandbox) -> None:
    order, staff = placed_in(api, "processing"), api(admin=True)
    shipped = {"status": "shipped", "shipment": {"carrier": "ups", "tracking_number": "1Z8"}}
    [parcel] = staff.put(f"orders/{order['id']}/status", json=shipped).json()["shipments"]
    assert (parcel["carrier"], parcel["tracking_number"], parcel["lines"]) == ("UPS", "1Z8", [0])
    [changed] = staff.patch(f"orders/{order['id']}/shipments/0", json={"tracking_number": "1Z9"}).json()["shipments"]
    assert changed == parcel | {
        "tracking_number": "1Z9",
        "tracking_url": parcel["tracking_url"].replace("1Z8", "1Z9"),
    }
    problem(staff.patch(f"orders/{order['id']}/shipments/0", json={}), 400, "invalid")


def test_customers_learn_that_an_order_is_held_but_not_why(api: Api, sandbox: Sandbox) -> None:
    order, staff, customer = placed_in(api, "paid"), api(admin=True), api()
    why = {"reason_code": "fraud", "reason": "Two cards were refused"}
    assert staff.put(f"orders/{order['id']}/hold", json=why).json()["on_hold"] is True
    body = {"lines": ONE, "reason": "Found in the waste", "reason_code": "out_of_stock"}
    assert staff.post(f"orders/{order['id']}/cancellations", json=body).status_code == 201
    seen = [customer.get(f"orders/{order['id']}{view}") for view in ("", "/history", "/transitions")]
    assert seen[0].json()["on_hold"] is True
    for answer in seen:
        assert not any(word in answer.text for word in ("fraud", "cards", "waste", "out_of_stock", "hold_order"))
    assert [entry["act"] for entry in seen[1].json()] == ["place", "pay", "cancel_part"]
    known = staff.get(f"orders/{order['id']}/history").json()
    [held, cancelled] = [entry for entry in known if entry["act"] in ("hold", "cancel_part")]
    assert (held["reason"], held["reason_code"]) == (why["reason"], "fraud")
    assert (cancelled["reason_code"], cancelled["detail"]) == (
        "out_of_stock",
        "Cancelled: 1 × Linen tea towel, set of 2",
    )
    problem(staff.put(f"orders/{order['id']}/status", json={"status": "processing"}), 409, "transition_not_allowed")
    assert staff.delete(f"orders/{order['id']}/hold").json()["on_hold"] is False


def test_a_customer_cancels_a_part_of_their_own_order_and_reads_their_own_words(api: Api, sandbox: Sandbox) -> None:
    order, customer = placed_in(api, "pending"), api()
    body = {"lines": ONE, "reason": "One is enough", "reason_code": "customer"}
    said = customer.post(f"orders/{order['id']}/cancellations", json=body).json()
    assert [(item["quantity"], item["state"]) for item in said["items"]] == [(1, "open"), (1, "cancelled")]
    last = customer.get(f"orders/{order['id']}/history").json()[-1]
    assert (last["act"], last["reason"], last["reason_code"]) == ("cancel_part", "One is enough", "customer")


def test_transitions_say_what_they_would_cause(api: Api, sandbox: Sandbox) -> None:
    order = placed_in(api, "paid", TWO_TOWELS, ONE_SKILLET)
    effects = {one["name"]: one["effect"] for one in api(admin=True).get(f"orders/{order['id']}/transitions").json()}
    nothing = {"releases": 0, "ships": 0, "refunds": "0.00", "owes": "0.00"}
    assert effects == {
        "start_processing": nothing,
        "cancel": nothing | {"releases": 3, "owes": "78.80"},
        "refund": nothing | {"releases": 3, "refunds": "78.80"},
    }


def test_once_a_parcel_has_left_the_rest_is_cancelled_and_the_order_says_so(api: Api, sandbox: Sandbox) -> None:
    order, staff = placed_in(api, "processing", TWO_TOWELS, ONE_SKILLET), api(admin=True)
    assert staff.post(f"orders/{order['id']}/shipments", json={"lines": ONE}).json()["status"] == "processing"
    refused = problem(api().delete(f"orders/{order['id']}"), 409, "transition_not_allowed")
    assert "Cancel the items that have not" in refused["detail"]
    assert refused["allowed"] == ["shipped", "refunded"]
    rest = {"lines": [{"line": 0}, {"line": 1}], "reason_code": "out_of_stock"}
    said = staff.post(f"orders/{order['id']}/cancellations", json=rest).json()
    assert (said["status"], said["owed"]) == ("shipped", "63.90")


# --- many at once ---


@pytest.mark.slow
def test_a_thousand_refunds_at_once_give_back_what_was_paid_and_no_more(api: Api, sandbox: Sandbox) -> None:
    order, staff = placed_in(api, "pending"), api(admin=True)
    paid = {"status": "paid", "payment": {"reference": "pi_1", "amount": "100.00"}}
    assert staff.put(f"orders/{order['id']}/status", json=paid).json()["paid"] == "100.00"
    tries, threads = 1000 if WHOLE else 300, 6

    def refund(thread: int) -> list[tuple[int, str]]:
        mine = api(admin=True)
        answers = [
            mine.post(f"orders/{order['id']}/refunds", json={"amount": "1.00", "reference": f"re_{one}"})
            for one in range(thread, tries, threads)
        ]
        return [(answer.status_code, answer.json().get("code", "")) for answer in answers]

    answered = Counter(answer for answers in at_once(threads, refund) for answer in answers)
    assert answered[201, ""] == 100
    assert answered.keys() <= {(201, ""), (409, "refund_too_high"), (409, "order_busy")}
    said = staff.get(f"orders/{order['id']}").json()
    assert (said["status"], said["paid"], said["refunded"], said["owed"]) == ("refunded", "100.00", "100.00", "0.00")
    assert len(said["refunds"]) == 100
