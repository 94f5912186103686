"""The examples of the OpenAPI document: each was answered by the service, and is so again, whole."""

import json
import os
import re
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
import requests
from pytest_django import Settings

from integrations.sandbox import Sandbox
from orders.api.examples import ANSWERS, REQUESTS, answers
from orders.api.operations import OPERATIONS, SHARED, codes_of
from orders.api.problems import PROBLEMS
from orders.api.schema import PATTERNS
from orders.services import rate_limits
from tests.api_client import ADDRESSES
from tests.dose import dose
from tests.functional.example_ways import WAYS, WELL, Stage, settled
from tests.functional.helpers import Api, Documents, problem
from tests.functional.test_openapi import document_fixture, schema_of  # noqa: F401

Json = dict[str, Any]

REFUSED = [
    (operation, status, code)
    for operation in OPERATIONS
    for status, codes in codes_of(operation).items()
    for code in codes
]
TRIED = [
    (operation, status, code)
    for operation, status, code in REFUSED
    if code not in SHARED or operation in dose([one for one, _, other in REFUSED if other == code], 4, code)
]
"""What is answered before an operation is looked at is answered alike by all of them."""
TOLD = PATTERNS.keys()
"""The headers that the document describes, each with a pattern."""
WRITING = bool(os.environ.get("WRITE_EXAMPLES"))


def operations(found: Json) -> Iterator[tuple[str, str, Json]]:
    """Each operation: its method, its path below the API's prefix, and what is said of it."""
    for path, methods in found["paths"].items():
        for method, operation in methods.items():
            yield method, path.removeprefix("/api/v1/"), operation


def named(found: Json, operation_id: str) -> tuple[str, str, Json]:
    return next(each for each in operations(found) if each[2]["operationId"] == operation_id)


def test_no_operation_is_without_examples(document: Json) -> None:
    for _, path, operation in operations(document):
        if "requestBody" in operation:
            assert operation["requestBody"]["content"]["application/json"]["examples"], path
        for status, response in operation["responses"].items():
            if status < "300" and "content" in response:
                assert response["content"]["application/json"]["examples"], (path, status)


def test_every_example_of_a_request_has_one_of_its_answer() -> None:
    for operation, bodies in REQUESTS.items():
        answered = {name for known, _, name in WELL if known == operation} | set(OPERATIONS[operation].codes)
        assert bodies.keys() <= answered, operation


WAITING = {"too_many_refused_tokens", "outcome_unknown"}
"""Not to be repeated as it is by everybody, but not before some seconds by anybody."""


@pytest.fixture(name="stage")
def stage_fixture(
    api: Api, sandbox: Sandbox, database: Documents, settings: Settings, monkeypatch: pytest.MonkeyPatch,
    operation_id: str,
) -> Stage:  # fmt: skip
    return Stage(operation_id, api, sandbox, database, settings, monkeypatch)


@pytest.fixture(autouse=True)
def uncounted() -> Iterator[None]:
    yield
    rate_limits.forget()  # whom a low limit has refused


def test_every_operation_has_a_way_to_every_code() -> None:
    assert ADDRESSES.keys() == OPERATIONS.keys()
    assert WAYS.keys() == {code for _, _, code in REFUSED}


@pytest.mark.parametrize(("operation_id", "status", "name"), WELL)
def test_an_operation_answers_as_its_example_says(
    stage: Stage, document: Json, operation_id: str, status: str, name: str
) -> None:
    stage.prepare()
    answer = WELL[operation_id, status, name](stage)
    assert answer.status_code == int(status), answer.text
    said = settled(answer.json(), stage.ids)
    if WRITING:
        return _write(said, "succeeded", operation_id, status, name)
    [(content_type, content)] = named(document, operation_id)[2]["responses"][status]["content"].items()
    assert answer.headers["Content-Type"] == content_type
    assert said == content["examples"][name]["value"]
    schema = content["schema"].get("items", content["schema"])
    for entry in said if isinstance(said, list) else [said]:
        jsonschema.validate(entry, schema_of(document, schema["$ref"].rpartition("/")[2]))
    return _carries_its_headers(answer, document, operation_id)


@pytest.mark.parametrize(
    ("operation_id", "status", "code"),
    [pytest.param(*one, marks=() if one[0] == "place_order" else pytest.mark.slow) for one in TRIED],
)
def test_every_code_of_an_operation_is_answered_as_its_example_says(
    stage: Stage, document: Json, operation_id: str, status: str, code: str
) -> None:
    if code not in SHARED:  # these are answered before anything is looked for
        stage.prepare()
    answer = WAYS[code](stage)
    said = settled(problem(answer, int(status), code), stage.ids)
    place = "*" if code in SHARED else operation_id
    if WRITING:
        return _write(said, "refused", code, place)
    jsonschema.validate(answer.json(), schema_of(document, "Problem"))
    assert said == answers()["refused"][code][place]
    assert ("Retry-After" in answer.headers) is (PROBLEMS[code].repeatable or code in WAITING)
    return _carries_its_headers(answer, document, operation_id)


def _carries_its_headers(answer: requests.Response, document: Json, operation_id: str) -> None:
    headers = named(document, operation_id)[2]["responses"][str(answer.status_code)]["headers"]
    assert {name for name, header in headers.items() if header["required"]} <= answer.headers.keys()
    told = {name for name in TOLD if name in answer.headers}
    assert told <= headers.keys()
    for name in told:
        assert re.search(headers[name]["schema"]["pattern"], answer.headers[name]), name


def _write(said: Any, *place: str) -> None:
    found = inner = answers()
    for name in place[:-1]:
        inner = inner.setdefault(name, {})
    inner[place[-1]] = said
    ANSWERS.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")


def test_there_are_examples_of_no_other_answers() -> None:
    wanted: dict[str, set[str]] = {}
    for operation, _, code in REFUSED:
        wanted.setdefault(code, set()).add("*" if code in SHARED else operation)
    assert {code: set(given) for code, given in answers()["refused"].items()} == wanted
    given = answers()["succeeded"].items()
    assert {(op, status, name) for op, by in given for status, names in by.items() for name in names} == WELL.keys()
