"""Staff who sign on at a real provider, with a browser's cookies and over sockets."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests
from django.contrib.auth.models import Group, User
from django.core.management import CommandError, call_command
from pymongo.database import Database
from pytest_django import Settings

from tests.functional.admin_helpers import PASSWORD, staff
from tests.functional.sign_on_providers import RealProvider, real_provider, switch_on

Documents = Database[dict[str, Any]]
SUPPORT: dict[str, Any] = {"preferred_username": "alice", "groups": ["shop-support"]}


@pytest.fixture(scope="module", name="running")
def running_fixture(live_server_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealProvider]:
    with real_provider(live_server_url, tmp_path_factory.mktemp("provider")) as running:
        yield running


@pytest.fixture(name="provider")
def provider_fixture(running: RealProvider, settings: Settings, database: Documents) -> RealProvider:
    switch_on(settings, running.issuer)
    running.says()
    return running


class Desk:
    """Somebody at a browser."""

    def __init__(self, site: str, provider: RealProvider) -> None:
        self.site, self.provider, self.session = site, provider, requests.Session()

    def signs_on(self, subject: str, *, to: str = "/admin/") -> requests.Response:
        """:returns: the page on which they end up."""
        form = self.session.get(f"{self.site}/admin/sign-on/", params={"next": to}, timeout=60)
        assert form.url.startswith(self.provider.issuer), form.url
        return self.provider.log_in(self.session, form, subject)

    def sees(self, path: str) -> int:
        return self.session.get(f"{self.site}{path}", timeout=60, allow_redirects=False).status_code


@pytest.fixture(name="desk")
def desk_fixture(live_server_url: str, provider: RealProvider) -> Iterator[Desk]:
    desk = Desk(live_server_url, provider)
    with desk.session:
        yield desk


def groups(user: User) -> set[str]:
    return set(user.groups.values_list("name", flat=True))


def test_the_first_sign_on_makes_an_account_and_the_next_ones_find_it_whatever_has_changed(
    desk: Desk, provider: RealProvider
) -> None:
    provider.says(a1=SUPPORT | {"given_name": "Alice", "email": "alice@shop.example", "email_verified": True})
    seen = desk.signs_on("a1", to="/admin/orders/order/?status=paid")
    assert (seen.status_code, seen.url) == (200, f"{desk.site}/admin/orders/order/?status=paid")
    alice = User.objects.get()
    assert (alice.username, alice.first_name, alice.email) == ("alice", "Alice", "alice@shop.example")
    assert (alice.is_staff, alice.is_superuser, alice.has_usable_password()) == (True, False, False)
    assert groups(alice) == {"Support"}

    provider.says(a1=SUPPORT | {"preferred_username": "alys", "email": "new@shop.example", "email_verified": True})
    again = Desk(desk.site, provider)
    assert again.signs_on("a1").url == f"{desk.site}/admin/"
    assert (User.objects.get().pk, User.objects.get().username) == (alice.pk, "alice"), "the history names her so"
    assert User.objects.get().email == "new@shop.example"


def test_nobody_gets_an_account_by_its_name_or_address(desk: Desk, provider: RealProvider) -> None:
    root = User.objects.create_superuser("root", "alice@shop.example", PASSWORD)
    victim = staff("Finance")
    for number, (name, email) in enumerate(
        [
            ("root", "alice@shop.example"),
            ("ROOT", "Alice@Shop.Example"),
            ("Finance", "al.ce@shop.example"),
            ("fin.nce", ".*"),
            ("finance", "alice@shop.example"),
        ]
    ):
        for verified in (True, False):
            subject = f"s{number}{verified}"
            mail = {"email": email, "email_verified": verified}
            provider.says(**{subject: SUPPORT | mail | {"preferred_username": name}})
            assert Desk(desk.site, provider).signs_on(subject).status_code == 200
    assert User.objects.count() == 2 + 10, "each has an account of their own"
    assert not User.objects.exclude(pk=root.pk).filter(is_superuser=True).exists()
    assert groups(victim) == {"Finance"}
    assert User.objects.filter(username__in=["root", "Finance"]).count() == 2
    names = User.objects.exclude(pk__in=[root.pk, victim.pk]).values_list("username", flat=True)
    assert [name for name in names if name.lower() in ("root", "finance")] == [], "none can be mistaken for another"


def test_groups_come_and_go_with_each_sign_on(desk: Desk, provider: RealProvider) -> None:
    provider.says(a1=SUPPORT | {"groups": ["shop-support", "shop-finance", "superuser", "Manager"]})
    desk.signs_on("a1")
    alice = User.objects.get()
    assert groups(alice) == {"Support", "Finance"}
    alice.groups.add(Group.objects.get(name="Manager"))
    provider.says(a1=SUPPORT | {"groups": "shop-finance", "is_superuser": True, "is_staff": True})
    Desk(desk.site, provider).signs_on("a1")
    assert groups(alice) == {"Finance"}, "also what was given here"
    assert not User.objects.get().is_superuser

    assert desk.sees("/admin/") == 200
    provider.says(a1=SUPPORT | {"groups": ["shop-gone", 7, None, "Support"]})
    refused = Desk(desk.site, provider).signs_on("a1")
    assert refused.status_code == 403
    assert "none of your groups there gives access to this backoffice" in refused.text
    assert groups(alice) == set()
    assert desk.sees("/admin/") == 302, "a session from before is no longer staff's"


def test_somebody_without_a_group_is_refused_and_has_no_account(desk: Desk, provider: RealProvider) -> None:
    provider.says(b1={"preferred_username": "bob", "email": "bob@shop.example"})
    refused = desk.signs_on("b1")
    assert refused.status_code == 403
    assert "You signed on as bob" in refused.text
    assert desk.sees("/admin/") == 302
    assert not User.objects.exists()


def test_who_was_disabled_here_stays_out(desk: Desk, provider: RealProvider) -> None:
    provider.says(a1=SUPPORT)
    desk.signs_on("a1")
    User.objects.update(is_active=False)
    assert desk.sees("/admin/") == 302
    refused = Desk(desk.site, provider).signs_on("a1")
    assert (refused.status_code, "Your account here is disabled." in refused.text) == (403, True)
    assert not User.objects.get().is_active


def test_where_accounts_are_not_created_they_are_linked(
    desk: Desk, provider: RealProvider, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.OIDC_CREATE_ACCOUNTS = False
    provider.says(a1=SUPPORT | {"preferred_username": "Finance"}, r1=SUPPORT)
    user = staff("Finance")
    refused = desk.signs_on("a1")
    assert (refused.status_code, "your subject there is a1" in refused.text) == (403, True)
    root = User.objects.create_superuser("root", password=PASSWORD)

    call_command("link_staff_login", "Finance", subject="a1")
    assert "Finance is linked to a1" in capsys.readouterr().out
    for arguments, said in (
        (("root", "--subject", "a1", "--superuser"), "a1 is linked to Finance already"),
        (("Finance", "--subject", "r1"), "linked already"),
        (("root", "--subject", "r1"), "say --superuser"),
        (("Root", "--subject", "r1"), "there is no account"),
    ):
        with pytest.raises(CommandError, match=said):
            call_command("link_staff_login", *arguments)
    assert Desk(desk.site, provider).signs_on("a1").url == f"{desk.site}/admin/"
    assert groups(user) == {"Support"}

    call_command("link_staff_login", "root", "--subject", "r1", "--superuser")
    its_desk = Desk(desk.site, provider)
    assert its_desk.signs_on("r1").status_code == 200
    assert its_desk.sees("/admin/auth/user/") == 200
    provider.says(r1={})
    assert Desk(desk.site, provider).signs_on("r1").status_code == 403
    root.refresh_from_db()
    assert (root.is_superuser, root.is_staff) == (True, True), (
        "once it has a group there, or a new password, it gets in again"
    )

    call_command("link_staff_login", "Finance", "--unlink")
    assert Desk(desk.site, provider).signs_on("a1").status_code == 403
    settings.OIDC_ISSUER = ""
    with pytest.raises(CommandError, match="OIDC_ISSUER is not set"):
        call_command("link_staff_login", "Finance", "--subject", "a2")


def test_logging_out_leads_to_the_provider_and_back_and_ends_the_session_at_both(
    desk: Desk, provider: RealProvider
) -> None:
    provider.says(a1=SUPPORT)
    desk.session.get(f"{desk.site}/admin/sign-on/", timeout=60)
    before = desk.session.cookies["sessionid"]
    desk.signs_on("a1")
    inside = desk.session.cookies["sessionid"]
    assert inside != before, "nobody can have planted it"
    known = desk.session.get(f"{desk.site}/admin/sign-on/", timeout=60)
    assert known.url == f"{desk.site}/admin/", "the provider knows her"
    sent = {"csrfmiddlewaretoken": desk.session.cookies["csrftoken"]}
    out = desk.session.post(f"{desk.site}/admin/logout/", data=sent, timeout=60)
    assert out.status_code == 200
    assert f'content="0; url={provider.issuer}/session/end?id_token_hint=' in out.text
    stolen = {"sessionid": inside}
    assert requests.get(f"{desk.site}/admin/", cookies=stolen, timeout=60, allow_redirects=False).status_code == 302
