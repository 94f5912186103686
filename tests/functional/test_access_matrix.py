"""Every address by every method by every caller: each cell has its answer, and whoever is refused changes nothing."""

import re
from collections.abc import Collection, Sequence
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

    def fill(self, asked: Sequence[tuple[Ask, Collection[str]]]) -> None:
        """Have them ask: where something is to change, each who is let through changes it, and nobody else."""
        idle, doing = [], []
        for ask, asking in asked:
            assert ask.answers.keys() == set(self.callers), f"{ask}: cells are missing"
            for caller in asking:
                does = ask.changes and self._is_let_in(caller, ask.answers[caller])
                (doing if does else idle).append((ask, caller))
        for ask, caller in idle:
            self._cell(ask, caller)
        if changed(self.marks, self.stage.marks()):
            self.stage.restore(self.before)
            self._find_who_changed_something(idle)
        for ask, caller in doing:
            self._cell(ask, caller)
            if not changed(self.marks, self.stage.marks()) and "logout" not in self.route.pattern:
                self.wrong.append(f"{ask} by {caller}: nothing happened")
            self.stage.restore(self.before)
        assert not self.wrong, "\n".join([str(self.route), *self.wrong])

    def _find_who_changed_something(self, idle: Sequence[tuple[Ask, str]]) -> None:
        """Have them ask once more, with a look after each."""
        told = len(self.wrong)
        for ask, caller in idle:
            self._cell(ask, caller)
            if touched := changed(self.marks, self.stage.marks()):
                self.wrong.append(f"{ask} by {caller}: who may not changed {touched}")
                self.stage.restore(self.before)
        assert self.wrong[told:], "somebody who may not has changed something, and not when asking once more"

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
    """All who ask, but of the many bearers one in eight: at an admin page, and of those that the API refuses.

    The API refuses them for the token or its scopes. So it is with all services at the second spelling of an address,
    which has the same view.
    """
    if route.kind == ADMIN:
        many = [name for name in ask.answers if name.startswith("token of ")]
    else:
        again = callers.SERVICES if route.pattern.endswith("/") else ()
        many = [name for name, status in ask.answers.items() if status in (401, 403) or name in again]
        many = [name for name in many if name not in ("no token", *callers.GOOD_TOKENS)]
    return [*(name for name in ask.answers if name not in many), *dose(many, 8, f"{route} {ask}")]


def is_plain(ask: Ask, rule: Rule) -> bool:
    """Whether it is no method of the address, or one that is asked as GET."""
    return ask not in rule.asks or ask.method == "HEAD"


@pytest.mark.parametrize(
    "route", [pytest.param(one, marks=pytest.mark.slow if one.kind == ADMIN else (), id=str(one)) for one in routes()]
)
def test_every_caller_gets_the_answer_that_the_rule_of_the_address_says(
    stage: Stage, clients: dict[str, Client], route: Route, before: Snapshot
) -> None:
    rule = rule_of(route, RULES)
    Sheet(stage, clients, route, before).fill(
        [
            (ask, dose(ask.answers, 20, f"{route} {ask}") if is_plain(ask, rule) else share(ask, route))
            for ask in rule.all()
        ]
    )


@pytest.mark.parametrize("route", [one for one in routes() if one.kind == ADMIN], ids=str)
def test_whoever_is_no_staff_or_has_no_permission_gets_no_further(
    stage: Stage, clients: dict[str, Client], route: Route, before: Snapshot
) -> None:
    rule = rule_of(route, RULES)
    asked = [(ask, [*dose(callers.ADMIN_OUTSIDERS, 4, f"{route} {ask}"), "nobody"]) for ask in rule.asks]
    [unknown, *_] = (ask for ask in rule.all() if ask not in rule.asks)
    Sheet(stage, clients, route, before).fill([*asked, (unknown, ["superuser"])])


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
