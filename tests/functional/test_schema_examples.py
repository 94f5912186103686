"""The examples of the OpenAPI document: each is sent as it stands, and answered as it says."""

from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
import requests

from orders.api.examples import ANSWERS, REQUESTS
from orders.services import bulk
from tests.functional.helpers import TWO_TOWELS, Api, placed_in
from tests.functional.test_openapi import document_fixture, schema_of  # noqa: F401

Json = dict[str, Any]

SENT = [
    (operation, status, name)
    for operation, answers in ANSWERS.items()
    for status, examples in answers.items()
    for name in examples
    if operation in REQUESTS
]
READ = [(operation, status, name) for operation, answers in ANSWERS.items() if operation not in REQUESTS
        for status, examples in answers.items() for name in examples]  # fmt: skip


def operations(found: Json) -> Iterator[tuple[str, str, Json]]:
    """Each operation: its method, its path below the API's prefix, and what is said of it."""
    for path, methods in found["paths"].items():
        for method, operation in methods.items():
            yield method, path.removeprefix("/api/v1/"), operation


def named(found: Json, operation_id: str) -> tuple[str, str, Json]:
    return next(each for each in operations(found) if each[2]["operationId"] == operation_id)


def shape(value: Any) -> Any:
    """What is compared of an answer: names and kinds, not the values; of lists the first entry."""
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [shape(inner) for inner in value[:1]]
    return None if value is None else type(value).__name__


def check(answer: requests.Response, found: Json, operation: Json, status: str, name: str) -> None:
    """Assert that the answer is the documented one, and that the example itself is as the schema says."""
    assert answer.status_code == int(status), answer.text
    [(content_type, content)] = operation["responses"][status]["content"].items()
    assert answer.headers["Content-Type"] == content_type
    example = content["examples"][name]["value"]
    assert shape(answer.json()) == shape(example)
    for value in (answer.json(), example):
        for entry in value if isinstance(value, list) else [value]:
            schema = content["schema"].get("items", content["schema"])
            jsonschema.validate(entry, schema_of(found, schema["$ref"].rpartition("/")[2]))


def test_no_operation_is_without_examples(document: Json) -> None:
    for _, path, operation in operations(document):
        if "requestBody" in operation:
            assert operation["requestBody"]["content"]["application/json"]["examples"], path
        for status, response in operation["responses"].items():
            if status < "300" and "content" in response:
                assert response["content"]["application/json"]["examples"], (path, status)


def test_every_example_of_a_request_has_one_of_its_answer() -> None:
    for operation, requests_ in REQUESTS.items():
        answered = [name for examples in ANSWERS[operation].values() for name in examples]
        assert sorted(answered) == sorted(requests_), operation


@pytest.mark.parametrize(("operation_id", "status", "name"), SENT)
def test_an_example_of_a_request_gets_its_answer(
    api: Api,
    document: Json,
    operation_id: str,
    status: str,
    name: str,
) -> None:
    method, path, operation = named(document, operation_id)
    order = placed_in(api, "pending", TWO_TOWELS, ("665f1c0a9b1e8a0012a40007", 1, "12.50"))
    body = operation["requestBody"]["content"]["application/json"]["examples"][name]["value"]
    for client in [api(admin=True)] if "admins" in name or "bulk" in operation_id else [api(), api(admin=True)]:
        if "{order_id}" in path:
            order = client.place(TWO_TOWELS, user_id="1").json()
        answer = client.request(method, path.format(order_id=order["id"]), json=body)
        check(answer, document, operation, status, name)


@pytest.mark.parametrize(("operation_id", "status", "name"), READ)
def test_an_answer_without_a_request_is_as_its_example(
    api: Api,
    document: Json,
    operation_id: str,
    status: str,
    name: str,
) -> None:
    method, path, operation = named(document, operation_id)
    order = placed_in(api, "pending")
    client = api(admin=True) if "bulk" in operation_id else api()
    run_id = ""
    if "{run_id}" in path:
        wanted = {"transition": "start_processing", "reason": "Back from the holidays"}
        by_id = operation_id == "get_bulk_transition"
        chosen = {"ids": [order["id"]]} if by_id else {"filter": {"status": ["paid"], "limit": 100}}
        run_id = client.post("orders/bulk-transitions", json=wanted | chosen).json()["id"]
        while by_id and bulk.carry_on_any(seconds=5):
            pass
        if operation_id == "resume_bulk_transition":
            assert client.post(f"orders/bulk-transitions/{run_id}/pause").status_code == 202
    answer = client.request(method, path.format(order_id=order["id"], user_id="1", run_id=run_id))
    check(answer, document, operation, status, name)
