"""The backoffice speaks its reader's language, with days and numbers as that writes them; the API speaks English."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from urllib.parse import quote

import pytest
from bson import Decimal128
from django.test import Client
from django.utils.translation import get_language, override
from pymongo.database import Database
from pytest_django import Settings

from orders.admin import local_formats
from orders.admin.money_format import money
from tests.conftest import UseZone
from tests.functional.admin_helpers import LIST, Document, client_of, find, form_of, insert, page, stored, text_of

GERMAN = {"Accept-Language": "de-AT,de;q=0.9,en;q=0.5"}
SWITCH = "/admin/language/"
EVENING = datetime(2026, 11, 28, 23, 5, 9, tzinfo=UTC)


@pytest.fixture
def german(database: Database[Document]) -> Client:
    return client_of("Manager", headers=GERMAN)


def language_of(client: Client, address: str = LIST) -> str:
    """The language of a page, which its headers and its markup agree on."""
    answer = client.get(address)
    language = answer["Content-Language"]
    assert f'<html lang="{language}"' in answer.content.decode()
    assert {"Accept-Language", "Cookie"} <= {name.strip() for name in answer["Vary"].split(",")}
    return language


# --- numbers and moments ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("language", "written"),
    [
        ("en", ["€1,234.50", "1,234,567", "12.3 %", "2026-11-29", "2026-11-29 00:05 CET", "2026-11-29 00:05:09 CET"]),
        ("de", ["1.234,50 €", "1.234.567", "12,3 %", "29.11.2026", "29.11.2026 00:05 CET", "29.11.2026 00:05:09 CET"]),
    ],
)
def test_numbers_money_and_moments_are_written_as_in_the_language_by_the_clocks_of_the_shop(
    language: str, written: list[str], use_zone: UseZone
) -> None:
    use_zone("Europe/Berlin")
    with override(language):
        told = [
            money(Decimal("1234.50"), "EUR"), local_formats.count(1_234_567), local_formats.percent(0.1234),
            local_formats.day(EVENING), local_formats.minute(EVENING), local_formats.exact(EVENING),
        ]  # fmt: skip
    assert [text.replace("\xa0", " ") for text in told] == written


@pytest.mark.parametrize(
    ("language", "passed", "told"),
    [
        ("en", timedelta(seconds=59), "just now"),
        ("en", timedelta(minutes=1), "1 minute ago"),
        ("en", timedelta(hours=3, minutes=59), "3 hours ago"),
        ("de", timedelta(hours=3), "vor 3 Stunden"),
        ("de", timedelta(days=1), "vor 1 Tag"),
    ],
)
def test_how_long_ago_something_was_is_said_in_the_language(language: str, passed: timedelta, told: str) -> None:
    with override(language):
        assert local_formats.ago(EVENING, EVENING + passed) == told


def test_a_page_has_them_so(database: Database[Document], german: Client, use_zone: UseZone) -> None:
    use_zone("Europe/Berlin")
    times = dict.fromkeys(("created_at", "placed_at", "status_since", "updated_at"), EVENING)
    order = insert(database, stored(status="paid", total_price=Decimal128("1234.50"), **times))
    for address in (LIST, page(order)):
        answer = german.get(address)
        text = text_of(answer).replace("\xa0", " ")
        assert "1.234,50 €" in text, address
        assert "€1,234.50" not in text, address
        assert "29.11.2026 00:05:09 CET" in answer.content.decode(), address
        assert "2026-11-29 00:05" not in text, address
    assert 'datetime="2026-11-28T23:05:09+00:00"' in german.get(page(order)).content.decode(), "for machines"


def test_an_amount_that_a_form_offers_is_taken_as_it_stands(database: Database[Document], german: Client) -> None:
    owed = {"status": "cancelled", "paid": Decimal128("1234.50"), "owed": Decimal128("1234.50")}
    order = insert(database, stored(total_price=Decimal128("1234.50"), **owed))
    offered = re.search(r'name="amount"[^>]* value="([^"]*)"', german.get(page(order)).content.decode())
    assert offered
    form = {"version": 1, "amount": offered[1], "reason_code": "customer", "form": "refund part"}
    answer = german.post(form_of(order, "refund"), form)
    assert answer.status_code == 302, text_of(answer)
    assert find(database, order)["refunds"][0]["amount"] == Decimal128("1234.50")


# --- who reads which language ----------------------------------------------------------------------------------------


def test_a_person_reads_what_they_have_chosen_else_what_their_browser_asks_for_else_english(german: Client) -> None:
    assert language_of(german) == "de"
    german.post(SWITCH, {"language": "en"})
    assert language_of(german) == "en"
    other = Client(headers={"Accept-Language": "fr, nl;q=0.8"})
    assert language_of(other, "/admin/login/") == "en"
    other.post(SWITCH, {"language": "de"})
    assert language_of(other, "/admin/login/") == "de", "before anybody has logged in"


def test_a_choice_is_kept_for_a_year_and_read_by_no_script_nor_sent_by_other_sites(german: Client) -> None:
    answer = german.post(SWITCH, {"language": "de", "next": LIST})
    kept = answer.cookies["django_language"]
    assert (answer.status_code, answer["Location"], kept.value) == (302, LIST, "de")
    assert (kept["max-age"], kept["samesite"], kept["httponly"]) == (365 * 24 * 60 * 60, "Lax", True)


def test_the_switch_leads_to_no_other_host_and_takes_no_language_that_there_is_not(german: Client) -> None:
    answer = german.post(SWITCH, {"language": "tlh", "next": "https://elsewhere.example/"})
    assert answer.status_code == 302
    assert "elsewhere" not in answer["Location"]
    assert "django_language" not in answer.cookies
    assert language_of(german) == "de", "as before"
    assert german.get(f"{SWITCH}?language=en").status_code == 405
    assert language_of(german) == "de"
    assert Client(enforce_csrf_checks=True).post(SWITCH, {"language": "en"}).status_code == 403


def test_a_cookie_that_says_nonsense_is_passed_over(german: Client) -> None:
    for nonsense in ("tlh", "../de", "d" * 600, quote("„")):
        german.cookies["django_language"] = nonsense
        assert language_of(german) == "de"


@pytest.mark.parametrize(("address", "status"), [("nothing/", 404), ("logout/", 405), ("auth/user/", 403)])
def test_pages_about_errors_are_in_the_language_too(german: Client, address: str, status: int) -> None:
    answer = german.get(f"/admin/{address}")
    assert answer.status_code == status
    assert answer["Content-Language"] == "de"
    assert '<html lang="de"' in answer.content.decode()


# --- who always speaks English ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["/api/v1/orders", "/api/v1/orders/000", "/api/v1/nothing", "/health"])
def test_the_api_answers_in_english_whatever_it_is_asked_for(german: Client, address: str) -> None:
    german.cookies["django_language"] = "de"
    told, usual = german.get(address), Client().get(address)
    assert (told.status_code, told.content) == (usual.status_code, usual.content)
    assert "Content-Language" not in told
    assert "Accept-Language" not in told.get("Vary", "")


def test_the_export_is_in_english_and_does_not_say_otherwise(database: Database[Document], german: Client) -> None:
    insert(database, stored(status="paid", total_price=Decimal128("1234.50")))
    answer = german.get(f"{LIST}export/")
    heads, row = b"".join(answer.streaming_content).decode().splitlines()
    assert '"status"' in heads.split(",")
    assert {'"paid"', '"1234.50"'} <= set(row.split(","))
    assert "Content-Language" not in answer


def test_a_thread_that_has_shown_a_page_speaks_english_again(german: Client, settings: Settings) -> None:
    before = get_language()
    for address in (LIST, "/admin/nothing/"):
        assert german.get(address)["Content-Language"] == "de"
        assert get_language() == before == settings.LANGUAGE_CODE
