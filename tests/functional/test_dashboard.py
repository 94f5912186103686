"""The first page: figures for those who see orders, for every period that is asked for, in bounded time."""

import csv
import io
import re
from datetime import UTC, date, datetime, timedelta

import pytest
from bson import Decimal128
from django.conf import settings
from django.http import HttpResponse
from django.test import Client
from django.utils import translation
from django.utils.translation import gettext
from pymongo.database import Database

from devtools.localhost import ROOT
from orders.admin.figure_words import DEFINITIONS
from orders.services.reporting import dashboard_figures as dashboards
from orders.services.reporting.figures_refresh import refresh
from orders.storage import daily_figures, stock_trouble, turned_away
from tests.functional.admin_helpers import LIST, Document, client_of, insert, line, profiled, stored, text_of

START = "/admin/"


def today() -> date:
    return datetime.now(UTC).date()


def noon(days_ago: int) -> datetime:
    """A moment on a day, not after now."""
    at = datetime.now(UTC).replace(microsecond=0) - timedelta(days=days_ago)
    return at if days_ago == 0 else at.replace(hour=12)


@pytest.fixture(name="reader", scope="module")
def reader_fixture(module_database: Database[Document]) -> Client:
    """Somebody who looks at a few orders, which are counted once for all: the tests that do so come first."""
    shop(module_database)
    return client_of("Support")


def shop(database: Database[Document]) -> None:
    """A few orders: what each is worth, and when it was placed."""
    for number, (days_ago, status, total) in enumerate(
        [(0, "paid", "10.00"), (0, "pending", "7.00"), (3, "delivered", "1234.50"), (3, "refunded", "5.00"),
         (20, "shipped", "100.00"), (60, "cancelled", "9.00"), (200, "delivered", "1000.00")]
    ):  # fmt: skip
        at = noon(days_ago)
        paid = {"paid_at": at - timedelta(hours=3), "shipped_at": at} if status in ("delivered", "shipped") else {}
        insert(database, stored(number, status=status, total_price=Decimal128(total), created_at=at, **paid))
    refresh(seconds=60)
    while refresh(seconds=60).more:
        pass


def tiles(response: HttpResponse) -> dict[str, str]:
    body = response.content.decode().partition('<dl class="figures-definitions">')[0]
    return dict(re.findall(r"<dt>([\w ]+)</dt><dd>([^<]*)</dd>", body))


@pytest.mark.parametrize(
    ("query", "orders", "revenue"),
    [("?period=today", "2", "€10.00"), ("?period=7", "4", "€1,244.50"), ("", "5", "€1,344.50"),
     ("?period=30", "5", "€1,344.50"), ("?period=90", "6", "€1,344.50"), ("?period=year", "7", "€2,344.50")],
)  # fmt: skip
def test_each_period_shows_its_orders_and_what_they_come_to(
    reader: Client, query: str, orders: str, revenue: str
) -> None:
    response = reader.get(START + query)
    assert response.status_code == 200
    shown = tiles(response)
    assert (shown["Orders"], shown["Revenue"]) == (orders, revenue)
    chosen = re.findall(r'<a href="\?period=(\w+)" aria-current="page">', response.content.decode())
    assert chosen == [query.partition("=")[2] or "30"]
    assert re.search(r"As of [\d-]{10} \d\d:\d\d:\d\d UTC", text_of(response))


def test_own_days_are_shown_from_the_first_to_the_last(reader: Client) -> None:
    first, last = today() - timedelta(days=21), today() - timedelta(days=3)
    response = reader.get(START, {"from": first.isoformat(), "to": last.isoformat()})
    shown = tiles(response)
    assert (shown["Orders"], shown["Revenue"], shown["Average order"]) == ("3", "€1,334.50", "€667.25")
    assert shown["Paid to shipped"] == "3 h"
    body = response.content.decode()
    assert f'name="from" required max="{today()}" value="{first}"' in body
    assert f'name="to" required max="{today()}" value="{last}"' in body
    assert 'aria-current="page"' not in body
    assert f"{last} 2 €1,234.50 €0.00 €1,234.50 €0.00 €1,234.50" in text_of(response)
    assert "Delivered 1 33.3 %" in text_of(response)


def file_of(client: Client, name: str, query: str = "?period=30") -> list[dict[str, str]]:
    response = client.get(f"{LIST}figures/{name}.csv{query}")
    assert (response.status_code, response["Content-Type"]) == (200, "text/csv; charset=utf-8"), name
    return list(csv.DictReader(io.StringIO(response.content.decode().removeprefix("\ufeff"))))


def test_each_table_is_a_file_of_plain_numbers_for_whoever_sees_the_page(reader: Client) -> None:
    first, day = today() - timedelta(days=29), today() - timedelta(days=3)
    body = reader.get(START).content.decode()
    links = re.findall(r'href="(/admin/orders/order/figures/([\w-]+)\.csv\?from=[\d-]+&amp;to=[\d-]+)"', body)
    names = [name for _address, name in links]
    assert names == ["days", "hours", "money", "statuses", "stays", "best-units", "best-revenue"]
    assert {f"from={first}&amp;to={today()}" in address for address, _name in links} == {True}
    for name in (*names, "reasons", "stock", "turned-away"):
        file_of(reader, name)
    days = file_of(reader, "days", f"?from={first}&to={today()}")
    assert len(days) == 30
    [row] = [row for row in days if row["Day"] == str(day)]
    assert (row["Orders"], row["Gross (EUR)"], row["Net (EUR)"]) == ("2", "1234.50", "1234.50")
    assert (row["Compared with"], row["Orders before"], row["Revenue before (EUR)"]) == (
        str(day - timedelta(days=30)), "0", "0.00",
    )  # fmt: skip
    [shipped] = [row for row in file_of(reader, "stays") if row["Status"] == "Paid to shipped"]
    assert (shipped["Orders"], shipped["9 in 10 within (minutes)"]) == ("2", "181")
    assert [row for row in file_of(reader, "statuses") if row["Status"] == "Pending"] == [
        {"Status": "Pending", "Orders": "1", "Share (%)": "20.0", "Before": "0"}
    ]


def test_a_german_reads_german_days_and_numbers_and_gets_files_of_the_same_plain_ones(reader: Client) -> None:
    first, day = today() - timedelta(days=6), today() - timedelta(days=3)
    response = reader.get(f"{START}?period=7", headers={"Accept-Language": "de"})
    body, told = response.content.decode(), text_of(response).replace("\xa0", " ")
    assert f"{day:%d.%m.%Y} 2 1.234,50 € 0,00 €" in told
    assert f"<title>{day:%d.%m.%Y}: 1.234,50\xa0€, " in body
    assert f"{first:%d.%m.%Y}" in body.partition('class="figures-note"')[2].partition("</p>")[0]
    assert f'value="{first}"' in body
    assert f"days.csv?from={first}&amp;to={today()}" in body
    drawn = re.findall(r' (?:x|width|height)="([^"]*)"', body.partition('class="figures-plot"')[2])
    assert [number for number in drawn if not re.fullmatch(r"[\d.]+", number)] == []
    with translation.override("de"):
        head = f'"{gettext("Day")}","{gettext("Orders")}",'
    for name in ("days", "best-revenue", "money"):
        english, german = (
            reader.get(f"{LIST}figures/{name}.csv?period=7", headers={"Accept-Language": language}).content.decode()
            for language in ("en", "de")
        )
        assert english.splitlines()[1:] == german.splitlines()[1:] != [], name
        if name == "days":
            assert german.removeprefix("\ufeff").startswith(head)


def test_a_file_that_cannot_be_made_leads_to_the_dashboard_or_nowhere(
    reader: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = reader.get(f"{LIST}figures/days.csv?period=decade")
    assert (wrong.status_code, wrong.url) == (302, f"{START}?period=decade")
    assert reader.get(f"{LIST}figures/nothing.csv").status_code == 404
    monkeypatch.setattr(dashboards, "READING", 0.000_001)
    slow = reader.get(f"{LIST}figures/days.csv", follow=True)
    assert "The figures could not be read in time." in text_of(slow)


def test_a_long_period_is_drawn_by_the_week(reader: Client) -> None:
    body = reader.get(f"{START}?period=year").content.decode()
    charts = re.findall(r'role="img" aria-label="(Orders per week[^"]+)"', body)
    assert len(charts) == 1
    fields = re.findall(r'class="figures-field"[^>]*><title>([^<]+)</title>', body)
    assert len(fields) == 53 + 53 + 24
    week = f"{today() - timedelta(days=6)} – {today()}"
    assert fields[52] == f"{week}: 4"
    assert f"{week} 4 €1,244.50 €0.00 €1,244.50 €0.00 €1,244.50" in text_of(reader.get(f"{START}?period=year"))
    assert len(file_of(reader, "days", "?period=year")) == 365, "the file has every day"
    assert fields[0] == f"{today() - timedelta(days=364)}: 0"


def test_what_the_figures_mean_is_said_on_the_page_and_in_the_documentation(reader: Client) -> None:
    told = text_of(reader.get(START))
    written = " ".join((ROOT / "docs" / "dashboard.md").read_text().split())
    for title, meaning in DEFINITIONS.values():
        assert f"{title} {meaning}" in told
        assert f"**{title}** {meaning}" in written or f"| {title} | {meaning} |" in written, title


BAD = [
    ({"period": "decade"}, "Unknown period."),
    ({"from": "2026-13-01", "to": "2026-01-01"}, "Enter both dates as YYYY-MM-DD."),
    ({"from": "2026-01-01"}, "Enter both dates"), ({"to": ""}, "Enter both dates"),
    ({"from": "\0", "to": "<script>"}, "Enter both dates"), ({"from": "9" * 5000, "to": "1"}, "Enter both dates"),
    ({"from": "2020-02-01", "to": "2020-01-01"}, "after the end date"),
    ({"from": "2020-01-01", "to": "9999-12-31"}, "in the future"),
    ({"from": "0001-01-01", "to": "0001-01-01"}, "no figures before 2000-01-01"),
    ({"from": "2020-01-01", "to": "2022-01-01"}, "at most 366 days"),
]  # fmt: skip


@pytest.mark.parametrize(("query", "problem"), BAD)
def test_a_period_that_makes_no_sense_is_told_and_the_usual_one_shown(
    reader: Client, query: dict[str, str], problem: str
) -> None:
    response = reader.get(START, query)
    assert response.status_code == 200
    assert problem in text_of(response)
    assert tiles(response)["Orders"] == "5"
    assert '<script>"' not in response.content.decode()


def test_the_charts_are_told_in_words_and_as_a_table(reader: Client) -> None:
    body = reader.get(f"{START}?period=7").content.decode()
    charts = re.findall(r'<svg viewBox="0 0 100 100" preserveAspectRatio="none" role="img" aria-label="([^"]+)">', body)
    first = today() - timedelta(days=6)
    [(busiest, hour)] = re.findall(r"by hour .* peak of (\d) on (\d\d:00–\d\d:59)", charts[-1])
    assert charts == [
        f"Orders per day, from {first} to {today()}: 4 in total, with a peak of 2 on {today() - timedelta(days=3)}; "
        "the period before had 0.",
        f"Revenue per day, from {first} to {today()}: €1,244.50 in total, with a peak of €1,234.50 "
        f"on {today() - timedelta(days=3)}; the period before had €0.00.",
        f"Orders by hour of the day, from {first} to {today()}: 4 in total, with a peak of {busiest} on {hour}.",
    ]
    assert len(re.findall(r"<rect [^>]*><title>", body)) == 7 + 7 + 24, "every bar, also one of nothing, has its value"
    assert len(re.findall(r'<tr><th scope="row">\d{4}-\d\d-\d\d</th>', body)) == 7
    assert len(re.findall(r'<tr><th scope="row">\d\d:00–\d\d:59</th>', body)) == 24
    assert len(re.findall("<h1", body)) == 1


def test_amounts_in_other_currencies_are_told_apart_and_best_sellers_by_name(database: Database[Document]) -> None:
    towel = line() | {"name": "Bath towel"}
    for number, (currency, total) in enumerate(
        [("EUR", "10.00"), ("CHF", "20.00"), ("JPY", "900.00"), ("CHF", "1.00")]
    ):
        money = {"currency": currency, "total_price": Decimal128(total)}
        insert(database, stored(number, status="paid", items=[towel], created_at=noon(0), **money))
    nameless = line() | {"product_id": "f" * 24, "quantity": 1}
    insert(database, stored(9, status="paid", items=[nameless], created_at=noon(0), total_price=Decimal128("5.00")))
    while refresh(seconds=60).more:
        pass
    response = client_of("Support").get(START)
    shown, told = tiles(response), text_of(response)
    assert (shown["Orders"], shown["Revenue"], shown["Average order"]) == ("5", "€15.00", "€7.50")
    assert "Revenue €15.00 no earlier figure kept of 2 paid orders in EUR" in told
    assert "Currency Gross Refunded Net Owed Revenue EUR €15.00 €0.00 €15.00 €0.00 €15.00 CHF CHF 21.00" in told
    assert "JPY ¥900 ¥0 ¥900 ¥0 ¥900 Amounts in different currencies are not added up" in told
    assert f"Best sellers Product Units Revenue Bath towel {towel['product_id']} 8 €29.80 {'f' * 24} 1 €14.90" in told


def test_a_name_that_is_a_formula_stays_a_name_in_the_file(database: Database[Document]) -> None:
    insert(database, stored(1, status="paid", items=[line() | {"name": "=1+1"}], created_at=noon(0)))
    turned_away.add(daily_figures.day_key(today()), {"+49": 3})
    while refresh(seconds=60).more:
        pass
    support = client_of("Support")
    [sold] = file_of(support, "best-units")
    assert (sold["Product"], sold["Units"]) == ("'=1+1", "2")
    assert file_of(support, "turned-away") == [
        {"Product id": "'+49", "Product": "'+49", "Units": "3", "Orders refused": "1"}
    ]
    assert "Turned away for lack of stock Product Units Orders refused +49 3 1" in text_of(support.get(START))


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        (["10.00"], ["10.00", "5.00"], ("+1 (+100.0 %); before 1", "+€5.00 (+50.0 %); before €10.00")),
        (["10.00", "2.00"], ["9.00"], ("−1 (−50.0 %); before 2", "−€3.00 (−25.0 %); before €12.00")),
        (["10.00"], ["10.00"], ("the same as before", "the same as before")),
        (["10.00"], [], ("−1 (−100.0 %); before 1", "−€10.00 (−100.0 %); before €10.00")),
        ([], ["10.00"], ("no earlier figure", "no earlier figure")),
    ],
)
def test_figures_stand_beside_those_of_the_days_before(
    database: Database[Document], before: list[str], now: list[str], told: tuple[str, str]
) -> None:
    for number, (days_ago, total) in enumerate([*((8, total) for total in before), *((0, total) for total in now)]):
        insert(database, stored(number, status="paid", total_price=Decimal128(total), created_at=noon(days_ago)))
    while refresh(seconds=60).more:
        pass
    shown = re.findall(
        r'<dt>(Orders|Revenue)</dt><dd>[^<]*</dd><dd class="figures-compared">([^<]*)</dd>',
        client_of("Support").get(f"{START}?period=7").content.decode(),
    )
    assert shown == [("Orders", told[0]), ("Revenue", told[1])]


def test_where_there_was_nothing_before_there_is_no_percentage(database: Database[Document]) -> None:
    for number, (days_ago, status) in enumerate([(20, "paid"), (8, "pending"), (0, "paid")]):
        insert(database, stored(number, status=status, created_at=noon(days_ago)))
    while refresh(seconds=60).more:
        pass
    told = text_of(client_of("Support").get(f"{START}?period=7"))
    assert "Revenue €29.80 +€29.80; before €0.00 kept of 1 paid order " in told
    assert "Average order €29.80 no earlier figure" in told


def test_a_period_without_orders_says_so(database: Database[Document]) -> None:
    told = text_of(client_of("Support").get(f"{START}?period=today"))
    assert told.count("No data for this period.") == 3
    assert "No sales in this period." in told
    assert "no orders shipped" in told
    assert "All caught up." in told


def test_stock_trouble_is_counted_from_its_newest_orders_and_the_page_says_so(
    database: Database[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stock_trouble, "MOST", 3)
    trouble = [line("unknown"), line("released", discrepancy=1)]
    for number, status in enumerate(("rejected", "cancelled")):
        insert(database, stored(number, status=status, items=[*trouble, line()]))
    support, cut = client_of("Support"), "There may be more: only the newest of the orders concerned are counted."
    told = text_of(support.get(START))
    assert "Unconfirmed stock 1 2 Short release 1 1" in told, "of the order that was placed"
    assert cut not in told
    insert(database, stored(2, status="cancelled", items=trouble))
    monkeypatch.setattr(stock_trouble, "MOST", 1)  # the newest was rejected
    told = text_of(support.get(START))
    assert "Unconfirmed stock 0 0 Short release 0 0" in told
    assert cut in told
    assert "All stock of these orders is accounted for." not in told


def test_whoever_sees_no_orders_sees_a_welcome_and_no_figures(database: Database[Document]) -> None:
    shop(database)
    response = client_of("nobody").get(f"{START}?period=year")
    assert "Welcome, nobody" in text_of(response)
    assert "2,344.50" not in response.content.decode()
    assert "figures" not in response.context
    assert Client().get(START).url.startswith("/admin/login/")


def test_days_that_are_not_counted_yet_are_said_to_be_missing(
    database: Database[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    insert(database, stored(1, created_at=noon(40)), stored(2, created_at=noon(0)))
    monkeypatch.setattr(dashboards, "COUNTING", 0.000_001)
    response = client_of("Support").get(START)
    told = text_of(response)
    assert "No figures have been counted yet." in told
    assert "30 days are not counted yet and missing from these figures" in told
    assert f"{today()} – – – – – – " in told
    assert f"{today()}: not counted yet" not in told, "nothing is drawn of what is not known"
    monkeypatch.undo()
    while refresh(seconds=60).more:
        pass
    assert "not counted yet" not in text_of(client_of("Manager").get(START))


def test_figures_that_cannot_be_read_in_time_are_not_waited_for(
    database: Database[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dashboards, "READING", 0.000_001)
    response = client_of("Support").get(START)
    assert response.status_code == 200
    assert "The figures could not be read in time." in text_of(response)
    assert tiles(response) == {}


@pytest.mark.parametrize(("minutes", "told"), [(35, "35 min"), (300, "5 h"), (3 * 1440 + 240, "3 days 4 h")])
def test_the_time_from_paid_to_shipped_is_told_in_what_suits_it(
    database: Database[Document], minutes: int, told: str
) -> None:
    paid = noon(0) - timedelta(minutes=minutes)
    insert(database, stored(1, status="shipped", created_at=paid, paid_at=paid, shipped_at=noon(0)))
    while refresh(seconds=60).more:
        pass
    assert tiles(client_of("Support").get(START))["Paid to shipped"] == told


def test_the_page_reads_no_orders_but_those_that_wait(
    database: Database[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    insert(database, *(stored(number, status="delivered", created_at=noon(number % 30)) for number in range(1500)))
    monkeypatch.setattr(settings, "FIGURES_EVERY", 3600.0)
    while refresh(seconds=60).more:
        pass
    support = client_of("Support")
    support.get(START)
    with profiled(database) as operations:
        assert tiles(support.get(START))["Orders"] == "1,500"
    assert any(operation["ns"].endswith(".figures_by_day") for operation in operations)
    for operation in operations:
        if operation["ns"].endswith((".orders", ".figures_by_day")):
            assert "COLLSCAN" not in operation["planSummary"], operation
            most = 1 if operation["ns"].endswith(".orders") else 61
            assert operation["docsExamined"] <= most, operation
