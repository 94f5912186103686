"""docs/storefront.md: the codes that it lists, and the figures that it names, are those of the code."""

import ast
import re
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from pathlib import Path

import pytest
from django.conf import settings
from rest_framework.exceptions import APIException, ValidationError

from orders.api import authentication, errors, rendering, throttling
from orders_project.children import ROOT
from orders_project.settings import base
from tests.storefront_page import PAGE, recipe, rows

ADMINS_ONLY = {"unknown_transition", "nothing_selected", "run_exists", "run_not_found", "run_is_over"}
"""Of runs over many orders."""
NEVER_ANSWERED = {
    "authentication_failed": "ours say which: token_invalid, token_expired",
    "permission_denied": "whoever is known gets in; what they may do, the services decide: not_permitted",
    "throttled": "ours say which: too_many_writes, too_many_refused_tokens",
}
WRITTEN_BY_HAND = {"not_implemented", "http_version_not_supported"}
"""Of nginx, to what no client of a storefront sends."""
NGINX = (ROOT / "orders_project" / "nginx.conf.template").read_text()
FIGURES = [
    ("10 s of clock difference are forgiven (`JWT_LEEWAY`)", "JWT_LEEWAY", 10),
    ("after three days,\n`UNPAID_ORDER_TTL`", "UNPAID_ORDER_TTL", 3 * 24 * 3600),
    ("20 unpaid orders (`MAX_OPEN_ORDERS_PER_USER`)", "MAX_OPEN_ORDERS_PER_USER", 20),
    ("100 lines (`MAX_ORDER_LINES`)", "MAX_ORDER_LINES", 100),
    ("10,000 units (`MAX_LINE_QUANTITY`)", "MAX_LINE_QUANTITY", 10_000),
    ("1,000,000.00 at most (`MAX_ORDER_TOTAL`)", "MAX_ORDER_TOTAL", 1_000_000),
    ("after 20 s (`DATABASE_DEADLINE`)", "DATABASE_DEADLINE", 20),
    ("after 30 s (`GUNICORN_TIMEOUT`)", "GUNICORN_TIMEOUT", 30),
    ("for a minute (`STOCK_LEASE`)", "STOCK_LEASE", 60),
    ("within a\n   day (`IDEMPOTENCY_KEY_TTL`)", "IDEMPOTENCY_KEY_TTL", 24 * 3600),
    ("600 writes a minute for a customer (`RATE_LIMIT_WRITES`)", "RATE_LIMIT_WRITES", 600),
    ("60,000 for an admin token (`RATE_LIMIT_ADMIN_WRITES`)", "RATE_LIMIT_ADMIN_WRITES", 60_000),
    ("more than 1 MiB", "DATA_UPLOAD_MAX_MEMORY_SIZE", 1024 * 1024),
]


def subclasses(kind: type[APIException]) -> Iterator[type[APIException]]:
    for each in kind.__subclasses__():
        yield each
        yield from subclasses(each)


def answered() -> dict[str, set[int]]:
    """Every code that the API or the proxy before it can answer, with its statuses."""
    assert authentication, "whose exceptions are looked for here, as those of the others"
    assert rendering
    assert throttling
    found: dict[str, set[int]] = {}
    for error, status in errors.STATUS.items():
        found.setdefault(error.code, set()).add(status)
    for exception in subclasses(APIException):
        if exception.__module__.startswith(("rest_framework.exceptions", "orders.api")):
            code = "invalid" if issubclass(exception, ValidationError) else exception.default_code
            found.setdefault(code, set()).add(exception.status_code)
    for path in [*(ROOT / "orders" / "api").glob("*.py"), *(ROOT / "orders_project").glob("*.py")]:
        for code, status in written_in(path):
            found.setdefault(code, set()).add(status)
    for status, code in re.findall(r"""(?m)^ +(\d{3}) '"title":"[^"]*","code":"(\w+)\"""", NGINX):
        found.setdefault(code, set()).add(int(status))
    for code in re.findall(r"""(?m)^ +\S+ '"code":"(\w+)\"""", NGINX):
        found.setdefault(code, set()).update({502, 504})
    return found


def written_in(path: Path) -> Iterator[tuple[str, int]]:
    """The codes of calls that make a problem document: written there, given to `code` before, or the status's name."""
    tree = ast.parse(path.read_text())
    given = [
        code
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and "code" in names_in(node.targets)
        for code in codes_in([node.value])
    ]
    for call in ast.walk(tree):
        if not (isinstance(call, ast.Call) and names_in([call.func]) & {"_problem", "_plain_problem", "refused"}):
            continue
        arguments = [*call.args, *(keyword.value for keyword in call.keywords)]
        statuses = [HTTPStatus[name] for name in names_in(arguments) if name in HTTPStatus.__members__]
        if not statuses:
            continue
        codes = codes_in(arguments) or (given if "code" in names_in(arguments) else [])
        if not codes and "refused" in names_in([call.func]):
            codes = [statuses[0].name.lower()]
        yield from ((code, statuses[0]) for code in codes)


def names_in(nodes: Sequence[ast.AST]) -> set[str]:
    """Names and attributes."""
    inner = [each for node in nodes for each in ast.walk(node)]
    return {each.id for each in inner if isinstance(each, ast.Name)} | {
        each.attr for each in inner if isinstance(each, ast.Attribute)
    }


def codes_in(nodes: Sequence[ast.AST]) -> list[str]:
    """What stands there and looks like a code."""
    texts = [str(each.value) for node in nodes for each in ast.walk(node) if isinstance(each, ast.Constant)]
    return [text for text in texts if re.fullmatch("[a-z]+(_[a-z]+)+", text) and text != "retry_after"]


def test_every_code_that_a_storefront_can_meet_is_listed_once_with_its_statuses() -> None:
    listed = {row.code: set(row.statuses) for row in rows()}
    assert len(listed) == len(rows())
    met = answered()
    assert {"database_unavailable", "peer_unavailable", "server_error", "outcome_unknown", "length_required"} <= set(
        met
    )
    assert (set(NEVER_ANSWERED) | ADMINS_ONLY | WRITTEN_BY_HAND) <= set(met)
    for code in {*NEVER_ANSWERED, *ADMINS_ONLY, *WRITTEN_BY_HAND}:
        del met[code]
    assert met == listed


@pytest.mark.parametrize(("words", "name", "value"), FIGURES)
def test_every_figure_is_the_default_of_its_setting(words: str, name: str, value: int) -> None:
    assert words in PAGE
    assert getattr(base, name) == value


def test_a_client_waits_for_longer_than_whoever_may_answer() -> None:
    [proxy] = re.findall(r"proxy_read_timeout (\d+)s;", NGINX)
    assert f"the proxy waits {proxy} s" in PAGE
    for language, milliseconds in (("js", r"wait = (\d+)_000,"), ("python", r"wait: float = (\d+)\n")):
        [seconds] = re.findall(milliseconds, recipe(language))
        assert f"Wait {seconds} s for an answer" in PAGE
        assert int(seconds) > max(int(proxy), base.GUNICORN_TIMEOUT, base.DATABASE_DEADLINE)
    [patience] = re.findall(r"patience = (\d+)_000 ", recipe("js"))
    assert int(patience) > 2 * base.STOCK_LEASE + int(seconds)


def test_every_header_that_a_page_is_said_to_send_or_to_read_is_let_through() -> None:
    [section] = re.findall(r"(?s)\n## From a browser\n(.*?)\n## ", PAGE)
    sent, read = section.split("and read")
    named = {name.lower() for name in re.findall(r"`([A-Z][A-Za-z-]+|traceparent)`", sent)}
    assert len(named) == 7
    assert named <= set(settings.CORS_ALLOW_HEADERS)
    shown = set(re.findall(r"`([A-Z][A-Za-z-]+)`", read)) | {f"RateLimit-{name}" for name in ("Limit", "Remaining")}
    assert len(shown) > 8
    assert shown <= set(settings.CORS_EXPOSE_HEADERS)


def test_links_within_the_page_lead_somewhere_and_others_lead_here() -> None:
    headings = {re.sub(r"[^a-z -]", "", line.lower()).replace(" ", "-") for line in re.findall(r"(?m)^##+ (.+)$", PAGE)}
    anchors = set(re.findall(r"\]\(#([a-z-]+)\)", PAGE))
    assert len(anchors) > 8
    assert anchors <= headings
    assert "(docs/storefront.md)" in (ROOT / "README.md").read_text()
    assert "docs/storefront.md" in settings.SPECTACULAR_SETTINGS["DESCRIPTION"]
