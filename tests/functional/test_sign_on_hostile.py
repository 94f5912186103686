"""Sign-on where the provider, the network or a visitor lies: nobody gets in, and passwords do what they did before."""

import base64
import hashlib
import json
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import jwt
import pytest
from axes.models import AccessAttempt
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db.models.signals import m2m_changed
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.urls import reverse
from pymongo.database import Database
from pytest_django import Settings

from orders_project.models import StaffIdentity
from orders_project.sign_on import accounts, provider
from tests.functional.admin_helpers import PASSWORD, staff, text_of
from tests.functional.helpers import at_once
from tests.functional.sign_on_providers import CLIENT_ID, KEY, SECRET, STRANGER, StandIn, signed, stand_in, switch_on
from tests.functional.tokens import handmade

Documents = Database[dict[str, Any]]
START, CALLBACK, INDEX, LOG_IN = "/admin/sign-on/", "/admin/sign-on/callback/", "/admin/", "/admin/login/"
pytestmark = pytest.mark.slow
FAR = "x" * 256


@pytest.fixture(scope="module", name="running")
def running_fixture() -> Iterator[StandIn]:
    with stand_in() as running:
        yield running


@pytest.fixture(name="liar")
def liar_fixture(running: StandIn, settings: Settings, database: Documents) -> Iterator[StandIn]:
    switch_on(settings, running.issuer)
    honest = vars(running).copy()
    running.announced, running.asked = dict(running.announced), []
    yield running
    vars(running).update(honest)


def start(client: Client, **query: str) -> dict[str, str]:
    """Begin a log-in. :returns: what the provider is asked."""
    answer = client.get(START, query)
    assert answer.status_code == 302, text_of(answer)
    return {name: values[0] for name, values in parse_qs(urlsplit(answer["Location"]).query).items()}


def come_back(client: Client, liar: StandIn, *, next: str = "", **more: Any) -> HttpResponse:
    """A whole log-in, with these claims in place of the honest ones."""
    asked = start(client, **({"next": next} if next else {}))
    liar.id_token = signed(liar.claims(asked["nonce"], **more))
    return client.get(CALLBACK, {"code": "c", "state": asked["state"]})


def is_in(client: Client) -> bool:
    return client.get(INDEX).status_code == 200


def test_the_provider_is_asked_by_the_book_and_the_code_is_changed_for_tokens_with_what_proves_who_asked(
    liar: StandIn, client: Client
) -> None:
    asked = start(client)
    assert asked | {"state": "", "nonce": "", "code_challenge": ""} == {
        "response_type": "code",
        "scope": "openid profile email",
        "client_id": CLIENT_ID,
        "redirect_uri": "http://testserver/admin/sign-on/callback/",
        "code_challenge_method": "S256",
        **dict.fromkeys(("state", "nonce", "code_challenge"), ""),
    }
    liar.id_token = signed(liar.claims(asked["nonce"]))
    answer = client.get(CALLBACK, {"code": "c", "state": asked["state"]})
    assert (answer.status_code, answer["Location"]) == (302, INDEX)
    (form,) = liar.asked
    proof = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).decode().rstrip("=")
    assert proof == asked["code_challenge"]
    assert (form["client_secret"], form["header"]) == (SECRET, "")
    assert start(Client(), again="1")["prompt"] == "login"

    liar.announced["token_endpoint_auth_methods_supported"] = ["client_secret_basic"]
    provider.forget()
    assert come_back(Client(), liar).status_code == 302
    whole = base64.b64encode(f"{CLIENT_ID}:{quote(SECRET, safe='')}".encode()).decode()
    assert (liar.asked[-1]["header"], liar.asked[-1].get("client_secret")) == (f"Basic {whole}", None)


Forger = Callable[[StandIn, dict[str, Any]], Any]


def claiming(**more: Any) -> Forger:
    return lambda liar, honest: signed(honest | more)


def without(name: str) -> Forger:
    return lambda liar, honest: signed({key: value for key, value in honest.items() if key != name})


def by_public_key(liar: StandIn, honest: dict[str, Any]) -> str:
    public = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return handmade({"alg": "HS256", "typ": "JWT", "kid": "k"}, honest, public)


NOW = int(time.time())
LIES: dict[str, Forger] = {
    "another issuer": claiming(iss="https://evil.example"),
    "the issuer with a slash": lambda liar, honest: signed(honest | {"iss": f"{liar.issuer}/"}),
    "for another client": claiming(aud="another"),
    "for another client too": claiming(aud=[CLIENT_ID, "another"], azp=CLIENT_ID),
    "for nobody": claiming(aud=[]),
    "got by another client": claiming(azp="another"),
    "got by a client without a name": claiming(azp=None),
    "expired": claiming(exp=NOW - 3600),
    "from the future": claiming(iat=NOW + 3600),
    "not valid yet": claiming(nbf=NOW + 3600),
    "expires never": claiming(exp=float("inf")),
    "expires whenever": claiming(exp="soon"),
    "expires in a list": claiming(exp=[NOW + 60]),
    "expires in no number": claiming(exp=float("nan")),
    "issued in a list": claiming(iat=[NOW]),
    "for a mapping": claiming(aud={CLIENT_ID: 1}),
    "got by a list": claiming(azp=[CLIENT_ID]),
    "of another log-in": claiming(nonce="another"),
    "a list of nonces": lambda liar, honest: signed(honest | {"nonce": [honest["nonce"]]}),
    "a nonce of strange letters": claiming(nonce="\u00e9"),
    "nobody's": claiming(sub=""),
    "a number's": claiming(sub=7),
    "of too long a subject": claiming(sub=FAR),
    "of an unreadable subject": claiming(sub="a\x00b"),
    "of half a character": claiming(sub="\ud800"),
    "of a log-in that cannot be read": claiming(nonce="\ud800"),
    **{f"without {name}": without(name) for name in ("iss", "sub", "aud", "exp", "iat", "nonce")},
    "by another key": lambda liar, honest: signed(honest, STRANGER),
    "by a key that is not there": lambda liar, honest: signed(honest, STRANGER, kid="other"),
    "by nobody": lambda liar, honest: jwt.encode(honest, None, algorithm="none", headers={"kid": "k"}),
    "by our secret": lambda liar, honest: jwt.encode(
        honest, SECRET.ljust(32, "+"), algorithm="HS256", headers={"kid": "k"}
    ),
    "by the public key as a secret": by_public_key,
    "cut": lambda liar, honest: signed(honest)[:-10],
    "no token": lambda liar, honest: "nonsense",
    "not even text": lambda liar, honest: None,
    "too deep": lambda liar, honest: {"a": [1]},
}


def test_a_token_that_is_not_for_this_very_log_in_lets_nobody_in(liar: StandIn) -> None:
    victim = User.objects.create_superuser("root", password=PASSWORD)
    accounts.link(victim, liar.issuer, "248289761001")
    outcome = {}
    for lie, forge in LIES.items():
        client = Client()
        asked = start(client)
        liar.id_token = forge(liar, liar.claims(asked["nonce"]))
        answer = client.get(CALLBACK, {"code": "c", "state": asked["state"]})
        outcome[lie] = answer.status_code, "could not be verified" in text_of(answer), is_in(client)
    assert outcome == dict.fromkeys(LIES, (403, True, False))
    assert User.objects.count() == 1
    assert is_in_after(liar), "the honest one does"


def is_in_after(liar: StandIn) -> bool:
    client = Client()
    return come_back(client, liar).status_code == 302 and is_in(client)


def test_what_else_goes_wrong_at_the_provider_is_a_page_that_says_so(liar: StandIn, settings: Settings) -> None:
    def broken(**how: Any) -> tuple[int, bool]:
        honest = vars(liar).copy()
        liar.announced = dict(liar.announced)
        announced = how.pop("announced", {})
        liar.announced.update(announced)
        vars(liar).update(how)
        provider.forget()
        client = Client()
        answer = client.get(START)
        if answer.status_code == 302:
            answer = come_back(client, liar)
        vars(liar).update(honest)
        provider.forget()
        return answer.status_code, is_in(client)

    userinfo = {"userinfo_endpoint": f"{liar.issuer}/userinfo"}
    assert broken(status=400) == (403, False)
    assert broken(status=500) == (503, False)
    assert broken(announced=userinfo, userinfo={"sub": "somebody else"}) == (403, False)
    assert broken(announced=userinfo, userinfo=["nothing"]) == (403, False)
    assert broken(announced=userinfo, userinfo="a.b.c", kind="application/jwt") == (403, False)
    assert broken(announced=userinfo, userinfo={"sub": "248289761001", "iss": "ignored", "groups": []}) == (302, True)
    assert broken(announced={"userinfo_endpoint": f"{liar.issuer}/gone"}) == (403, False)
    assert broken(announced={"issuer": "https://evil.example"}) == (503, False)
    assert broken(announced={"token_endpoint": "ftp://evil.example"}) == (503, False)
    assert broken(announced={"jwks_uri": None}) == (503, False)
    assert broken(announced={"token_endpoint": "http://127.0.0.1:1/token"}) == (503, False)
    assert broken(announced={"jwks_uri": f"{liar.issuer}/gone"}) == (503, False)
    assert broken(announced={"token_endpoint": f"{liar.issuer}/userinfo"}, status=200) == (403, False)
    assert broken(announced=[]) == (302, True), "the control: nothing is broken"


def test_a_provider_over_tls_leads_nowhere_without_it(liar: StandIn, settings: Settings) -> None:
    issuer = settings.OIDC_ISSUER = "https://id.example"
    names = ("authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint", "end_session_endpoint")
    announced = {"issuer": f"{issuer}/"} | {name: f"{issuer}/{name}" for name in names}
    assert provider._announced(announced, issuer).token == f"{issuer}/token_endpoint"
    for name in names:
        for address in ("http://id.example/", "file:///etc/passwd", "javascript:alert(1)", 7):
            with pytest.raises(ValueError, match=f"its {name} is no https address"):
                provider._announced(announced | {name: address}, issuer)


def test_while_the_provider_is_down_a_password_still_lets_in(settings: Settings, database: Documents) -> None:
    switch_on(settings, "http://127.0.0.1:1")
    staff("Support")
    client = Client()
    page = client.get(LOG_IN)
    assert (page.status_code, START in page.content.decode()) == (200, True)
    down = client.get(START)
    assert (down.status_code, "does not answer" in text_of(down)) == (503, True)
    assert client.post(LOG_IN, {"username": "Support", "password": PASSWORD}).status_code == 302
    assert is_in(client)
    assert client.post("/admin/logout/").status_code == 200
    assert not is_in(client)


def test_what_is_known_of_the_provider_outlives_its_outage(
    liar: StandIn, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Client()
    assert come_back(client, liar).status_code == 302
    monkeypatch.setattr(provider, "LIFESPAN", 0.0)
    liar.announced["issuer"] = "https://evil.example"
    assert start(Client())["client_id"] == CLIENT_ID


def test_whoever_cannot_be_logged_out_at_the_provider_is_logged_out_here(liar: StandIn) -> None:
    def logs_out() -> tuple[int, bool, bool]:
        client = Client()
        assert come_back(client, liar).status_code == 302
        if is_gone:
            liar.announced["issuer"] = "https://evil.example"
            provider.forget()
        page = client.post("/admin/logout/")
        return page.status_code, "http-equiv" in page.content.decode(), is_in(client)

    is_gone = False
    assert logs_out() == (200, False, False), "it announces no such address"
    liar.announced["end_session_endpoint"] = f"{liar.issuer}/out?a=1"
    provider.forget()
    assert logs_out() == (200, True, False)
    is_gone = True
    assert logs_out() == (200, False, False)


def test_an_answer_belongs_to_the_browser_that_asked_and_is_taken_once(liar: StandIn) -> None:
    mine, theirs = Client(), Client()
    asked = start(theirs)
    liar.id_token = signed(liar.claims(asked["nonce"]))
    for query in (
        {"code": "c", "state": asked["state"]},
        {"code": "c", "state": ""},
        {"code": "c"},
        {"state": asked["state"]},
        {},
    ):
        answer = mine.get(CALLBACK, query)
        assert (answer.status_code, "was begun in another browser" in text_of(answer)) == (400, True), query
    empty = mine.get(CALLBACK, {"code": "", "state": start(mine)["state"]})
    assert (empty.status_code, AccessAttempt.objects.exists()) == (400, False), "no password failed"
    foreign = mine.get(CALLBACK, {"code": "c", "state": asked["state"]})
    assert (foreign.status_code, "was begun in another browser" in text_of(foreign)) == (400, True)
    assert liar.asked == [], "the code was not used"
    assert not is_in(mine)

    assert theirs.get(CALLBACK, {"code": "c", "state": asked["state"]}).status_code == 302
    assert is_in(theirs)
    assert theirs.get(CALLBACK, {"code": "c", "state": asked["state"]}).status_code == 400
    assert len(liar.asked) == 1
    told = theirs.get(CALLBACK, {"error": "access_denied\nx", "state": "any"})
    assert (told.status_code, is_in(theirs)) == (403, True), "nobody can be logged out by a link"


def test_a_log_in_that_is_begun_again_and_again_puts_no_end_of_a_session_off(
    liar: StandIn,
) -> None:
    by_provider, by_password = Client(), Client()
    come_back(by_provider, liar)
    User.objects.create_user("boss", password=PASSWORD, is_staff=True)
    by_password.post(LOG_IN, {"username": "boss", "password": PASSWORD})
    for client in (by_provider, by_password):
        ends = Session.objects.get(pk=client.session.session_key).expire_date
        start(client)
        assert Session.objects.get(pk=client.session.session_key).expire_date == ends
    come_back(by_provider, liar)
    longer = Session.objects.get(pk=by_provider.session.session_key).expire_date
    assert longer > ends, "whoever has logged in again stays as long again"


def test_a_code_is_taken_by_no_other_address_than_the_callback(liar: StandIn) -> None:
    client = Client()
    liar.id_token = signed({**liar.claims(""), "nonce": None})
    answer = client.post(f"{LOG_IN}?code=c&state=s", {"username": "x", "password": "y"})
    assert answer.status_code == 200
    assert liar.asked == []
    for method in (client.post, client.put, client.head):
        assert method(CALLBACK).status_code == method(START).status_code == 405


def test_a_log_in_leads_only_into_the_backoffice(liar: StandIn) -> None:
    strange = (
        *(
            "https://evil.example/",
            "//evil.example/admin/",
            "/\\evil.example",
            "javascript:alert(1)",
            "///evil.example",
        ),
        *("/api/v1/docs", "/admin/../api/v1/docs", "/admin/%2e%2e/api/v1/docs", "/admin/\\../x", "/administrators"),
        *(f"{INDEX}%0d%0aX: y/%2E./", "http://testserver/admin/", "\t/admin/", " /admin/", "admin/"),
    )
    led = {target: come_back(Client(), liar, next=target)["Location"] for target in strange}
    assert led == dict.fromkeys(strange, INDEX)
    target = "/admin/orders/order/?status=paid&q=a%20b"
    assert come_back(Client(), liar, next=target)["Location"] == target


def test_without_local_log_in_no_password_is_taken_and_no_session_of_one_goes_on(
    liar: StandIn, settings: Settings
) -> None:
    staff("Manager")
    User.objects.create_superuser("root", password=PASSWORD)
    before = Client()
    assert before.post(LOG_IN, {"username": "root", "password": PASSWORD}).status_code == 302
    assert is_in(before)
    switch_on(settings, liar.issuer, local=False)
    assert not is_in(before)
    page = Client().get(LOG_IN, {"next": "/admin/orders/order/"}).content.decode()
    assert 'type="password"' not in page
    assert 'name="username"' not in page
    assert f"{START}?next=%2Fadmin%2Forders%2Forder%2F" in page
    for name in ("root", "Manager"):
        client = Client()
        answer = client.post(LOG_IN, {"username": name, "password": PASSWORD})
        assert (answer.status_code, "Passwords are not accepted here" in text_of(answer)) == (403, True)
        assert not is_in(client)
    assert authenticate(RequestFactory().post(LOG_IN), username="root", password=PASSWORD) is None
    client = Client()
    assert come_back(client, liar).status_code == 302
    assert client.get(reverse("admin:password_change")).status_code == 403


def test_failures_at_passwords_are_counted_as_before_and_a_sign_on_forgives_none(
    liar: StandIn, settings: Settings
) -> None:
    settings.AXES_FAILURE_LIMIT = 3
    client = Client()
    assert come_back(client, liar).status_code == 302
    alice = User.objects.get()
    alice.set_password(PASSWORD)
    alice.save()
    for _ in range(2):
        assert Client().post(LOG_IN, {"username": "alice", "password": "wrong"}).status_code == 200
    assert come_back(Client(), liar).status_code == 302
    assert Client().post(LOG_IN, {"username": "alice", "password": "wrong"}).status_code == 429
    assert Client().post(LOG_IN, {"username": "alice", "password": PASSWORD}).status_code == 429
    again = Client()
    assert come_back(again, liar).status_code == 302, "who guesses passwords does not lock out the sign-on"
    assert is_in(again)


def test_addresses_of_the_sign_on_are_limited(liar: StandIn, settings: Settings, database: Documents) -> None:
    settings.RATE_LIMIT_SIGN_ONS = 3
    here, there = Client(REMOTE_ADDR="192.0.2.9"), Client(REMOTE_ADDR="198.51.100.9")
    assert [here.get(path).status_code for path in (START, CALLBACK, START)] == [302, 400, 302]
    sessions = database["django_session"].count_documents({})
    limited = here.get(CALLBACK)
    assert (limited.status_code, int(limited["Retry-After"]) > 0) == (429, True)
    assert here.get(START).status_code == 429
    assert database["django_session"].count_documents({}) == sessions, "it writes nothing"
    assert there.get(START).status_code == 302


def test_two_first_sign_ons_at_once_make_one_account(liar: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    create = accounts._named

    def first_by_another(name: str) -> User:
        user = create(name)
        if not made:
            made.append("another")
            accounts.link(create("another"), liar.issuer, "248289761001")
        return user

    monkeypatch.setattr(accounts, "_named", first_by_another)
    assert come_back(Client(), liar).status_code == 302
    assert list(User.objects.values_list("username", flat=True)) == ["another"]
    assert StaffIdentity.objects.count() == 1


def test_many_sign_ons_of_one_person_at_once_all_succeed_with_one_account(liar: StandIn) -> None:
    clients = [Client() for _ in range(6)]
    states = []
    for client in clients:
        asked = start(client)
        states.append(asked["state"])
        liar.id_tokens[asked["state"]] = signed(liar.claims(asked["nonce"], groups=["shop-support", "shop-finance"]))

    def comes_back(number: int) -> int:
        return clients[number].get(CALLBACK, {"code": states[number], "state": states[number]}).status_code

    assert at_once(6, comes_back) == [302] * 6
    alice = User.objects.get()
    assert (alice.groups.count(), alice.is_staff, StaffIdentity.objects.count()) == (2, True, 1)
    assert all(is_in(client) for client in clients)


def test_two_sign_ons_at_once_that_give_the_same_group_both_succeed(liar: StandIn) -> None:
    assert come_back(Client(), liar).status_code == 302
    given: list[Any] = []

    def another_is_first(instance: User, action: str, pk_set: set[Any], **_: Any) -> None:
        if action == "pre_add" and not given:
            given.extend(pk_set)
            User.groups.through.objects.create(user_id=instance.pk, group_id=given[0])

    m2m_changed.connect(another_is_first, sender=User.groups.through)
    try:
        assert come_back(Client(), liar, groups=["shop-finance"]).status_code == 302
    finally:
        m2m_changed.disconnect(another_is_first, sender=User.groups.through)
    assert len(given) == 1
    assert list(User.objects.get().groups.values_list("name", flat=True)) == ["Finance"]


def test_an_account_that_was_deleted_past_django_is_made_anew(
    liar: StandIn, database: Database[dict[str, Any]]
) -> None:
    assert come_back(Client(), liar).status_code == 302
    first = User.objects.get()
    database["auth_user"].delete_one({"_id": first.pk})
    client = Client()
    assert come_back(client, liar).status_code == 302
    assert is_in(client)
    assert User.objects.get().pk != first.pk
    assert StaffIdentity.objects.count() == 1


def test_a_person_of_another_issuer_is_another_person(liar: StandIn, settings: Settings) -> None:
    assert come_back(Client(), liar).status_code == 302
    alice = User.objects.get()
    with stand_in() as other:
        switch_on(settings, other.issuer)
        assert come_back(Client(), other).status_code == 302
    assert User.objects.count() == 2
    assert accounts.linked(liar.issuer, "248289761001") == alice
    alice.delete()
    assert StaffIdentity.objects.count() == 1
    assert "248289761001 at http" in str(StaffIdentity.objects.get())


def test_names_and_addresses_that_cannot_be_shown_are_left_out(liar: StandIn) -> None:
    strange = {
        "preferred_username": "\u0430lice\n",
        "given_name": "A\x00",
        "family_name": ["x"],
        "email": "a@b\ud800.example",
        "email_verified": True,
    }
    assert come_back(Client(), liar, **strange).status_code == 302
    user = User.objects.get()
    assert user.username.startswith("staff-")
    assert (user.first_name, user.last_name, user.email) == ("", "", "")
    assert come_back(Client(), liar, sub="w", email="not one", email_verified=True).status_code == 302
    assert not User.objects.exclude(email="").exists()
    for number, unverified in enumerate((False, "true", None, 1)):
        mail = {"email": "e@shop.example", "email_verified": unverified}
        assert come_back(Client(), liar, sub=f"s{number}", preferred_username=None, **mail).status_code == 302
    assert not User.objects.filter(email="e@shop.example").exists()
    assert (
        come_back(Client(), liar, sub="v", preferred_username=7, **mail | {"email_verified": True}).status_code == 302
    )
    assert User.objects.get(email="e@shop.example").username == "e@shop.example"


def test_while_it_is_off_there_is_no_such_address_and_no_button(client: Client, database: Documents) -> None:
    assert START not in client.get(LOG_IN).content.decode()
    assert client.get(START).status_code == client.get(CALLBACK).status_code == 404


def test_what_is_logged_names_no_token_and_no_secret(liar: StandIn, caplog: pytest.LogCaptureFixture) -> None:
    client = Client()
    come_back(client, liar)
    liar.status = 400
    come_back(Client(), liar)
    client.get(CALLBACK, {"error": "denied\r\nforged line"})
    said = caplog.text
    assert "alice signed on, with the groups Support" in said
    assert "denied\r\nforged" not in said
    for secret in (liar.id_token, SECRET, "code_verifier", json.dumps({"code": "c"})):
        assert secret not in said
