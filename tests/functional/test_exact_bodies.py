"""A request is obeyed whole or refused whole: what a body says beyond what is understood is never passed over."""

import json
from typing import Any

import pytest
from django.test import Client

from tests.functional.access.fixtures import clients_fixture, key_server_fixture, stage_fixture  # noqa: F401
from tests.functional.access.stage import Stage, changed
from tests.functional.hostile.operations import Operation, Path, operations
from tests.functional.hostile.values import Json

WRITES = [operation for operation in operations() if operation.method != "GET"]
OBJECTS = [
    (operation, level)
    for operation in WRITES
    for level in sorted({field[:-1] for field in operation.fields if field and isinstance(field[-1], str)}, key=str)
]
"""Each object in each body that the OpenAPI document describes: a new endpoint, or a new part of one, is among them."""
REQUIRED = {("status",), ("transition",), ("user_id",), ("url",), ("after",), ("restock",)}
"""Of each body, one member that must not be empty."""
BODILESS = [operation for operation in WRITES if not operation.fields]
NAMES = ("dry_run", "amount", "line_2", "_id", "$where", "a.b", "Status", "", "__proto__", "k" * 5000)


def title(value: Any) -> str:
    return value.name if isinstance(value, Operation) else ".".join(map(str, value)) or "body"


def send(stage: Stage, client: Client, operation: Operation, body: str) -> Any:
    target = operation.address.format(**stage.named(operation.order()))
    return client.generic(operation.method, target, body, "application/json")


def refused(response: Any) -> dict[str, Any]:
    assert response.status_code == 400, (response.status_code, response.content[:300])
    document: dict[str, Any] = json.loads(response.content)
    assert document["code"] == "invalid"
    return document


def known_at(operation: Operation, level: Path) -> set[str]:
    return {str(field[-1]) for field in operation.fields if field and field[:-1] == level}


@pytest.mark.parametrize(("operation", "level"), OBJECTS, ids=title)
def test_an_unknown_member_is_named_with_its_path_and_the_known_ones_and_nothing_happens(
    stage: Stage, clients: dict[str, Client], operation: Operation, level: Path
) -> None:
    marks = stage.marks()
    for name in set(NAMES) - known_at(operation, level):
        body = operation.body_with((*level, name), Json("true", "true"))
        document = refused(send(stage, clients["admin"], operation, body))
        [(path, [said])] = document["errors"].items()
        shown = name if len(name) <= 100 else f"{name[:100]}…"
        assert path == ".".join([*map(str, level), shown or '""'])
        assert path in document["detail"]
        assert known_at(operation, level) == set(said.partition("Known: ")[2].rstrip(".").split(", "))
    assert changed(marks, stage.marks()) == []


@pytest.mark.parametrize("operation", [one for one in WRITES if REQUIRED & set(one.fields)], ids=title)
def test_what_else_is_wrong_with_a_body_is_told_along_with_its_unknown_members(
    stage: Stage, clients: dict[str, Client], operation: Operation
) -> None:
    [required] = REQUIRED & set(operation.fields)
    body = json.loads(operation.body_with(required, Json("empty", '""')))
    document = refused(send(stage, clients["admin"], operation, json.dumps(body | {"amount": "1.00"})))
    assert set(document["errors"]) == {"amount", required[0]}


@pytest.mark.parametrize("operation", BODILESS, ids=title)
def test_a_write_without_a_body_takes_none_that_says_something(
    stage: Stage, clients: dict[str, Client], operation: Operation
) -> None:
    marks = stage.marks()
    for name in NAMES:
        document = refused(send(stage, clients["admin"], operation, json.dumps({name: True})))
        assert len(document["errors"]) == 1
    for body in ("[]", "null", "1", '"cancel"', "[{}]", "{"):
        response = send(stage, clients["admin"], operation, body)
        assert response.status_code == 400, body
    assert changed(marks, stage.marks()) == []


@pytest.mark.parametrize("operation", BODILESS, ids=title)
def test_a_write_without_a_body_may_be_sent_an_empty_object(
    stage: Stage, clients: dict[str, Client], operation: Operation
) -> None:
    before = stage.snapshot()
    assert send(stage, clients["admin"], operation, "{}").status_code in (200, 202, 204)
    stage.restore(before)


@pytest.mark.parametrize("operation", WRITES, ids=title)
def test_what_the_address_of_a_write_asks_for_is_refused_too(
    stage: Stage, clients: dict[str, Client], operation: Operation
) -> None:
    marks = stage.marks()
    target = operation.address.format(**stage.named(operation.order()))
    body = "{}" if operation in BODILESS else json.dumps(next(iter(operation.bodies())))
    response = clients["admin"].generic(operation.method, f"{target}?dry_run=true", body, "application/json")
    assert refused(response)["errors"] == {"dry_run": ["There is no such parameter here. Known: none."]}
    assert changed(marks, stage.marks()) == []


def test_the_document_says_that_requests_are_exact_and_that_answers_are_open(client: Client) -> None:
    document = client.get("/api/v1/openapi.json").json()
    schemas = document["components"]["schemas"]
    objects = {name: schema for name, schema in schemas.items() if schema.get("type") == "object"}
    assert {name for name, schema in objects.items() if schema.get("additionalProperties") is False} == {
        name for name in objects if name.endswith("Request")
    }
    assert {"PlaceOrderRequest", "ItemRequest", "AddressRequest", "StatusRequest"} <= objects.keys()


# --- what is wrong a thousand times over ---


@pytest.mark.parametrize("operation", WRITES, ids=title)
def test_of_many_unknown_members_fifty_are_told(stage: Stage, clients: dict[str, Client], operation: Operation) -> None:
    for count in (60, 10_000):
        document = refused(send(stage, clients["admin"], operation, json.dumps({str(n): n for n in range(count)})))
        assert len(document["errors"]) == 50
        assert document["detail"].endswith("; and more")


def test_of_many_unknown_parameters_fifty_are_told(stage: Stage, clients: dict[str, Client]) -> None:
    query = "&".join(f"{number}=1" for number in range(500))
    document = refused(clients["admin"].get(f"/api/v1/orders/?{query}"))
    assert len(document["errors"]) == 50
    assert document["detail"].endswith("; and more")


def test_of_many_lines_none_is_looked_at_where_there_may_not_be_so_many(
    stage: Stage, clients: dict[str, Client]
) -> None:
    [place] = [operation for operation in WRITES if operation.name == "place_order"]
    for count in (101, 5000):
        response = send(stage, clients["admin"], place, place.body_with(("items",), Json("", json.dumps([{}] * count))))
        assert response.status_code == 400
        document = json.loads(response.content)
        assert document["code"] == "invalid_order"
        assert document["errors"] == {"items": ["1 to 100 lines are allowed."]}
    body = place.body_with(("items",), Json("", json.dumps([{}] * 100)))
    assert len(refused(send(stage, clients["admin"], place, body))["errors"]) == 50


@pytest.mark.parametrize("element", ["", "x", {}, [], None, 1], ids=str)
def test_of_many_wrong_ids_fifty_are_told_and_of_too_many_none(
    stage: Stage, clients: dict[str, Client], element: Any
) -> None:
    [bulk] = [operation for operation in WRITES if operation.name == "start_bulk_transition"]
    for count, told in ((60, 50), (10_000, 50), (10_001, 1)):
        body = json.dumps({"transition": "pay", "ids": [element] * count})
        document = refused(send(stage, clients["admin"], bulk, body))
        assert len(document["errors"]) == told
        assert (count == 10_001) is ("no more than" in document["detail"])


def test_what_is_quoted_of_a_request_is_cut_short(stage: Stage, clients: dict[str, Client]) -> None:
    for operation in WRITES:
        for path in operation.fields:
            body = operation.body_with(path, Json("", f'"{"x" * 900_000}"'))
            response = send(stage, clients["admin"], operation, body)
            assert response.status_code == 400
            assert len(response.content) < 3000, path


def test_a_body_of_more_parts_than_any_request_has_is_refused_before_it_is_read(
    stage: Stage, clients: dict[str, Client]
) -> None:
    for body in ('{"items": [' + "{}," * 30_000, "[" * 30_000, '{"a": "' + "," * 30_000 + '"}'):
        for operation in WRITES:
            response = send(stage, clients["admin"], operation, body)
            assert response.status_code == 400
            assert "more members and elements" in json.loads(response.content)["detail"]
