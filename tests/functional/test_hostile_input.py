"""Hostile input in every field and parameter of the API: a clear refusal or an empty answer, and nothing stored."""

import base64
import json
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client

from orders.services.text_rules import line_problem
from tests.dose import dose
from tests.functional.access.fixtures import clients_fixture, key_server_fixture, stage_fixture  # noqa: F401
from tests.functional.access.stage import Stage, changed
from tests.functional.hostile.operations import Operation, Path, operations
from tests.functional.hostile.stored import unreadable
from tests.functional.hostile.values import BROKEN, NEVER, PLAIN, TEXTS, WITHOUT

pytestmark = [pytest.mark.slow, pytest.mark.no_cover]

Answer = Any
PREFIX = "/api/v1/"
WITH_BODY = [(operation, path) for operation in operations() for path in operation.fields]
PARAMETERS = [
    (operation, name, place) for operation in operations() for name, place in operation.parameters
]  # fmt: skip
TEXT_FIELDS = [
    *((name,) for name in ("name", "company", "line1", "line2", "city", "state", "postal_code", "country")),
    *((name,) for name in ("reference", "note", "reason", "description")),
    *((name,) for name in ("carrier", "tracking_number", "method")),
]
OPTIONAL_OBJECTS = [("contact",), ("metadata",), ("payment",), ("shipment",)]
"""An empty one says nothing."""
NAMES = ("{}[$ne]", "{}.$ne", "{}[]", "$where", "$or[0][status]", "__proto__", "{}%00")
"""How a query says what a JSON body would say by an object."""
CURSORS = ["", ":", "0:", ":0", "0:0", *(f"{text}:{'0' * 24}" for text in TEXTS.values())]
FORGED = [*CURSORS, *(f"0:{text}" for text in TEXTS.values())]


@pytest.fixture
def admin(clients: dict[str, Client]) -> Client:
    return clients["admin"]


def address(stage: Stage, operation: Operation, path: Path = (), **values: str) -> str:
    return operation.address.format(**stage.named(operation.order(path)) | values)


def send(client: Client, operation: Operation, target: str, body: str | None = None, query: str = "") -> Answer:
    return client.generic(operation.method, target, body or "", "application/json", QUERY_STRING=query)


def refused(response: Answer, *statuses: int) -> dict[str, Any]:
    """The problem document of a refusal."""
    assert response.status_code in statuses, (response.status_code, response.content[:500])
    assert response["Content-Type"] == "application/problem+json"
    document: dict[str, Any] = json.loads(response.content)
    assert document["detail"]
    return document


def is_named(document: dict[str, Any], path: Path) -> bool:
    """Whether a refusal says which field it is about, or that the whole body cannot be read."""
    names = document.get("errors", {})
    leaf = ".".join(map(str, path))
    return not names or not path or any(name.startswith(leaf) or leaf.startswith(name) for name in names)


def title(value: Any) -> str:
    return value.name if isinstance(value, Operation) else ".".join(map(str, value)) or "body"


def test_the_good_requests_are_good(stage: Stage, admin: Client) -> None:
    before = stage.snapshot()
    for operation in operations():
        for body in operation.bodies() or [None]:
            response = send(admin, operation, address(stage, operation), json.dumps(body) if body else None)
            assert response.status_code in (200, 201, 202, 204), (operation.name, response.content)
            stage.restore(before)


@pytest.mark.parametrize(("operation", "path"), WITH_BODY, ids=title)
def test_a_field_takes_nothing_hostile(stage: Stage, admin: Client, operation: Operation, path: Path) -> None:
    marks, target = stage.marks(), address(stage, operation, path)
    for value in dose(NEVER, 18, f"{operation.name} {path}"):
        if path in OPTIONAL_OBJECTS and value.name == "empty object":
            continue
        if (path, value.text) == (("types",), "[]"):  # an endpoint is then sent events of all types
            continue
        document = refused(send(admin, operation, target, operation.body_with(path, value)), 400)
        assert is_named(document, path), (value.name, document)
    assert changed(marks, stage.marks()) == []


@pytest.mark.parametrize(("operation", "path"), WITH_BODY, ids=title)
def test_a_field_keeps_nothing_that_cannot_be_seen(
    stage: Stage, admin: Client, operation: Operation, path: Path
) -> None:
    before, marks, target = stage.snapshot(), stage.marks(), address(stage, operation, path)
    for value in dose(WITHOUT, 10, f"{operation.name} {path}"):
        response = send(admin, operation, target, operation.body_with(path, value))
        if path[-1:] in TEXT_FIELDS:
            assert response.status_code in (200, 201, 202), (value.name, response.content)
            assert line_problem(response.content.decode()) is None
            assert not unreadable(stage), value.name
            stage.restore(before)
        else:
            assert is_named(refused(response, 400), path), value.name
    assert changed(marks, stage.marks()) == []


@pytest.mark.parametrize("operation", [one for one in operations() if one.fields], ids=title)
def test_hostile_members_that_nobody_asked_for_reach_no_database(
    stage: Stage, admin: Client, operation: Operation
) -> None:
    before = stage.snapshot()
    for body in operation.bodies():
        extra = {"$where": "sleep(10000)", "$set": {"status": "paid"}, "a.b": 1, "_id": "x", "__proto__": {"a": 1}}
        response = send(admin, operation, address(stage, operation), json.dumps(body | extra))
        refused(response, 400)
        stored = repr(stage.snapshot())
        assert not any(text in stored for text in ("$where", "$set", "a.b", "__proto__", "sleep("))
        stage.restore(before)


@pytest.mark.parametrize(("name", "text"), PLAIN.items(), ids=str)
def test_text_that_only_looks_hostile_is_kept_as_it_is(stage: Stage, admin: Client, name: str, text: str) -> None:
    before = stage.snapshot()
    lines = dict.fromkeys(("name", "company", "line1", "line2", "city", "state", "country"), text)
    fields = lines | {"postal_code": text[:20], "phone": f"112{text}"[:40]}
    [body] = next(one for one in operations() if one.name == "place_order").bodies()
    said = {"reference": text, "note": text, "metadata": {"a": text, "b": f"\t{text}\n"}}
    said |= {"contact": {"name": text, "email": "", "phone": fields["phone"]}}
    places = {"shipping_address": fields, "billing_address": fields}
    response = admin.post(f"{PREFIX}orders/", body | places | said, "application/json")
    assert response.status_code == 201, response.content
    order = response.json()
    for place in places:
        assert order[place] == {name: text.strip() for name, text in fields.items()}
    assert order["contact"] == said["contact"] | {"email": "amara.okafor@example.com"}
    assert (order["reference"], order["note"], order["metadata"]) == (text, text, {"a": text, "b": text})
    status = f"{PREFIX}orders/{order['id']}/status"
    assert admin.put(status, {"status": "cancelled", "reason": text}, "application/json").status_code == 200
    history = admin.get(f"{PREFIX}orders/{order['id']}/history").json()
    assert [entry["reason"] for entry in history if entry["act"] == "cancel"] == [text]
    stage.restore(before)


@pytest.mark.parametrize(("operation", "name", "place"), PARAMETERS, ids=str)
def test_a_parameter_takes_nothing_hostile(
    stage: Stage, admin: Client, operation: Operation, name: str, place: str
) -> None:
    before, marks = stage.snapshot(), stage.marks()
    for text in dose([*TEXTS.values(), *BROKEN], 18, f"{operation.name} {name}"):
        written = text if isinstance(text, bytes) else text.encode()
        response = send_parameter(stage, admin, operation, name, place, written)
        if name == "Idempotency-Key" and response.status_code < 300:  # any visible text will do for one
            stage.restore(before)
        elif name == "If-None-Match" and response.status_code == 200:  # it names no version that is there
            found = response.json()
            assert found
            assert isinstance(found, list) or found["id"] == stage.ids["pending"]
        elif response.status_code == 200:
            assert response.json() == [], (name, text)
        else:
            refused(response, 400, 404)
    assert changed(marks, stage.marks()) == []


def send_parameter(stage: Stage, client: Client, operation: Operation, name: str, place: str, value: bytes) -> Answer:
    """A good request with these bytes for one of its parameters."""
    values, query, headers = {}, "", {}
    if place == "path":
        values = {name: quote(value, safe="")}
    elif place == "query":
        query = f"{quote(name)}={quote(value)}"
    else:
        headers = {f"HTTP_{name.upper().replace('-', '_')}": value.decode("latin-1")}
    body = json.dumps(operation.bodies()[0]) if operation.fields else ""
    target = address(stage, operation, **values)
    return client.generic(operation.method, target, body, "application/json", QUERY_STRING=query, **headers)


@pytest.mark.parametrize("operation", [one for one in operations() if one.method == "GET"], ids=title)
def test_no_query_speaks_the_databases_language(stage: Stage, admin: Client, operation: Operation) -> None:
    marks = stage.marks()
    names = [name for name, place in operation.parameters if place == "query"]
    for form in NAMES:
        for name in names or ["status"]:
            query = f"{quote(form.format(name), safe='%')}=1"
            response = send(admin, operation, address(stage, operation), query=query)
            if names:
                refused(response, 400)
            else:  # an address that reads no query at all
                assert response.status_code == 200
    assert changed(marks, stage.marks()) == []


@pytest.mark.parametrize("text", FORGED, ids=lambda text: repr(text[:30]))
def test_a_forged_cursor_leads_to_nobody_elses_orders(stage: Stage, clients: dict[str, Client], text: str) -> None:
    cursor = base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
    for given in (cursor, cursor[:-1], f"{cursor}="):
        response = clients["other customer"].get(f"{PREFIX}orders/", {"cursor": given})
        if response.status_code == 200:
            assert response.json() == []
        else:
            refused(response, 400)
