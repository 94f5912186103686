"""A form that is sent in vain leads back to the page that holds it, whatever the reason, and changes nothing.

What was typed stays in the browser, which puts it back: tests/browser/test_unsent_forms.py.
"""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.cookies import SimpleCookie
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import pytest
from django.test import Client
from django.urls import reverse

from orders.services.identifiers import OBJECT_ID
from tests.functional.access.admin_rules import ADMIN_RULES
from tests.functional.access.fixtures import clients_fixture, key_server_fixture, stage_fixture  # noqa: F401
from tests.functional.access.routes import ADMIN, Route, routes
from tests.functional.access.rules import Ask, rule_of
from tests.functional.access.stage import Stage
from tests.functional.admin_helpers import said

pytestmark = pytest.mark.no_cover
TOKEN = "csrfmiddlewaretoken"  # noqa: S105 - a field's name
FRESH = {"at", "can", "planned", "run", "shown", "version"}
"""Hidden fields that each showing of a page has its own of: unsent_form.js names them, too."""
PLIGHTS = ("pending", "paid", "processing", "delivered", "unknown", "returnable", "parted", "held")
"""Orders on whose pages every form is, on one or another."""
ELSEWHERE = {"admin:login/"}
"""Whoever logs in has typed nothing else."""


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
        if form.address == reverse("admin:logout"):
            continue
        back = [lost_with_the_session(form), out_of_date(form, root)]
        wrong += [f"{form} leads to {page}" for page in back if not any(map(form.comes_back_as, forms_of(page)))]
    assert not wrong, "\n".join(wrong)
    assert stage.marks() == before
    posted = {urlsplit(form.address).path for form in forms}
    unseen = {str(route) for route, ask in posts() if str(route) not in ELSEWHERE and not reached(stage, route, posted)}
    assert unseen == set(), "no page has a form for these"


def pages(stage: Stage) -> list[str]:
    """The address of each page that a superuser sees."""
    asks = [(route, ask) for route in routes() if route.kind == ADMIN for ask in rule_of(route, ADMIN_RULES).asks]
    found = []
    for route, ask in asks:
        if ask.method != "GET" or ask.answers["superuser"] != 200:
            continue
        is_order = str(route).startswith("admin:orders/order/<path") and "change" in str(route)
        for plight in PLIGHTS if is_order else [""]:
            values = stage._values(ask) | ({"object_id": stage.ids[plight]} if plight else {})
            found.append(route.address(values) + (f"?{ask.query}" if ask.query else ""))
    return list(dict.fromkeys(found))


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
    assert "You are no longer logged in. Nothing was changed. Log in to go on." in said(answer)
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
    found = re.search(r'<a href="([^"]+)"[^>]*>\s*Go on', text)
    assert found, text
    return found[1].replace("&amp;", "&")
