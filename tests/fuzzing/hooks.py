"""What schemathesis has to know of this API beyond its document.

A document says which requests are well formed. It cannot say which products, prices and customers there are at other
services, nor that one moment is to be later than another: so two in three well-formed placements are made to speak of
what the sandbox has, and a refusal of the others is accepted where its `code` names such a fact, and only then.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import schemathesis
from hypothesis import strategies as st
from schemathesis.core.failures import AcceptedNegativeData, Failure
from schemathesis.openapi.checks import RejectedPositiveData, UseAfterFree

from integrations.sandbox.catalogue import CUSTOMERS, PRODUCTS

FACTS = {
    "unknown_user": 400,  # the user service has no such customer
    "malformed_user_id": 400,  # printable, composed and so on: more than a schema can say
    "unknown_product": 400,  # the product service has no such product
    "invalid_order": 400,  # prices times quantities exceed MAX_ORDER_TOTAL; the shop does not take this currency
    "stale_order": 412,  # RFC 9110: the order is at another version than If-Match asks for
    "invalid_lines": 400,  # the order has no such line, or one is named twice
    "reason_missing": 400,  # a return needs a reason, and the reason `other` words
    "idempotency_key_reused": 422,  # the key came with another request before
    "run_exists": 422,  # the same, of a bulk run
    "invalid_webhook": 400,  # nothing may be sent to such an address, or there are no such events
}
"""Code → status of the refusals of well-formed requests that the state of the world decides, not their form."""
NUMBERS, DIGITS = {"price", "amount", "user_id", "postal_code"}, {"quantity", "line", "limit", "after"}
"""Texts of which the number is read as well, and numbers of which the digits are."""
PLENTY = [product for product in PRODUCTS if product.available > 1000]

tag = st.builds(
    '{}"{}"'.format, st.sampled_from(["", "W/"]), st.integers(0, 3) | st.sampled_from(["3-gzip", "x,y", ""])
)
schemathesis.openapi.format("etags", st.just("*") | st.lists(tag, min_size=1, max_size=3).map(", ".join))
schemathesis.openapi.format(
    "date-or-date-time",
    st.dates(date(1900, 1, 1)).map(date.isoformat)
    | st.datetimes(datetime(1900, 1, 1), timezones=st.just(UTC)).map(datetime.isoformat),  # noqa: DTZ001
)


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    """Make well-formed requests sensible ones."""
    if case.meta is None or not case.meta.generation.mode.is_positive or not isinstance(case.body, dict):
        return
    if case.operation.definition.raw["operationId"] == "place_order":
        _order_what_there_is(case.body)
        _name_metadata(case.body)
    if case.operation.definition.raw["operationId"] == "change_order_status":
        for name, status in (("payment", "paid"), ("shipment", "shipped")):
            if case.body["status"] != status:
                case.body.pop(name, None)
    if case.operation.definition.raw["operationId"] == "refund_order":
        case.body.pop("lines" if "amount" in case.body else "amount", None)
        if "lines" not in case.body:
            case.body.setdefault("amount", "1.00")
    if case.operation.definition.raw["operationId"] == "start_bulk_transition":
        _make_criteria(case.body.get("filter"))
        if sum(map(ord, str(case.body))) % 3:  # most are to start a run, not to ask what it would do
            case.body.pop("dry_run", None)


def _order_what_there_is(body: dict[str, Any]) -> None:
    choice = sum(map(ord, str(body["shipping_address"]))) + len(body["items"])
    if choice % 3 == 0:
        return
    body["user_id"] = str(CUSTOMERS[0].user_id)
    body.pop("currency", None)
    for index, item in enumerate(body["items"]):
        product = PLENTY[(choice + index) % len(PLENTY)]
        item |= {"product_id": product.product_id, "price": product.price, "quantity": 1}
        item["price"] = product.price if index % 2 else float(Decimal(product.price))


def _name_metadata(body: dict[str, Any]) -> None:
    """What the document says in words: which names there may be."""
    if body.get("metadata"):
        body["metadata"] = {f"name {index}": text for index, text in enumerate(body["metadata"].values())}


def _make_criteria(criteria: dict[str, Any] | None) -> None:
    """What the document says in words: a filter has one beside `limit`, and a time does not end before it begins."""
    if criteria is None:
        return
    if not criteria.keys() - {"limit"}:
        criteria["status"] = ["pending"]
    if "created_from" in criteria and "created_before" in criteria:
        criteria |= {"created_from": "2026-01-31", "created_before": "2026-02-28T12:00:00+01:00"}


@schemathesis.hook
def filter_failure(context: Any, failure: Failure, case: Any, response: Any) -> bool:
    """Drop what is no failure of this API."""
    if isinstance(failure, RejectedPositiveData):
        answer = response.json()
        if "The span of time ends before it begins." in answer.get("errors", {}).get("end_date", ()):
            return False  # each date alone is as the document says; that one comes before the other it cannot say
        if any("It is of a list with sort=" in problem for problem in answer.get("errors", {}).get("cursor", ())):
            return False  # nor which cursor belongs to which order of the list
        return FACTS.get(answer.get("code")) != response.status_code
    if isinstance(failure, AcceptedNegativeData):
        # What the document does not say of texts and numbers, and `allowEmptyValue`, which the generator does not know.
        return _respelt(case.body) == case.body and "" not in (case.query or {}).values()
    if isinstance(failure, UseAfterFree):
        if "/hold" in failure.free:  # lifting a hold deletes nothing else, and it can be set again
            return False
        return not _shows_the_cancellation(response.json())
    return True


def _respelt(value: Any, name: str = "") -> Any:
    """A body as the document has it; more spellings are read, as it says in words."""
    if isinstance(value, dict):
        return {key: _respelt(inner, key) for key, inner in value.items()}
    if isinstance(value, list):
        return [_respelt(inner) for inner in value]
    if name in NUMBERS and isinstance(value, int | float) and not isinstance(value, bool):
        return str(int(value)) if value == int(value) else str(value)
    if name in DIGITS and isinstance(value, str) and value.isdecimal():
        return int(value)
    return [value] if name == "status" and isinstance(value, str) else value


def _shows_the_cancellation(answer: Any) -> bool:
    """DELETE cancels an order, and it stays readable; so what was read afterwards must show that it is cancelled."""
    if isinstance(answer, dict):
        return answer.get("status") == "cancelled"
    return not answer or "cancelled" in {entry.get("to") for entry in _entries(answer)}


def _entries(answer: Any) -> Iterator[dict[str, Any]]:
    yield from (entry for entry in answer if isinstance(entry, dict))
