"""The OpenAPI document, checked against what the API really answers, and the pages that show it."""

import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import requests
from django.core.management import call_command
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema

from orders.services import bulk
from orders.services.text_rules import one_line, problem_of
from tests.factories import OrderFactory
from tests.functional.helpers import (
    NOBODYS_ID,
    Api,
    visitor_fixture,  # noqa: F401
)

STEERED = {"202", "400", "401", "403", "404", "409", "429", "503"}
PART = {"400", "401", "403", "404", "409", "412", "422", "429", "503"}
ORDER = "/api/v1/orders/{order_id}"
OPERATIONS = {
    ("/api/v1/orders/", "get"): {"200", "304", "400", "401", "403", "429", "503"},
    ("/api/v1/orders/", "post"): {"201", "400", "401", "403", "409", "413", "422", "429", "503"},
    ("/api/v1/orders/{order_id}", "get"): {"200", "400", "401", "404", "429", "503"},
    ("/api/v1/orders/{order_id}", "delete"): {"204", "400", "401", "404", "409", "412", "422", "429", "503"},
    ("/api/v1/orders/{order_id}/status", "put"): {"200", "400", "401", "403", "404", "409", "412", "422", "429", "503"},
    ("/api/v1/orders/{order_id}/history", "get"): {"200", "400", "401", "404", "429", "503"},
    ("/api/v1/orders/{order_id}/transitions", "get"): {"200", "400", "401", "404", "429", "503"},
    ("/api/v1/orders/user/{user_id}", "get"): {"200", "304", "400", "401", "403", "429", "503"},
    (f"{ORDER}/shipments", "post"): PART | {"201"},
    (f"{ORDER}/shipments/{{shipment_number}}", "patch"): PART | {"200"},
    (f"{ORDER}/cancellations", "post"): (PART | {"201"}) - {"403"},
    (f"{ORDER}/refunds", "post"): PART | {"201"},
    (f"{ORDER}/returns", "post"): PART | {"201"},
    (f"{ORDER}/returns/{{return_number}}/receipt", "post"): PART | {"200"},
    (f"{ORDER}/hold", "put"): PART | {"200"},
    (f"{ORDER}/hold", "delete"): PART | {"200"},
    ("/api/v1/orders/bulk-transitions", "post"): {"200", "202", "400", "401", "403", "413", "422", "429", "503"},
    ("/api/v1/orders/bulk-transitions/{run_id}", "get"): {"200", "400", "401", "403", "404", "429", "503"},
    ("/api/v1/orders/bulk-transitions/{run_id}/cancel", "post"): STEERED,
    ("/api/v1/orders/bulk-transitions/{run_id}/pause", "post"): STEERED,
    ("/api/v1/orders/bulk-transitions/{run_id}/resume", "post"): STEERED,
    ("/api/v1/events", "get"): {"200", "400", "401", "409", "410", "429", "503"},
    ("/api/v1/webhooks", "get"): {"200", "401", "403", "429", "503"},
    ("/api/v1/webhooks", "post"): {"201", "400", "401", "403", "409", "413", "429", "503"},
    ("/api/v1/webhooks/{webhook_id}", "get"): {"200", "400", "401", "403", "404", "429", "503"},
    ("/api/v1/webhooks/{webhook_id}", "patch"): {"200", "400", "401", "403", "404", "413", "429", "503"},
    ("/api/v1/webhooks/{webhook_id}", "delete"): {"204", "400", "401", "403", "404", "429", "503"},
    ("/api/v1/webhooks/{webhook_id}/test", "post"): {"200", "400", "401", "403", "404", "429", "503"},
    ("/api/v1/webhooks/{webhook_id}/rotate-secret", "post"): {"200", "400", "401", "403", "404", "429", "503"},
    ("/api/v1/webhooks/{webhook_id}/end-rotation", "post"): {"200", "400", "401", "403", "404", "429", "503"},
    ("/api/v1/webhooks/{webhook_id}/replay", "post"): {"200", "400", "401", "403", "404", "413", "429", "503"},
}
"""Every operation, and the statuses that it must at least document."""
LISTED = {"status", "number", "reference", "sort", "skip", "limit", "cursor", "If-None-Match"}
PARAMETERS = {
    ("/api/v1/orders/", "get"): {*LISTED, "user_id", "start_date", "end_date", "q"},
    ("/api/v1/orders/", "post"): {"Idempotency-Key"},
    ("/api/v1/orders/{order_id}", "get"): {"order_id", "If-None-Match"},
    ("/api/v1/orders/{order_id}", "delete"): {"order_id", "If-Match", "Idempotency-Key"},
    ("/api/v1/orders/{order_id}/status", "put"): {"order_id", "If-Match", "Idempotency-Key"},
    (f"{ORDER}/shipments", "post"): {"order_id", "If-Match", "Idempotency-Key"},
    (f"{ORDER}/shipments/{{shipment_number}}", "patch"): {"order_id", "shipment_number", "If-Match", "Idempotency-Key"},
    (f"{ORDER}/hold", "delete"): {"order_id", "If-Match", "Idempotency-Key"},
    ("/api/v1/orders/user/{user_id}", "get"): {*LISTED, "user_id"},
    ("/api/v1/orders/bulk-transitions", "post"): {"Idempotency-Key"},
    ("/api/v1/orders/bulk-transitions/{run_id}", "get"): {"run_id", "result", "limit", "cursor"},
    ("/api/v1/events", "get"): {"after", "limit", "types", "order_id"},
    ("/api/v1/webhooks/{webhook_id}", "patch"): {"webhook_id"},
}
PAGES = ["docs", "redoc"]


@pytest.fixture(name="document")
def document_fixture(live_server_url: str) -> dict[str, Any]:
    answer = requests.get(f"{live_server_url}/api/v1/openapi.json", timeout=30)
    assert answer.status_code == 200
    assert "json" in answer.headers["Content-Type"]
    found: dict[str, Any] = answer.json()
    return found


def schema_of(document: dict[str, Any], name: str) -> dict[str, Any]:
    """A component as JSON Schema, with what OpenAPI 3.0 says otherwise translated."""

    def translated(node: Any) -> Any:
        if isinstance(node, list):
            return [translated(inner) for inner in node]
        if not isinstance(node, dict):
            return node
        plain = {key: translated(inner) for key, inner in node.items() if key != "nullable"}
        if "properties" in node:  # what is answered now is described, though more may be added one day
            plain["additionalProperties"] = False
            plain["patternProperties"] = {"^_id$": {"type": "string"}} if "number" in node["properties"] else {}
        if node.get("nullable") is True and isinstance(node.get("type"), str):
            plain["type"] = [node["type"], "null"]
        elif node.get("nullable") is True:
            return {"anyOf": [plain, {"type": "null"}]}
        return plain

    return {"$ref": f"#/components/schemas/{name}", "components": translated(document["components"])}


def test_the_document_is_valid_openapi(document: dict[str, Any]) -> None:
    validate_schema(document)
    assert document["info"]["title"]
    ids = [operation["operationId"] for path in document["paths"].values() for operation in path.values()]
    assert len(ids) == len(set(ids))


def test_the_document_is_made_once_and_sent_only_to_who_has_it_not(
    live_server_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"{live_server_url}/api/v1/openapi.json"
    first = requests.get(address, timeout=30)
    monkeypatch.setattr(SchemaGenerator, "get_schema", None)  # nobody makes another one
    again = requests.get(f"{address}?version=2&lang=xx", timeout=30)
    assert again.content == first.content
    assert again.headers["ETag"] == first.headers["ETag"]
    assert "max-age" in again.headers["Cache-Control"]
    same = requests.get(address, headers={"If-None-Match": first.headers["ETag"]}, timeout=30)
    assert (same.status_code, same.content, same.headers["ETag"]) == (304, b"", first.headers["ETag"])
    assert requests.get(address, headers={"If-None-Match": '"another"'}, timeout=30).content == first.content
    head = requests.head(address, timeout=30)
    assert (head.status_code, head.headers["ETag"]) == (200, first.headers["ETag"])
    for kind in ("application/json", "application/vnd.oai.openapi+json"):
        assert requests.get(address, headers={"Accept": kind}, timeout=30).headers["Content-Type"].startswith(kind)


def test_the_document_is_made_without_warnings(tmp_path: Path) -> None:
    call_command("spectacular", "--fail-on-warn", "--file", str(tmp_path / "openapi.yaml"))


def test_the_pattern_of_a_line_of_text_leaves_out_what_is_refused(document: dict[str, Any]) -> None:
    lines = document["components"]["schemas"]["AddressRequest"]["properties"]
    for char in map(chr, (*range(0xD800), *range(0xE000, 0x10000))):
        refused = problem_of(char) is not None
        assert bool(re.fullmatch(lines["line2"]["pattern"], char)) is not refused, hex(ord(char))
        kept = not refused and bool(one_line(char))
        assert bool(re.fullmatch(lines["line1"]["pattern"], char)) is kept, hex(ord(char))


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    references = set(re.findall(r"'\$ref': '(.*?)'", str(document)))
    assert references
    for reference in references:
        _, _, kind, name = reference.split("/")
        assert name in document["components"][kind], reference


def test_it_names_every_operation_once_and_what_each_may_answer(document: dict[str, Any]) -> None:
    documented = {
        (path, method): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    assert documented.keys() == OPERATIONS.keys()
    for operation, statuses in OPERATIONS.items():
        assert statuses <= documented[operation]["responses"].keys(), operation


def test_it_names_every_parameter(document: dict[str, Any]) -> None:
    for (path, method), names in PARAMETERS.items():
        parameters = document["paths"][path][method]["parameters"]
        assert {parameter["name"] for parameter in parameters} == names, path
    limit = next(p for p in document["paths"]["/api/v1/orders/"]["get"]["parameters"] if p["name"] == "limit")
    assert {key: limit["schema"][key] for key in ("minimum", "maximum", "default")} == {
        "minimum": 1, "maximum": 100, "default": 10,
    }  # fmt: skip


def test_every_operation_asks_for_a_bearer_token(document: dict[str, Any]) -> None:
    schemes = document["components"]["securitySchemes"]
    assert [(scheme["type"], scheme["scheme"]) for scheme in schemes.values()] == [("http", "bearer")]
    for path, method in OPERATIONS:
        assert document["paths"][path][method]["security"] == [{name: []} for name in schemes], path


def test_refusals_are_documented_as_the_problems_that_they_are(document: dict[str, Any]) -> None:
    for path, method in OPERATIONS:
        for status, response in document["paths"][path][method]["responses"].items():
            if status >= "400":
                assert list(response["content"]) == ["application/problem+json"], (path, method, status)


def test_bulk_transitions_are_as_documented(visitor: Api, document: dict[str, Any]) -> None:
    order, client = OrderFactory(status="shipped"), visitor(admin=True)
    body = {"transition": "pay", "ids": [str(order.pk)]}
    plan = client.post("orders/bulk-transitions", json=body | {"dry_run": True}).json()
    started = client.post("orders/bulk-transitions", json=body).json()
    while bulk.execute_pending_runs(seconds=5):
        pass
    run = client.get(f"orders/bulk-transitions/{started['id']}").json()
    for name, answer in {"Plan": plan, "Run": run}.items():
        jsonschema.validate(answer, schema_of(document, name))
        assert set(answer) == set(document["components"]["schemas"][name]["properties"])
    assert set(started) == set(run) - {"results"}


@pytest.mark.parametrize("status", ["pending", "refunded"])
def test_orders_are_as_documented(visitor: Api, document: dict[str, Any], status: str) -> None:
    order = OrderFactory(status=status, lines=2)
    client = visitor(admin=True)
    [listed] = client.get("orders/").json()
    jsonschema.validate(listed, schema_of(document, "Order"))
    assert set(listed) == set(document["components"]["schemas"]["Order"]["properties"]) | {"_id"}
    assert listed["_id"] == listed["id"]
    for view, name in (("history", "HistoryEntry"), ("transitions", "Transition")):
        for entry in client.get(f"orders/{order.pk}/{view}").json():
            jsonschema.validate(entry, schema_of(document, name))


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "orders/?limit=0", None),
        ("GET", f"orders/{NOBODYS_ID}", None),
        ("POST", "orders/", {}),
        ("PATCH", "orders/", {}),
        ("GET", "nothing", None),
        ("PUT", "orders/{order}/status", {"status": "delivered"}),
        ("PUT", "orders/{order}/status", {"status": "lost"}),
    ],
)
def test_problems_are_as_documented(
    visitor: Api, document: dict[str, Any], method: str, path: str, body: object
) -> None:
    refused = visitor(admin=True).request(method, path.format(order=OrderFactory().pk), json=body)
    assert not refused.ok
    jsonschema.validate(refused.json(), schema_of(document, "Problem"))


@pytest.mark.parametrize("page", PAGES)
def test_a_page_shows_the_document_with_assets_of_its_own_only(live_server_url: str, page: str) -> None:
    shown = requests.get(f"{live_server_url}/api/v1/{page}", timeout=30)
    assert shown.status_code == 200
    assert shown.headers["Content-Type"].startswith("text/html")
    script = re.search(r'src="(/api/v1/docs\?script=)"', shown.text)
    said = requests.get(f"{live_server_url}{script[1]}", timeout=30).text if script else shown.text
    assert "/api/v1/openapi.json" in said
    addresses = set(re.findall(r"""(?:https?:)?//[^\s"'<>)]+""", shown.text))
    assert {address for address in addresses if not address.startswith(live_server_url)} == set()


@pytest.mark.parametrize("page", PAGES)
def test_every_asset_of_a_page_is_there(live_server_url: str, page: str) -> None:
    shown = requests.get(f"{live_server_url}/api/v1/{page}", timeout=30).text
    assets = {asset for asset in re.findall(r"""(?:src|href)=["']([^"']+)["']""", shown) if asset.startswith("/")}
    assert any(asset.endswith(".js") for asset in assets)
    for asset in assets:
        assert requests.get(f"{live_server_url}{asset}", timeout=30).status_code == 200, asset
