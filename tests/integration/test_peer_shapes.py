"""Examining peers of another shape: the same questions, asked as the backends that the settings name say."""

import pytest
from pytest_django import Settings

from orders.services.examination import reads, stock_trials, trial_stock
from orders.services.examination.findings import Verdict, exit_code
from tests.integration.builders import A
from tests.other_shop import Shop, other_fixture, shop_fixture  # noqa: F401


@pytest.mark.usefixtures("database")
def test_peers_of_another_shape_are_examined_alike(
    other: Shop, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial_stock, "LOOK_EVERY", 0.01)
    settings.INVENTORY_IS_ATOMIC = False  # with it set, the last trial is left out
    other.stock[A] = [40, 0]
    findings = list(reads.examine(reads.reaches(), user_id="17", product_id=A))
    assert {finding.verdict for finding in findings} == {Verdict.OK}
    tried = stock_trials.try_stock(stock_trials.plan(A), stopped=lambda: False, tell=pytest.fail)
    assert exit_code(tried.findings) == 0
    facts = {finding.case: finding.fact for finding in tried.findings if finding.fact is not None}
    assert facts == {
        stock_trials.TOO_MUCH: True,
        stock_trials.KEY_OF_RESERVE: False,
        stock_trials.KEY_OF_RELEASE: False,
        stock_trials.BEYOND: True,
    }
    assert other.stock[A] == [40, 0]


def test_members_of_the_published_shape_are_not_asked_of_them(other: Shop) -> None:
    other.customers.clear()
    [found] = [each for each in reads.examine(reads.reaches(), user_id="17", product_id=None) if "user 17" in each.case]
    assert (found.verdict, found.expected, found.came) == (Verdict.WRONG, "an active user", "{exists: false}")
