"""Hostile input in every field, filter, search and address of the backoffice: never a 500, and nothing of it stored."""

import dataclasses
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client

from tests.dose import dose
from tests.functional.access.admin_rules import ADMIN_RULES
from tests.functional.access.fixtures import before_fixture, clients_fixture, key_server_fixture, stage_fixture  # noqa: F401
from tests.functional.access.routes import Route
from tests.functional.access.rules import Ask, rule_of
from tests.functional.access.stage import Snapshot, Stage, changed
from tests.functional.hostile.pages import posts, queries, with_parameters
from tests.functional.hostile.stored import unreadable
from tests.functional.hostile.values import BROKEN, TEXTS

pytestmark = [pytest.mark.slow, pytest.mark.no_cover]

KINDS = ("NUL", "override", "operator as text", "markup", "5000 digits", "1e999")
IN_FORMS = {name: TEXTS[name] for name in KINDS}
"""A form's field is rendered again with what was posted, which takes its time: of each sort of text one."""
IN_ADDRESSES = [*IN_FORMS.values(), "", *BROKEN[:3]]
ANSWERS = (200, 301, 302, 400, 403, 404, 405, 409, 414)


@pytest.fixture
def root(clients: dict[str, Client]) -> Client:
    return clients["superuser"]


def title(value: Any) -> str:
    return str((value.body or {}).get("act", "")) if isinstance(value, Ask) else str(value)


def encoded(value: str | bytes) -> str:
    return quote(value, safe="")


@pytest.mark.parametrize(("route", "ask", "field"), dose(posts(), 2, "fields"), ids=title)
def test_a_field_of_a_form_keeps_nothing_hostile(
    stage: Stage, root: Client, route: Route, ask: Ask, field: str, before: Snapshot
) -> None:
    marks = stage.marks()
    for name, text in dose(IN_FORMS.items(), 6, f"{route} {ask.body} {field}"):
        hostile = dataclasses.replace(ask, body={**(ask.body or {}), field: text})
        response = stage.ask(root, route, hostile)
        assert response.status_code in ANSWERS, (name, response.status_code)
        if changed(marks, stage.marks()):  # of what is only text something may come
            assert not unreadable(stage), name
            stage.restore(before)


@pytest.mark.parametrize(("route", "name"), dose(queries(), 2, "parameters"), ids=title)
def test_a_parameter_of_a_page_takes_nothing_hostile(stage: Stage, root: Client, route: Route, name: str) -> None:
    marks = stage.marks()
    [ask, *_] = rule_of(route, ADMIN_RULES).asks
    given = [(name, text) for text in IN_ADDRESSES] + [(f"{name}[$ne]", "1"), (f"{name}__$where", "1")]
    for written, text in dose(given, 6, f"{route} {name}"):
        asked = dataclasses.replace(ask, query=f"{quote(written)}={encoded(text)}")
        response = stage.ask(root, route, asked)
        assert response.status_code in ANSWERS, (asked.query[:100], response.status_code)
    assert changed(marks, stage.marks()) == []


@pytest.mark.parametrize(("route", "name"), dose(with_parameters(), 2, "addresses"), ids=title)
def test_a_part_of_an_address_takes_nothing_hostile(stage: Stage, root: Client, route: Route, name: str) -> None:
    marks = stage.marks()
    asks = rule_of(route, ADMIN_RULES).asks
    for text in dose(IN_ADDRESSES, 6, f"{route} {name}"):
        for ask in {ask.method: ask for ask in asks if ask.method != "HEAD"}.values():
            asked = dataclasses.replace(ask, values={**ask.values, name: encoded(text)})
            response = stage.ask(root, route, asked)
            assert response.status_code in ANSWERS, (ask.method, text[:50], response.status_code)
    assert changed(marks, stage.marks()) == []
