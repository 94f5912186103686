"""With another TIME_ZONE staff see and type its days and clocks; the API, logs and what is stored stay in UTC."""

import csv
import io
import json
import logging
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId
from django.core.management import call_command
from django.test import Client
from django.utils import timezone
from pymongo.database import Database

from observability.logs import formatter_of
from orders.admin.list_columns import in_words
from orders.models import BulkRun
from orders.services import bulk
from orders.services.access import admin
from orders.services.audit import Act
from orders.services.order_queries import OrderQuery
from orders.services.reporting.figures_refresh import refresh
from tests.conftest import UseZone
from tests.factories import OrderFactory
from tests.functional.admin_helpers import LIST, Document, client_of, form_of, insert, line, page, rows, stored, text_of
from tests.functional.bulk_admin import across
from tests.functional.bulk_admin import page_of as page_of_run
from tests.functional.helpers import (
    Api,
    visitor_fixture,  # noqa: F401
)

MS = timedelta(milliseconds=1)
BERLIN = "Europe/Berlin"
AFTERNOON = datetime(2026, 3, 29, 12, 5, 9, tzinfo=UTC)

DAYS = [
    (BERLIN, date(2026, 3, 29), "2026-03-28T23:00", "2026-03-29T22:00", "+01:00", "+02:00"),
    (BERLIN, date(2026, 10, 25), "2026-10-24T22:00", "2026-10-25T23:00", "+02:00", "+01:00"),
    ("Africa/Cairo", date(2023, 4, 28), "2023-04-27T22:00", "2023-04-28T21:00", "+03:00", "+03:00"),
    ("America/Sao_Paulo", date(2018, 11, 4), "2018-11-04T03:00", "2018-11-05T02:00", "-02:00", "-02:00"),
]
"""Days on which clocks change, on two of them at midnight: when they begin and end in UTC, and the offsets then."""


@pytest.fixture
def manager(database: Database[Document]) -> Client:
    return client_of("Manager")


def insert_around(database: Database[Document], since: str, before: str) -> list[str]:
    """Four orders: just before a day, at its beginning, at its end, and just after. :returns: their numbers."""
    begins, ends = (datetime.fromisoformat(f"{moment}+00:00") for moment in (since, before))
    orders = [stored(number, created_at=at) for number, at in enumerate((begins - MS, begins, ends - MS, ends))]
    insert(database, *orders)
    return [order["number"] for order in orders]


def exported(*arguments: str) -> str:
    out = io.StringIO(newline="")
    call_command("export_orders", *arguments, stdout=out, stderr=io.StringIO())
    return out.getvalue()


def cells(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


# --- days ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("zone", "day", "since", "before", "first", "last"), DAYS)
def test_a_day_of_the_filters_and_of_the_commands_is_one_of_the_zone(
    database: Database[Document], manager: Client, use_zone: UseZone, zone: str, day: date, since: str, before: str,
    first: str, last: str,
) -> None:  # fmt: skip
    earlier, begin, end, later = insert_around(database, since, before)
    use_zone(zone)
    assert rows(manager.get(LIST, {"since": day, "until": day})) == [end, begin]
    assert rows(manager.get(LIST, {"since": day + timedelta(days=1)})) == [later]
    assert rows(manager.get(LIST, {"until": day - timedelta(days=1)})) == [earlier]
    found = cells(exported("--from", str(day), "--to", f"{day:%Y%m%d}"))
    assert [row["number"] for row in found] == [end, begin]
    assert [row["created_at"][-6:] for row in found] == [last, first]


@pytest.mark.parametrize(("zone", "day", "since", "before"), [row[:4] for row in DAYS])
def test_a_day_of_the_dashboard_is_one_of_the_zone(
    database: Database[Document], manager: Client, use_zone: UseZone, zone: str, day: date, since: str, before: str
) -> None:
    insert_around(database, since, before)
    use_zone(zone)
    days = [day + timedelta(days=number) for number in (-1, 0, 1)]
    body = manager.get("/admin/", {"from": days[0], "to": days[-1]}).content.decode()
    counted = re.findall(r'<tr><th scope="row">([\d-]+)</th><td class="figures-number">(\d+)</td>', body)
    assert counted == [(str(one), number) for one, number in zip(days[::-1], "121", strict=True)]


def test_the_dashboards_today_is_that_of_the_zone(
    database: Database[Document], manager: Client, use_zone: UseZone
) -> None:
    for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago"):  # 25 hours apart: never the same day
        use_zone(zone)
        body = manager.get("/admin/", {"period": "today"}).content.decode()
        assert f'max="{timezone.localtime():%Y-%m-%d}" value="{timezone.localtime():%Y-%m-%d}"' in body


def test_the_dashboard_says_that_figures_are_being_recounted(
    database: Database[Document], manager: Client, use_zone: UseZone, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert(database, stored(status="paid"))
    refresh(seconds=30)
    use_zone("Asia/Kolkata")
    monkeypatch.setattr("orders.services.reporting.dashboard_figures.COUNTING", 0.000_001)
    told = "The time zone has changed: 1 day is being recounted."
    assert told in text_of(manager.get("/admin/"))
    while refresh(seconds=30).more:
        pass
    text = text_of(manager.get("/admin/"))
    assert told not in text
    assert re.search(r"As of [\d-]{10} \d\d:\d\d:\d\d IST ?; days are those of the time zone Asia/Kolkata\.", text)


@pytest.mark.parametrize("end", ["0001-01-01", "9998-12-31"])
@pytest.mark.parametrize("zone", ["Pacific/Auckland", "America/Los_Angeles"])
def test_the_ends_of_the_calendar_may_be_typed(
    database: Database[Document], manager: Client, use_zone: UseZone, zone: str, end: str
) -> None:
    order = insert(database, stored(status="paid"))
    use_zone(zone)
    found = rows(manager.get(LIST, {"since": "0001-01-01", "until": end}))
    assert found == ([order["number"]] if end.startswith("9") else [])
    text = exported("--from", "0001-01-01", "--to", "9999-12-31" if end.startswith("9") else end)
    assert [row["number"] for row in cells(text)] == found
    query = OrderQuery(since=datetime.min.replace(tzinfo=UTC), before=datetime.max.replace(tzinfo=UTC))
    run = bulk.start_run(selection=query, transition="ship", act=Act(admin("boss"), timezone.now()))
    assert re.search(r"placed from 0*1-01-01 .*, placed before 9999-12-31", text_of(manager.get(page_of_run(run))))


# --- moments ---------------------------------------------------------------------------------------------------------


def test_exact_times_are_by_the_clocks_of_the_zone_and_name_it(
    database: Database[Document], manager: Client, use_zone: UseZone
) -> None:
    use_zone(BERLIN)
    times = {"created_at": AFTERNOON, "placed_at": AFTERNOON, "status_since": AFTERNOON, "updated_at": AFTERNOON}
    owed = {"stock_due_at": AFTERNOON, "items": [line("releasing", call="release")]}
    order = insert(database, stored(status="cancelled", **times, **owed))
    winter = insert(database, stored(1, status="cancelled", **owed, created_at=AFTERNOON - timedelta(days=1)))
    bodies = {
        "the list": manager.get(LIST).content.decode(),
        "the order": manager.get(page(order)).content.decode(),
        "attention": manager.get(f"{LIST}attention/").content.decode(),
    }
    for name, body in bodies.items():
        assert "2026-03-29 14:05:09 CEST" in body, name
        assert " UTC" not in body, name
    assert (
        f'title="2026-03-28 13:05:09 CET">{in_words(winter["created_at"], timezone.now())}</time>'
        in (bodies["the list"])
    )


def test_the_page_of_a_run_shows_the_clocks_of_the_zone(
    database: Database[Document], manager: Client, use_zone: UseZone
) -> None:
    use_zone(BERLIN)
    insert(database, stored(status="paid", created_at=AFTERNOON))
    asked = text_of(across(manager, "start_processing", "?since=2026-03-29&until=2026-03-29"))
    assert "placed from 2026-03-29 00:00 CET, placed before 2026-03-30 00:00 CEST" in asked
    run = bulk.start_run(
        selection=OrderQuery(since=AFTERNOON), transition="start_processing", act=Act(admin("boss"), timezone.now())
    )
    moments = dict.fromkeys(("created_at", "started_at", "finished_at"), AFTERNOON)
    BulkRun.objects.filter(pk=run.pk).update(**moments, state="done")
    text = text_of(manager.get(page_of_run(run)))
    assert "placed from 2026-03-29 14:05 CEST" in text
    for name in ("Requested", "Started", "Finished"):
        assert f"{name} 2026-03-29 14:05:09 CEST" in text
    assert " UTC" not in text
    assert "2026-03-29 14:05:09 CEST" in manager.get("/admin/orders/bulkrun/").content.decode()


@pytest.mark.parametrize("name", ["packing-slip", "confirmation"])
def test_a_print_has_the_day_of_the_zone(
    database: Database[Document], manager: Client, use_zone: UseZone, name: str
) -> None:
    order = insert(database, stored(status="shipped", placed_at=datetime(2026, 3, 29, 22, tzinfo=UTC)))
    assert "Placed 2026-03-29" in text_of(manager.get(form_of(order, name)))
    use_zone(BERLIN)
    assert "Placed 2026-03-30" in text_of(manager.get(form_of(order, name)))


def test_a_day_long_ago_is_told_by_the_zone(use_zone: UseZone) -> None:
    use_zone(BERLIN)
    at = datetime(2026, 3, 29, 22, tzinfo=UTC)
    assert in_words(at, at + timedelta(days=40)) == "2026-03-30"


# --- files and commands ----------------------------------------------------------------------------------------------


def test_people_get_times_with_their_offset_and_machines_get_utc(
    database: Database[Document], manager: Client, use_zone: UseZone
) -> None:
    use_zone(BERLIN)
    insert(database, stored(created_at=AFTERNOON))
    response: Any = manager.get(f"{LIST}export/")
    assert f'filename="orders-{timezone.localtime():%Y-%m-%d}.csv"' in response["Content-Disposition"]
    [order] = cells(b"".join(response.streaming_content).decode("utf-8-sig"))
    assert order["created_at"] == "2026-03-29T14:05:09.000+02:00"
    [order] = cells(exported("--lines"))
    assert (order["created_at"], order["paid_at"]) == ("2026-03-29T14:05:09.000+02:00", "")
    assert json.loads(exported("--format", "jsonl"))["created_at"] == "2026-03-29T12:05:09.000Z"


def test_an_export_of_the_hour_that_comes_twice_is_imported_as_it_was(
    database: Database[Document], use_zone: UseZone, tmp_path: Path
) -> None:
    use_zone(BERLIN)
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)  # 02:30 in summer; an hour later 02:30 again
    moments = {OrderFactory(created_at=at, status="pending").pk: at for at in (first, first + timedelta(hours=1))}
    path = tmp_path / "orders.csv"
    path.write_text(exported("--lines"), encoding="utf-8")
    database["orders"].delete_many({})
    call_command("import_orders", str(path), stdout=io.StringIO(), stderr=io.StringIO())
    found: dict[ObjectId, datetime] = {order["_id"]: order["created_at"] for order in database["orders"].find()}
    assert found == {key: at.replace(tzinfo=None) for key, at in moments.items()}


def test_times_without_an_offset_on_a_command_line_are_of_the_zone(
    database: Database[Document], use_zone: UseZone
) -> None:
    use_zone(BERLIN)
    number = insert(database, stored(created_at=AFTERNOON))["number"]
    for begin, end, found in [
        ("2026-03-29T14:05:09", "2026-03-29T14:06", [number]),
        ("2026-03-29T12:05:09Z", "2026-03-29T12:06Z", [number]),
        ("2026-03-29T12:05:09", "2026-03-29T12:06", []),
        ("2026-W13-7", "2026-W13-7", [number]),
    ]:
        assert [row["number"] for row in cells(exported("--from", begin, "--to", end))] == found


# --- what stays in UTC -----------------------------------------------------------------------------------------------


def test_the_api_reads_and_writes_utc(visitor: Api, use_zone: UseZone) -> None:
    use_zone(BERLIN)
    late = datetime(2026, 3, 28, 23, 30, tzinfo=UTC)  # on the 29th in Berlin
    order = OrderFactory(created_at=late, status="shipped", paid_at=late, shipped_at=late)
    for day, found in (("2026-03-28", [str(order.pk)]), ("2026-03-29", [])):
        answer = visitor().get("orders/", params={"start_date": day, "end_date": day})
        assert [one["id"] for one in answer.json()] == found
    [first, second] = [
        visitor().get("orders/", params={"start_date": begin}).json() for begin in ("2026-03-28T23:30", "2026-03-29")
    ]
    assert (first[0]["created_at"], second) == ("2026-03-28T23:30:00Z", [])
    asked = {"transition": "deliver", "filter": {"created_from": "2026-03-28"}}
    run = visitor(admin=True).post("orders/bulk-transitions", json=asked).json()
    assert run["selection"]["created_from"] == "2026-03-28T00:00:00+00:00"
    answers = [
        visitor().get(f"orders/{order.pk}").text,
        visitor().get(f"orders/{order.pk}/history").text,
        visitor(admin=True).get(f"orders/bulk-transitions/{run['id']}").text,
    ]
    for text in answers:
        moments = re.findall(r"\d{4}-\d\d-\d\dT[\d:.]+([^\"]*)\"", text)
        assert moments
        assert set(moments) <= {"Z", "+00:00"}
        assert "+02:00" not in text


@pytest.mark.parametrize("form", ["json", "text"])
def test_logs_are_in_utc(use_zone: UseZone, form: str) -> None:
    use_zone(BERLIN)
    record = logging.LogRecord("orders", logging.INFO, "", 0, "told", (), None)
    record.created = AFTERNOON.timestamp()
    assert re.search("2026-03-29[T ]12:05:09", formatter_of(form).format(record))
