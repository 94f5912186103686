"""`manage.py index_search`: orders from before the search knew their words."""

import io
import signal
from collections.abc import Iterator

import pytest
from django.core.management import CommandError, call_command

from orders.management.commands import index_search
from tests.factories import OrderFactory
from tests.functional.helpers import Documents


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Give pytest its signal handlers back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("index_search", *arguments, stdout=out, stderr=io.StringIO())
    return out.getvalue()


def terms(database: Documents) -> list[list[str] | None]:
    return [order.get("terms") for order in database["orders"].find({}, {"terms": 1}).sort("_id", 1)]


def test_orders_without_words_get_them_and_the_others_if_that_is_asked_for(database: Documents) -> None:
    OrderFactory.create_batch(3)
    right = terms(database)
    database["orders"].update_many({}, {"$unset": {"terms": 1}})
    assert run() == "3 orders indexed\n"
    assert terms(database) == right
    database["orders"].update_many({}, {"$set": {"terms": ["old"]}})
    assert run() == "0 orders indexed\n"
    assert terms(database) == [["old"]] * 3
    assert run("--again") == "3 orders indexed\n"
    assert terms(database) == right


def test_told_to_stop_it_ends_between_two_batches_and_says_how_to_go_on(
    database: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    OrderFactory.create_batch(3)
    database["orders"].update_many({}, {"$unset": {"terms": 1}})
    monkeypatch.setattr("orders.services.search_index.BATCH", 2)
    stop = index_search.stop_when_told()
    stop.set()
    monkeypatch.setattr(index_search, "stop_when_told", lambda: stop)
    with pytest.raises(CommandError, match="run it again for the rest") as stopped:
        run()
    assert stopped.value.returncode == 1
    assert sum(found is not None for found in terms(database)) == 2
