"""A form that is sent in vain leads back to the page that holds it, whatever the reason, and changes nothing.

What was typed stays in the browser, which puts it back: tests/browser/test_unsent_forms.py.
"""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.cookies import SimpleCookie
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import pytest
from django.core.exceptions import PermissionDenied
from django.test import Client, RequestFactory
from django.urls import reverse, reverse_lazy
from pytest_django import Settings

from orders.admin.order_page import OrderPage
from orders.services.identifiers import OBJECT_ID
from orders_project.web import error_pages
from orders_project.web.response_headers import BACKOFFICE
from tests.functional.access.admin_rules import ADMIN_RULES
from tests.functional.access.fixtures import clients_fixture, key_server_fixture, stage_fixture  # noqa: F401
from tests.functional.access.pages import pages
from tests.functional.access.routes import ADMIN, Route, routes
from tests.functional.access.rules import Ask, rule_of
from tests.functional.access.stage import Stage
from tests.functional.admin_helpers import said

pytestmark = pytest.mark.no_cover
TOKEN = "csrfmiddlewaretoken"
FRESH = {"at", "can", "placement_key", "planned", "run", "shown", "version"}
"""Hidden fields that each showing of a page has its own of: unsent_form.js names them, too."""
ELSEWHERE = {"admin:login/"}
"""Whoever logs in has typed nothing else."""
OPEN_TO_ALL = {reverse_lazy("admin:logout"), reverse_lazy("set_language")}
"""Which have no fields to fill in, and ask for no log-in."""


@dataclass
class Form:
    """:ivar fixed: what its hidden fields say."""

    address: str
    names: set[str] = field(default_factory=set)
    fixed: dict[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> tuple[str, ...]:
        """The same for forms of different orders."""
        return tuple(
            re.sub(f"{OBJECT_ID}|[0-9]+", "", text) for text in (self.address, *self.names, *self.fixed.values())
        )

    def comes_back_as(self, other: "Form") -> bool:
        """What unsent_form.js asks of a form before it fills it."""
        return (urlsplit(self.address).path, self.names, self.fixed) == (
            urlsplit(other.address).path,
            other.names,
            other.fixed,
        )


class Forms(HTMLParser):
    """The forms of a page that are posted."""

    def __init__(self, page: str, content: str) -> None:
        super().__init__()
        self.page, self.found, self.is_inside = page, list[Form](), False
        self.feed(content)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.is_inside = given.get("method", "").lower() == "post"
            if self.is_inside:
                self.found.append(Form(urljoin(self.page, given.get("action") or self.page)))
        elif self.is_inside and given.get("name", TOKEN) != TOKEN and tag in ("input", "select", "textarea", "button"):
            form, name = self.found[-1], given["name"]
            form.names.add(name)
            if given.get("type") == "hidden" and name not in FRESH:
                form.fixed[name] = given.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self.is_inside = False


@pytest.mark.slow
def test_every_form_comes_back_after_a_log_in_and_none_is_sent_by_it(stage: Stage, clients: dict[str, Client]) -> None:
    """Of every page in the URL conf each form, sent after the session has ended, and with the token of another one."""
    root, before = clients["superuser"], stage.marks()
    shown: dict[str, list[Form]] = {}

    def forms_of(address: str) -> list[Form]:
        if address not in shown:
            answer = root.get(address)
            is_page = answer.status_code == 200 and answer["Content-Type"].startswith("text/html")
            shown[address] = Forms(address, answer.content.decode()).found if is_page else []
        return shown[address]

    forms = {form.kind: form for address in pages(stage) for form in forms_of(address)}.values()
    wrong = []
    for form in forms:
        if form.address in OPEN_TO_ALL:
            continue
        back = [lost_with_the_session(form), out_of_date(form, root)]
        wrong += [f"{form} leads to {page}" for page in back if not any(map(form.comes_back_as, forms_of(page)))]
    assert not wrong, "\n".join(wrong)
    assert stage.marks() == before
    posted = {urlsplit(form.address).path for form in forms}
    unseen = {str(route) for route, ask in posts() if str(route) not in ELSEWHERE and not reached(stage, route, posted)}
    assert unseen == set(), "no page has a form for these"


def posts() -> list[tuple[Route, Ask]]:
    """The addresses that take a form, by the rules of the access matrix."""
    return [
        (route, ask)
        for route in routes()
        if route.kind == ADMIN
        for ask in rule_of(route, ADMIN_RULES).asks
        if ask.method == "POST" and ask.body is not None
    ]


def reached(stage: Stage, route: Route, posted: set[str]) -> bool:
    """Whether one of these paths is an address of this route."""
    pattern = re.sub(r"__\w+__", "[^/]+", re.escape(route.address({name: f"__{name}__" for name in route.parameters})))
    return any(re.fullmatch(pattern, path) for path in posted)


def lost_with_the_session(form: Form) -> str:
    """Where the log-in leads after a form was sent without a session. What was typed is not in the address."""
    client = Client()
    answer = client.post(form.address, dict.fromkeys(form.names, "typed by somebody"))
    assert answer.status_code == 302, form
    assert "typed" not in answer.url
    path, query = urlsplit(answer.url).path, parse_qs(urlsplit(answer.url).query)
    assert (path, query["unsent"]) == (reverse("admin:login"), ["no"])
    assert "You are no longer logged in. Nothing was changed. Log in to continue." in said(answer)
    return query["next"][0]


def out_of_date(form: Form, root: Client) -> str:
    """Where the page about an out-of-date form leads."""
    client = Client(enforce_csrf_checks=True)
    client.cookies = SimpleCookie(root.cookies.output(header="", sep=";"))
    body = urlencode(dict.fromkeys(form.names, "typed by somebody") | {TOKEN: "x" * 64})
    answer = client.post(form.address, body, content_type="application/x-www-form-urlencoded")
    text = answer.content.decode()
    assert answer.status_code == 403, form
    assert "This page was out of date" in text
    assert '<meta name="unsent" content="no">' in text
    assert "typed by" not in text
    found = re.search(r'<a href="([^"]+)"[^>]*>\s*Continue', text)
    assert found, text
    return found[1].replace("&amp;", "&")


@pytest.mark.parametrize(
    ("method", "path", "status", "title", "way"),
    [
        ("get", "{order}address/", 405, "No page at this address", "{order}change/"),
        ("put", "", 405, "No page at this address", ""),
        ("get", "nothing/", 404, "Page not found", ""),
        ("get", "{order}version/", 404, "Page not found", ""),
        ("post", "{order}note/", 404, "Page not found", "{order}change/"),
        ("get", "auth/user/", 403, "Not permitted", ""),
        ("post", "{order}resolve/?q=1", 403, "Not permitted", "{order}change/"),
    ],
)
@pytest.mark.parametrize("debug", [False, True])
def test_an_error_is_a_page_with_a_way_on(
    stage: Stage, clients: dict[str, Client], settings: Settings, debug: bool,
    method: str, path: str, status: int, title: str, way: str,
) -> None:  # fmt: skip
    settings.DEBUG = debug
    known = stage.ids["unknown"] if status == 403 else "0" * 24
    named = {"order": f"/admin/orders/order/{known}/"}
    address = path.format(**named) if path.startswith("{") else f"/admin/{path}"
    answer = getattr(clients["Support"], method)(address, headers={"X-Request-ID": "desk-7"})
    text = answer.content.decode()
    assert (answer.status_code, answer["Content-Type"]) == (status, "text/html; charset=utf-8")
    assert f'<h1 class="tracking-tight text-xl">{title}</h1>' in text
    assert "desk-7" in text
    assert 'href="/admin/orders/order/"' in text
    assert not way or f'href="{way.format(**named)}"' in text
    assert ('name="unsent"' in text) is (method == "post")
    assert "DEBUG" not in text
    assert answer["Content-Security-Policy"] == BACKOFFICE


def test_a_fault_is_a_page_that_says_nothing_of_it(
    stage: Stage, clients: dict[str, Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OrderPage, "_page", lambda *_args, **_more: 1 / 0)
    answer = clients["Support"].get(f"/admin/orders/order/{stage.ids['paid']}/change/")
    text = answer.content.decode()
    assert answer.status_code == 500
    assert "Something went wrong" in text
    assert "Try again" in text
    assert "ZeroDivision" not in text


@pytest.mark.parametrize(
    "path",
    ["../../../..//evil.example/x/note/", "..%2f..%2f..%2f%2fevil.example%2fx/note/", "%5Cevil.example/note/"],
)
def test_no_page_leads_to_another_host(stage: Stage, clients: dict[str, Client], path: str) -> None:
    address = f"/admin/orders/order/{path}"
    goal = lost_with_the_session(Form(address, {"text"}))
    assert goal.startswith("/admin/orders/order/")
    assert not set(goal) & set("\\\r\n")
    shown = clients["Support"].get(address).content.decode()
    assert "//evil" not in shown.replace(f'href="{goal}"', "")
    for goal in ("https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)"):
        answer = clients["Support"].get(reverse("admin:login"), {"next": goal})
        assert (answer.status_code, answer.url) == (302, reverse("admin:index"))


def test_whoever_has_logged_in_in_another_tab_is_led_on_from_the_log_in(clients: dict[str, Client]) -> None:
    answer = clients["Support"].get(reverse("admin:login"), {"next": "/admin/orders/order/?q=a"})
    assert (answer.status_code, answer.url) == (302, "/admin/orders/order/?q=a")


def test_a_refusal_before_any_view_is_a_page_with_its_reason(clients: dict[str, Client]) -> None:
    large = {"text": "x" * 300_000}
    answer = clients["Support"].post(f"/admin/orders/order/{'0' * 24}/note/", large)
    assert answer.status_code == 413
    assert "larger than" in answer.content.decode()
    assert answer["Content-Type"].startswith("text/html")


def test_what_django_itself_refuses_is_a_page_in_the_backoffice_and_a_problem_document_in_the_api(
    settings: Settings,
) -> None:
    settings.ALLOWED_HOSTS = ["shop.example"]
    answer = Client().post("/admin/login/", headers={"Host": "evil.example"})
    assert answer.status_code == 400
    assert "Request not understood" in answer.content.decode()
    request = RequestFactory().post("/api/v1/problems")
    for answer in (error_pages.out_of_date(request), error_pages.forbidden(request, PermissionDenied())):
        assert (answer.status_code, answer["Content-Type"]) == (403, "application/problem+json")
