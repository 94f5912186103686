"""Logging in, errors and the pages about staff in the language of whoever reads them; what is kept of it is English."""

import re
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, User
from django.http import HttpResponse
from django.test import Client
from pymongo.database import Database
from pytest_django import Settings

from orders_project.models import SignIn
from tests.functional.admin_helpers import PASSWORD, Document, said, staff, text_of

GERMAN = {"Accept-Language": "de-AT,de;q=0.9,en;q=0.5"}
BROWSER = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}
LOGIN, STAFF, SECURITY = "/admin/login/", "/admin/staff/", "/admin/account/security/"


def speaks(answer: HttpResponse) -> str:
    """The language that a page says it is in."""
    [said_so] = re.findall(r'<html lang="([\w-]+)"', answer.content.decode())
    assert answer["Content-Language"] == said_so
    return str(said_so)


def log_in(client: Client, name: str = "Manager") -> HttpResponse:
    return client.post(LOGIN, {"username": name, "password": PASSWORD}, headers=BROWSER)


@pytest.mark.parametrize(
    ("asked", "language", "words"),
    [
        ("de", "de", "Willkommen zurück bei"),
        ("de-CH", "de", "Willkommen zurück bei"),
        ("fr,de;q=0.8,en;q=0.2", "de", "Willkommen zurück bei"),
        ("fr", "en", "Welcome back to"),
        ("en-GB,de", "en", "Welcome back to"),
        ("", "en", "Welcome back to"),
    ],
)
def test_the_log_in_follows_the_browser(database: Database[Document], asked: str, language: str, words: str) -> None:
    answer = Client(headers={"Accept-Language": asked}).get(LOGIN)
    assert speaks(answer) == language
    assert words in text_of(answer)
    assert "Accept-Language" in answer["Vary"]


@pytest.mark.parametrize(
    ("method", "path", "options", "status", "words"),
    [
        ("put", "login/", {}, 405, "Keine Seite unter dieser Adresse Hier kann nichts angezeigt werden"),
        ("post", "login/", {}, 403, "Diese Seite war veraltet Es wurde nichts geändert."),
        (
            "get",
            "login/",
            {"data": "x", "content_type": "text/plain; charset=latin-1"},
            415,
            "Anfragen müssen in UTF-8 kodiert sein.",
        ),
        ("post", "login/", {"CONTENT_LENGTH": "99999999"}, 413, "Anfrage zu groß Die Anfrage ist größer als"),
        ("get", "sign-on/", {}, 404, "Seite nicht gefunden Unter dieser Adresse gibt es nichts."),
    ],
)
def test_an_error_page_follows_the_browser(
    database: Database[Document], method: str, path: str, options: dict[str, Any], status: int, words: str
) -> None:
    client = Client(enforce_csrf_checks=True)
    answer = client.generic(method.upper(), f"/admin/{path}", headers=GERMAN, **options)
    assert (answer.status_code, speaks(answer)) == (status, "de")
    assert words in text_of(answer)
    assert "Übersicht" in text_of(answer)


def test_a_fault_is_told_in_german(database: Database[Document], monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("for the log only")

    monkeypatch.setattr("orders_project.staff.log_in.page", fails)
    answer = Client(raise_request_exception=False).get(LOGIN, headers=GERMAN)
    assert (answer.status_code, speaks(answer)) == (500, "de")
    assert "Etwas ist schiefgegangen Der Fehler liegt bei uns und wurde protokolliert." in text_of(answer)
    assert "for the log only" not in text_of(answer)


def test_what_is_wrong_with_a_log_in_is_told_in_german(database: Database[Document], settings: Settings) -> None:
    settings.LOG_IN_COOL_OFF = 60
    wrong = Client(headers=GERMAN).post(LOGIN, {"username": "Support", "password": "wrong"})
    told = "Der Benutzername oder das Passwort ist falsch, oder das Konto ist gesperrt."
    assert f"{told} Nach zu vielen Versuchen ist die Anmeldung für 1 Minute gesperrt." in text_of(wrong)
    settings.AXES_FAILURE_LIMIT = 1
    locked = Client(headers=GERMAN).post(LOGIN, {"username": "Support", "password": "wrong"})
    assert (locked.status_code, speaks(locked)) == (429, "de")
    assert "Zu viele fehlgeschlagene Anmeldeversuche." in text_of(locked)
    settings.LOCAL_LOGIN = False
    refused = Client(headers=GERMAN).post(LOGIN, {"username": "Support", "password": "wrong"})
    assert "Passwörter werden hier nicht angenommen." in text_of(refused)


def test_a_choice_holds_on_this_browser_whatever_it_asks_for_and_whoever_logs_in(database: Database[Document]) -> None:
    staff("Manager")
    client = Client(headers={"Accept-Language": "en"})
    log_in(client)
    chosen = client.post("/admin/language/", {"language": "de", "next": STAFF})
    assert chosen.url == STAFF
    assert client.cookies["django_language"]["max-age"] == 365 * 24 * 60 * 60
    assert speaks(client.get(STAFF)) == "de"
    assert speaks(client.post("/admin/logout/")) == "de"
    assert speaks(client.get(LOGIN)) == "de"
    log_in(client)
    assert speaks(client.get(STAFF)) == "de"
    client.post("/admin/language/", {"language": "en", "next": STAFF})
    client.post("/admin/logout/")
    assert speaks(client.get(LOGIN, headers=GERMAN)) == "en"
    assert speaks(Client(headers=GERMAN).get(LOGIN)) == "de", "the choice is of one browser"


def test_the_sidebar_and_the_pages_of_colleagues_are_german(database: Database[Document]) -> None:
    staff("Manager")
    client = Client(headers=GERMAN)
    log_in(client)
    text = text_of(client.get(STAFF))
    sidebar = "Übersicht Zu erledigen Bestellungen Neue Bestellung Sammelläufe Schnittstellen Ereignisse Webhooks"
    for words in (
        *sidebar.split(),
        "Hell",
        "Dunkel",
        "Zum Inhalt springen",
        "Konto:",
        "Mitarbeiter hinzufügen",
        "Letzte Anmeldung",
    ):
        assert words in text
    assert 'data-gone="Dieses Formular gibt es nicht mehr.' in client.get(STAFF).content.decode()


@pytest.mark.slow
def test_what_a_german_does_to_a_colleague_is_kept_in_english_and_shown_in_the_readers_language(
    database: Database[Document],
) -> None:
    staff("Manager")
    colleague = staff("Support")
    german, english = Client(headers=GERMAN), Client(headers={"Accept-Language": "en"})
    log_in(german)
    log_in(english, "Manager")
    log_in(Client(headers=GERMAN), "Support")
    page, act = f"{STAFF}{colleague.pk}/change/", f"{STAFF}{colleague.pk}/act/"
    finance = Group.objects.get(name="Finance")
    for deed in ("role", "second_factor", "password", "end_sessions", "switch_off", "switch_on"):
        answer = german.post(act, {"act": deed, "role": finance.pk})
    assert said(answer)[-1] == "Support kann sich wieder anmelden."
    german.post(f"{STAFF}add/", {"username": "maria", "email": "maria@shop.example", "role": finance.pk}, follow=True)
    kept = [*LogEntry.objects.order_by("action_time", "pk").values_list("change_message", flat=True)]
    assert kept == [
        "Role changed from Support to Finance.",
        "Password reset; a link for a new one was made.",
        "Switched off.",
        "Switched on.",
        "Added as Finance.",
    ]
    assert SignIn.objects.filter(user=colleague).get().browser == "Firefox on Linux"
    shown = text_of(german.get(page))
    for words in ("Rolle von Support zu Finance geändert.", "Gesperrt.", "Aktiviert.", "Firefox unter Linux"):
        assert words in shown
    for words in (*kept[:4], "Firefox on Linux"):
        assert words in text_of(english.get(page))
    added = User.objects.get(username="maria")
    assert "Als Finance hinzugefügt." in text_of(german.get(f"{STAFF}{added.pk}/change/"))
