"""docs/storefront.md: the codes that it lists, and the figures that it names, are those of the code."""

import re

import pytest
from django.conf import settings

from devtools.localhost import ROOT
from orders.api.problems import PROBLEMS
from orders.api.serializers import PlaceOrderSerializer
from orders.models import Order
from orders.services.lifecycle.drafts import LONGEST_METADATA_KEY, LONGEST_METADATA_VALUE, MOST_METADATA
from orders_project.settings import base
from tests.storefront_page import PAGE, recipe, rows

ADMINS_ONLY = {
    *("unknown_transition", "nothing_selected", "run_exists", "run_not_found", "run_is_over"),
    *("invalid_webhook", "webhook_not_found", "too_many_webhooks"),
}
"""Of runs over many orders, and of webhook endpoints."""
NEVER_ANSWERED = {"permission_denied"}
"""Whoever is known gets in; what they may do, the services decide: not_permitted."""
WRITTEN_BY_HAND = {"not_implemented", "http_version_not_supported"}
"""Of nginx, to what no client of a storefront sends."""
NGINX = (ROOT / "orders_project" / "web" / "nginx.conf.template").read_text()
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
    ("60,000 for an admin token or a service (`RATE_LIMIT_ADMIN_WRITES`)", "RATE_LIMIT_ADMIN_WRITES", 60_000),
    ("more than 1 MiB", "DATA_UPLOAD_MAX_MEMORY_SIZE", 1024 * 1024),
]


def test_every_code_that_a_storefront_can_meet_is_listed_once_with_its_statuses() -> None:
    listed = {row.code: set(row.statuses) for row in rows()}
    assert len(listed) == len(rows())
    met = {code: set(problem.statuses) for code, problem in PROBLEMS.items()}
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


def test_what_an_order_may_say_is_told_with_its_limits() -> None:
    [section] = re.findall(r"(?s)\n## What an order may say\n(.*?)\n## ", PAGE)
    optional = {name for name, field in PlaceOrderSerializer().fields.items() if not field.required}
    assert optional == set(re.findall(r"(?m)^\| `([a-z_]+)` \|", section))
    for figure in (
        f"up to {Order._meta.get_field('reference').max_length} characters",
        f"up to {Order._meta.get_field('note').max_length} characters",
        f"up to {MOST_METADATA} texts of your own by name, {LONGEST_METADATA_VALUE} characters each",
        f"A name has up to {LONGEST_METADATA_KEY} characters",
    ):
        assert figure in section


def test_links_within_the_page_lead_somewhere_and_others_lead_here() -> None:
    headings = {re.sub(r"[^a-z -]", "", line.lower()).replace(" ", "-") for line in re.findall(r"(?m)^##+ (.+)$", PAGE)}
    anchors = set(re.findall(r"\]\(#([a-z-]+)\)", PAGE))
    assert len(anchors) > 8
    assert anchors <= headings
    assert "(docs/storefront.md)" in (ROOT / "README.md").read_text()
    assert "docs/storefront.md" in settings.SPECTACULAR_SETTINGS["DESCRIPTION"]
