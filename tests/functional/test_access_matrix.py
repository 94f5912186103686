"""Every address by every method by every caller: each cell has its answer, and whoever is refused changes nothing."""

import re
from collections.abc import Collection
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse

from tests.dose import dose
from tests.functional.access import callers
from tests.functional.access.admin_rules import ADMIN_RULES
from tests.functional.access.api_rules import API_RULES
from tests.functional.access.fixtures import before_fixture, clients_fixture, key_server_fixture, stage_fixture  # noqa: F401
from tests.functional.access.routes import ADMIN, Route, routes
from tests.functional.access.rules import Ask, Rule, rule_of
from tests.functional.access.stage import Snapshot, Stage, changed

pytestmark = pytest.mark.no_cover
RULES: dict[str, Rule] = {**API_RULES, **ADMIN_RULES}
DOCUMENT = Path(__file__).parents[2] / "docs" / "reliability.md"


class Sheet:
    """The cells of one address, filled in one by one; what is wrong is told all at once."""

    def __init__(self, stage: Stage, clients: dict[str, Client], route: Route, before: Snapshot) -> None:
        self.stage, self.clients, self.route, self.before = stage, clients, route, before
        self.callers = callers.ADMIN_CALLERS if route.kind == ADMIN else callers.API_CALLERS
        self.marks = stage.marks()
        self.wrong: list[str] = []

    def fill(self, ask: Ask, asking: Collection[str]) -> None:
        """Have them ask: where something is to change, each who is let through changes it, and nobody else."""
        assert ask.answers.keys() == set(self.callers), f"{ask}: cells are missing"
        doers = {caller for caller in asking if ask.changes and self._is_let_in(caller, ask.answers[caller])}
        for caller in set(asking) - doers:
            self._cell(ask, caller)
        if touched := changed(self.marks, self.stage.marks()):
            self.wrong.append(f"{ask}: somebody who may not changed {touched}")
            self.stage.restore(self.before)
        for caller in doers:
            self._cell(ask, caller)
            if not changed(self.marks, self.stage.marks()) and "logout" not in self.route.pattern:
                self.wrong.append(f"{ask} by {caller}: nothing happened")
            self.stage.restore(self.before)

    def _is_let_in(self, caller: str, status: int) -> bool:
        return status < 400 and (self.route.kind != ADMIN or caller in callers.STAFF)

    def _cell(self, ask: Ask, caller: str) -> None:
        response = self.stage.ask(self.clients[caller], self.route, ask)
        expected = ask.answers[caller]
        if response.status_code != expected:
            self.wrong.append(f"{ask} by {caller}: {response.status_code} instead of {expected}")
        if expected == 405 and "Allow" not in response:
            self.wrong.append(f"{ask} by {caller}: 405 without Allow")
        if expected == 401 and not response["WWW-Authenticate"].startswith("Bearer"):
            self.wrong.append(f"{ask} by {caller}: 401 without WWW-Authenticate")
        if expected == 302 and caller in callers.ADMIN_OUTSIDERS:
            self._is_sent_to_the_login(ask, caller, response.get("Location", ""))

    def _is_sent_to_the_login(self, ask: Ask, caller: str, target: str) -> None:
        if not target.startswith(reverse("admin:login")) and "logout" not in self.route.pattern:
            self.wrong.append(f"{ask} by {caller}: sent to {target} instead of the login")


def share(ask: Ask, route: Route) -> list[str]:
    """All who ask, but of the many bearers that the API refuses, for the token or its scopes, one in four.

    So it is with all services at the second spelling of an address, which has the same view.
    """
    if route.kind == ADMIN:
        return list(ask.answers)
    again = callers.SERVICES if route.pattern.endswith("/") else ()
    many = [name for name, status in ask.answers.items() if status in (401, 403) or name in again]
    many = [name for name in many if name not in callers.GOOD_TOKENS]
    return [*(name for name in ask.answers if name not in many), *dose(many, 4, f"{route} {ask}")]


@pytest.mark.parametrize("route", routes(), ids=str)
def test_every_caller_gets_the_answer_that_the_rule_of_the_address_says(
    stage: Stage, clients: dict[str, Client], route: Route, before: Snapshot
) -> None:
    rule = rule_of(route, RULES)
    sheet = Sheet(stage, clients, route, before)
    for ask in rule.all():
        is_plain = (
            ask not in rule.asks or ask.method == "HEAD"
        )  # no method of this address, or one that is asked as GET
        sheet.fill(ask, dose(ask.answers, 4, f"{route} {ask}") if is_plain else share(ask, route))
    assert not sheet.wrong, "\n".join([str(route), *sheet.wrong])


def test_no_rule_is_left_of_an_address_that_is_gone() -> None:
    known = {str(route) for route in routes()} | {str(route).removesuffix("/") for route in routes()}
    assert set(RULES) <= known


def test_an_address_without_a_rule_fails_with_its_name() -> None:
    with pytest.raises(AssertionError, match=r"'orders/new-thing'.*has no rule"):
        rule_of(Route("api", "orders/new-thing", "api/v1/"), RULES)


def test_the_page_on_reliability_says_how_many_cells_there_are() -> None:
    cells = sum(rule_of(route, RULES).cells for route in routes())
    told = re.search(r"([\d,]+) cells", DOCUMENT.read_text())
    assert told, "docs/reliability.md does not say how many cells there are"
    assert int(told[1].replace(",", "")) == cells, f"docs/reliability.md says {told[1]} cells, there are {cells:,}"
    assert f"{len(routes())} addresses" in DOCUMENT.read_text(), f"there are {len(routes())} addresses"
