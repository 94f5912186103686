"""The pages to which the `type` of every problem document leads."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from rest_framework import exceptions

from devtools.localhost import ROOT
from orders.api.operations import OPERATIONS, codes_of
from orders.api.problems import PROBLEMS, type_of

UNUSED = {"error", "throttled", "authentication_failed"}
"""Codes of DRF's own of which every use here has a subclass."""


def literals(directory: Path) -> Iterator[tuple[str, str]]:
    """The texts that are given as `code` or `default_code`, or to what makes a problem document, and where."""
    for path in directory.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Assign) and any(getattr(t, "id", "") == "default_code" for t in node.targets):
                yield from ((text, path.name) for text in _texts([node.value]))
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in {"_problem", "_plain_problem", "refused"}:
                keywords = [keyword.value for keyword in node.keywords if keyword.arg == "code"]
                yield from ((text, path.name) for text in _texts([*node.args, *keywords]))


def _texts(nodes: list[ast.expr]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Constant) and re.fullmatch("[a-z]+(_[a-z]+)*", str(node.value)):
            yield str(node.value)


def test_every_code_that_can_be_answered_has_a_page() -> None:
    known = set(PROBLEMS)
    assert {code for operation in OPERATIONS.values() for code in operation.codes} <= known
    for room in ("orders/api", "orders_project"):
        for code, where in literals(ROOT / room):
            assert code in known, where
    drf = {error.default_code for error in vars(exceptions).values() if hasattr(error, "default_code")}
    assert drf - UNUSED <= known
    nginx = (ROOT / "orders_project" / "web" / "nginx.conf.template").read_text()
    codes = re.findall(r"(?s)map \S+ \$\w+_code \{(.*?)\}", nginx)
    answered = re.findall(r"(\w+);", "".join(codes))
    assert answered
    assert set(answered) <= known


def test_the_page_on_a_code_names_each_status_that_operations_answer_it_with() -> None:
    for operation in OPERATIONS:
        for status, codes in codes_of(operation).items():
            assert all(int(status) in PROBLEMS[code].statuses for code in codes), operation


@pytest.mark.parametrize("code", PROBLEMS)
def test_a_code_has_a_page_that_says_what_happened_what_was_kept_and_whether_to_repeat(
    live_server_url: str, code: str
) -> None:
    shown = requests.get(live_server_url + type_of(code), timeout=30)
    assert (shown.status_code, shown.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    text = re.sub("<[^>]+>", "", shown.text).replace("&#x27;", "'").replace("&amp;", "&")
    problem = PROBLEMS[code]
    for words in (problem.title, problem.what, problem.kept, problem.again):
        assert words.replace("`", "") in text
    assert code in text
    assert "`" not in text
    for asset in re.findall(r'href="(/static/[^"]+)"', shown.text):
        assert requests.get(live_server_url + asset, timeout=30).status_code == 200


def test_all_codes_are_listed_and_lead_to_their_pages(live_server_url: str) -> None:
    listed = requests.get(f"{live_server_url}/api/v1/problems", timeout=30)
    assert set(re.findall(r'href="(/api/v1/problems/[^"]+)"', listed.text)) == {type_of(code) for code in PROBLEMS}


def test_what_is_no_code_has_no_page(live_server_url: str) -> None:
    missing = requests.get(f"{live_server_url}/api/v1/problems/nothing", timeout=30)
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
    posted = requests.post(live_server_url + type_of("invalid"), timeout=30)
    assert (posted.status_code, posted.json()["code"], posted.headers["Allow"]) == (
        405,
        "method_not_allowed",
        "GET, HEAD",
    )


def test_no_problem_is_about_nothing() -> None:
    for path in (*(ROOT / "orders").rglob("*.*"), *(ROOT / "orders_project").rglob("*.*")):
        if path.suffix in {".py", ".json", ".template", ".html"}:
            assert "about:blank" not in path.read_text(), path
