"""No text of the backoffice is left that a translator has never seen, nor one that German does not have."""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from http.cookies import SimpleCookie
from typing import Any

import pytest
from django.template import Context, Template
from django.test import Client
from django.utils import timezone
from django.utils.translation import gettext, ngettext, override

from orders.models import BulkRun, WebhookEndpoint
from orders.services import access, bulk
from orders.services.audit import Act
from orders.services.events.delivering import deliver
from orders.services.identifiers import OBJECT_ID
from orders.services.order_queries import OrderQuery
from orders.services.reporting.figures_refresh import refresh
from tests.functional.access.admin_rules import ADMIN_RULES, SOURCE
from tests.functional.access.fixtures import key_server_fixture, stage_fixture  # noqa: F401
from tests.functional.access.pages import pages
from tests.functional.access.routes import ADMIN, Route, routes
from tests.functional.access.rules import Ask, rule_of
from tests.functional.access.stage import Snapshot, Stage
from tests.functional.admin_helpers import LIST, client_of
from tests.functional.admin_helpers import page as order_page
from tests.functional.bulk_admin import RUNS, page_of, worker_pass
from tests.functional.hostile.pages import QUERIES
from tests.functional.marked_texts import LANGUAGE, Marked, Report, as_data, marking, untranslated

pytestmark = [pytest.mark.slow, pytest.mark.no_cover, pytest.mark.timeout(900)]
DATA = {
    "actor", "actor_id", "city", "country", "created_by", "description", "email", "first_name", "last_name", "line1",
    "line2", "name", "note", "number", "phone", "postal_code", "reason", "reference", "tag", "tags", "text",
    "tracking_number", "username",
}  # fmt: skip
"""Fields that hold what people have typed."""
HOOKS, TOKENS = "/admin/orders/webhookendpoint/", "/admin/orders/servicetoken/"
KINDS = ("admin", "customer", "service", "staff", "system")
"""Of actors, before their names."""


def seen_as_data(value: Any, name: str = "") -> Any:
    """A stored value with what people have typed in it in Greek letters."""
    if isinstance(value, dict):
        return {key: seen_as_data(one, key) for key, one in value.items()}
    if isinstance(value, list):
        return [seen_as_data(one, name) for one in value]
    if not isinstance(value, str) or name not in DATA:
        return value
    kind, colon, rest = value.partition(":")
    return f"{kind}:{as_data(rest)}" if colon and kind in KINDS else as_data(value)


@pytest.fixture(scope="module", name="clients")
def clients_fixture(stage: Stage) -> dict[str, Client]:
    german = {"Accept-Language": LANGUAGE}
    known = {role: client_of(role, headers=german) for role in ("superuser", "Support", "nobody")}
    return known | {"stranger": Client(headers=german)}


@pytest.fixture(scope="module", name="before")
def before_fixture(stage: Stage, clients: dict[str, Client]) -> Snapshot:
    """What there is, all that people have typed in Greek."""
    for name, documents in stage.documents().items():
        for document in documents:
            stage.database[name].replace_one({"_id": document["_id"]}, seen_as_data(document))
    return stage.snapshot()


@pytest.fixture(name="language")
def language_fixture() -> Iterator[Marked]:
    with marking() as language:
        yield language


class Walk:
    """One walk through the backoffice, by one person. :ivar report: what they saw that no translator has seen."""

    def __init__(self, stage: Stage, client: Client, report: Report) -> None:
        self.stage, self.client, self.report = stage, client, report

    def get(self, address: str) -> None:
        self._read(named(address), lambda: self.client.get(address, follow=True))

    def post(self, address: str, body: Mapping[str, Any], before: Snapshot) -> None:
        """Send a form, and put back what it has changed."""
        self._read(f"POST {named(address)}", lambda: self.client.post(address, body, follow=True))
        self.stage.restore(before)

    def _read(self, page: str, ask: Callable[[], Any]) -> None:
        """Read what is answered, or the page that it leads to."""
        cookies = self.client.cookies.output(header="", sep=";")
        response = ask()
        self.client.cookies = SimpleCookie(cookies)
        if not response.streaming:
            kind = response.headers.get("Content-Type", "")
            self.report.add(page, untranslated(response.content.decode(), kind))


def named(address: str) -> str:
    """An address, the same for each order."""
    return re.sub(OBJECT_ID, "<id>", address)


def test_every_text_of_every_page_has_been_seen_by_a_translator(
    stage: Stage, before: Snapshot, clients: dict[str, Client], language: Marked
) -> None:
    """Of every page that the URL conf has, as it is and with each of its parameters, as different people see it."""
    report = Report(language)
    for role, client in clients.items():
        walk = Walk(stage, client, report)
        for address in pages(stage):
            walk.get(address)
        if role == "superuser":
            for address in [*orders(stage), *refusals(stage), *searches()]:
                walk.get(address)
    assert not report, str(report)


def orders(stage: Stage) -> Iterator[str]:
    """The page of an order in each status and plight."""
    yield from (order_page(order) for order in stage.database["orders"].find({}, {"_id": True}))


def refusals(stage: Stage) -> Iterator[str]:
    """Addresses that have no page."""
    yield "/admin/nothing/"
    for route, ask in asks("POST"):
        yield stage.address(route, ask)


def searches() -> Iterator[str]:
    """Pages with each parameter that they read, said wrongly."""
    by_name = {str(route): route for route in routes()}
    for name, parameters in QUERIES.items():
        if not by_name[name].parameters:
            yield from (f"{by_name[name].address({})}?{parameter}=9" for parameter in parameters)


def asks(method: str) -> Iterator[tuple[Route, Ask]]:
    for route in routes():
        if route.kind == ADMIN:
            yield from ((route, ask) for ask in rule_of(route, ADMIN_RULES).asks if ask.method == method)


def test_every_text_that_a_form_answers_with_has_been_seen_by_a_translator(
    stage: Stage, before: Snapshot, clients: dict[str, Client], language: Marked
) -> None:
    """Of each form, what follows when it is filled in as it should be, and when it is empty."""
    report = Report(language)
    walk = Walk(stage, clients["superuser"], report)
    for route, ask in asks("POST"):
        filled: dict[str, Any] = seen_as_data(stage._body(ask) or {})
        walk.post(stage.address(route, ask), filled, before)
        walk.post(stage.address(route, ask), {}, before)
    assert not report, str(report)


def test_every_text_about_work_and_trouble_has_been_seen_by_a_translator(
    stage: Stage, before: Snapshot, clients: dict[str, Client], language: Marked
) -> None:
    """What bulk runs are going to do and have done, and what has gone wrong with events, webhooks and figures."""
    report = Report(language)
    walk = Walk(stage, clients["superuser"], report)
    everything = [order["_id"] for order in stage.database["orders"].find({}, {"_id": True})]
    for transition in SOURCE:
        walk.get(f"{LIST}bulk/?transition={transition}&filter=")
        act = Act(access.admin("Αδα"), timezone.now())
        bulk.start_run(selection=OrderQuery(keys=everything), transition=transition, act=act)
    have_trouble(stage)
    walk.get("/admin/")
    walk.get(f"{LIST}attention/")
    worker_pass()
    refresh(seconds=60)
    for run in BulkRun.objects.all():
        walk.get(page_of(run))
        walk.get(f"{page_of(run)}?show=all")
    for endpoint in WebhookEndpoint.objects.all():
        walk.get(f"/admin/orders/webhookendpoint/{endpoint.pk}/change/")
    for address in ("/admin/", "/admin/?period=today", RUNS, f"{LIST}attention/", HOOKS, *orders(stage)):
        walk.get(address)
    stage.restore(before)
    assert not report, str(report)


def have_trouble(stage: Stage) -> None:
    """Webhooks that fail, were stopped and were switched off; events that nobody tells; figures that are old."""
    long_ago = timezone.now() - timedelta(hours=9)
    known = {"url": "https://127.0.0.1/", "created_at": long_ago, "created_by": "staff:Αδα", "cursor": 0}
    WebhookEndpoint.objects.create(**known, failing_since=long_ago, failures=5, description="Α")
    WebhookEndpoint.objects.create(**known, failing_since=long_ago, active=False, description="Β")
    WebhookEndpoint.objects.create(**known, stopped_because="–", active=False, description="Γ")
    stage.database["orders"].update_many({}, {"$set": {"untold_at": long_ago}})
    for endpoint in WebhookEndpoint.objects.filter(active=True):
        deliver(endpoint.pk)


def test_every_text_of_an_empty_shop_has_been_seen_by_a_translator(
    stage: Stage, before: Snapshot, clients: dict[str, Client], language: Marked
) -> None:
    report = Report(language)
    walk = Walk(stage, clients["superuser"], report)
    for name in ("orders", "bulk_runs", "events", "webhook_endpoints", "service_tokens", "saved_views"):
        stage.database[name].delete_many({})
    for address in ("/admin/", LIST, f"{LIST}?q=5", f"{LIST}attention/", f"{LIST}events/", RUNS, HOOKS, TOKENS):
        walk.get(address)
    stage.restore(before)
    assert not report, str(report)


@pytest.mark.parametrize(
    ("page", "found"),
    [
        ('<title>{% translate "Orders" %} | {{ name }}</title>', []),
        ("<title>Orders</title>", ["<title> Orders"]),
        ('<a title="{% translate "Orders" %}"><i class="material-symbols-outlined">list</i></a>', []),
        ('<a title="Orders">1</a>', ["<a[title]> Orders"]),
        ('<input type="submit" value="{% translate "Save" %}"><input type="hidden" value="Save">', []),
        ('<input type="submit" value="Save">', ["<input[value]> Save"]),
        ("<button data-done=\"{% translate 'It is done' %}\" data-act='done'>1</button>", []),
        ('<button data-done="It is done">1</button>', ["<button[data-done]> It is done"]),
        (
            "<p>{% blocktranslate %}Dear <b>{{ name }}</b>, or{% endblocktranslate %} <code>Ada</code> CSV</p>",
            [],
        ),
        ("<p>{% blocktranslate with who='them' %}Dear {{ who }}{% endblocktranslate %}</p>", ["<p> ⟦Dear ⟧them"]),
        ("<p>{% translate 'Dear' %} {{ name }} yesterday</p>", ["<p> ⟦Dear⟧ Αδα yesterday"]),
        ('<time>{{ at|date:"j. F Y" }}</time>', []),
        ("<p>29,80 €, 29.11.2026</p>", []),
        ('<input value="29,80"><input type="number" value="29.80">', []),
        ('<rect x="1.5" style="width: 7.5%"/><i data-at="0.5"></i>', []),
        ('<input type="number" value="29,80">', ["<input[value]> 29,80, which a machine reads"]),
        (
            '<i data-at="0,5" style="width: 7,5%"></i>',
            [
                "<i[data-at]> 0,5, which a machine reads",
                "<i[style]> width: 7,5%, which a machine reads",
            ],
        ),
        ("<p>29.80 €</p><p>2026-11-29</p>", ["<p> 29.80 €", "<p> 2026-11-29"]),
        ('<time>{{ at|date:"j. \\M\\a\\y Y" }}</time>', ["<time> 29. May 2026"]),
    ],
)
def test_a_text_without_marks_is_found(language: Marked, page: str, found: list[str]) -> None:
    with override(LANGUAGE):
        context = Context({"name": as_data("Ada"), "at": date(2026, 11, 29)})
        assert untranslated(Template("{% load i18n %}" + page).render(context), "text/html") == found


def test_a_text_that_german_does_not_have_is_found(language: Marked) -> None:
    with override(LANGUAGE):
        gettext("Save"), gettext("A text that nobody has written"), ngettext("%(n)s owl", "%(n)s owls", 2)
    assert language.missing == {"A text that nobody has written", "%(n)s owl"}
    assert gettext("A text that nobody has written") == "A text that nobody has written", "English stays as it is"
