"""Who takes care of an order, its tags, and what looks like its duplicate: at the services."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId
from django.contrib.auth.models import Group, User
from django.db import DatabaseError

from orders.models import Order, Status
from orders.services import access
from orders.services.access import NotPermitted, OrderNotFound
from orders.services.audit import Act
from orders.services.colleagues import Colleague, colleagues, everybody_on_the_staff
from orders.services.lifecycle import assigning, erasing, tagging, versions
from orders.services.lifecycle.assigning import NoColleague, SameAssignee, assign, unassign
from orders.services.lifecycle.tagging import InvalidTag, SameTags, add_tags, remove_tag
from orders.services.lifecycle.versions import OrderBusy, StaleOrder
from orders.services.reporting import duplicates
from orders.services.reporting.duplicates import possible_duplicates
from orders.services.tags import MOST_TAGS
from orders.services.transfer.customer_export import export_customer
from orders.storage.personal_data import Customer
from tests.integration.builders import A, B, Document, act, answer_lost, line, now, read, sent_twice, store
from tests.order_invariants import violations_of

Change = Callable[..., Document]


def member(login: str, *groups: str, **fields: Any) -> User:
    user: User = User.objects.create_user(login, is_staff=True, **fields)
    user.groups.add(*Group.objects.filter(name__in=groups))
    return user


@pytest.fixture
def nia(database: object) -> User:
    return member("nia", "Support", first_name="Nia", last_name="Obi")


def pending(**fields: Any) -> ObjectId:
    return store("pending", line("reserved"), due=None, **fields)


def staff_with(*permissions: str) -> access.Actor:
    return access.Actor(access.Kind.STAFF, "maria", "admin", frozenset(permissions), "r-1")


ORGANISER = staff_with(access.VIEW, access.ASSIGN, access.TAG)


def given(order_id: ObjectId, to: User, *, version: int = 1, actor: access.Actor = ORGANISER) -> Document:
    return assign(order_id=order_id, to=str(to.pk), act=act(actor), expected_version=version)


def freed(order_id: ObjectId, *, version: int = 1, actor: access.Actor = ORGANISER) -> Document:
    return unassign(order_id=order_id, act=act(actor), expected_version=version)


def tagged(order_id: ObjectId, text: str = "VIP", *, actor: access.Actor = ORGANISER) -> Document:
    return add_tags(order_id=order_id, text=text, act=act(actor))


def untagged(order_id: ObjectId, tag: str = "old", *, actor: access.Actor = ORGANISER) -> Document:
    return remove_tag(order_id=order_id, tag=tag, act=act(actor))


@pytest.mark.parametrize("status", Status.values)
def test_an_order_of_any_status_is_given_to_a_colleague_and_taken_off_them(nia: User, status: str) -> None:
    order_id = store(status, line("none"), due=None)
    before, kofi = read(order_id), member("kofi", "Finance")
    version = before["version"]
    written = given(order_id, nia, version=version)
    assert written == read(order_id)
    assert written["assignee"] == {"id": str(nia.pk), "name": "Nia Obi"}
    assert {name for name in written if written[name] != before.get(name)} == {
        *("assignee", "version", "updated_at", "write_id", "history"),
    }
    passed_on = given(order_id, kofi, version=version + 1)
    assert passed_on["assignee"] == {"id": str(kofi.pk), "name": "kofi"}
    assert str(Order.objects.get(pk=order_id).assignee) == "kofi"
    after = freed(order_id, version=version + 2)
    assert "assignee" not in after
    assert (after["status"], after["version"]) == (status, version + 3)
    told = [(entry["act"], entry["detail"], entry["actor"]) for entry in after["history"][-3:]]
    assert told == [
        ("assign", "Nia Obi", "staff:maria"), ("assign", "kofi", "staff:maria"), ("unassign", "kofi", "staff:maria"),
    ]  # fmt: skip
    assert [problem for problem in violations_of(after) if "version" in problem] == []
    assert "untold_at" not in after, "customers and other services hear nothing of it"


def test_an_order_is_given_to_nobody_who_cannot_open_it(nia: User) -> None:
    order_id = pending()
    before = read(order_id)
    outside = User.objects.create_user("outside")
    idle, blind, gone = member("idle", "Support", is_active=False), member("blind"), member("gone", "Support")
    gone.delete()
    for to in (outside, idle, blind):
        with pytest.raises(NoColleague):
            given(order_id, to)
    for text in (str(ObjectId()), "", "nia", "0" * 25, "\0"):
        with pytest.raises(NoColleague):
            assign(order_id=order_id, to=text, act=act(ORGANISER), expected_version=1)
    assert read(order_id) == before


def test_colleagues_are_those_who_may_see_orders_and_the_list_knows_those_who_left(nia: User) -> None:
    root = User.objects.create_superuser("Root")
    idle, blind = member("idle", "Support", is_active=False), member("blind")
    User.objects.create_user("outside")
    assert colleagues() == [Colleague.of(nia), Colleague.of(root)]
    assert everybody_on_the_staff() == [
        (Colleague.of(blind), True), (Colleague.of(idle), False), (Colleague.of(nia), True), (Colleague.of(root), True),
    ]  # fmt: skip


def test_what_is_so_already_is_no_change(nia: User) -> None:
    order_id = pending()
    with pytest.raises(SameAssignee, match="to nobody"):
        freed(order_id)
    given(order_id, nia)
    before = read(order_id)
    with pytest.raises(SameAssignee, match="to Nia Obi already"):
        given(order_id, nia, version=2)
    assert read(order_id) == before


def test_of_two_who_take_an_order_one_has_it_and_the_other_is_told(nia: User) -> None:
    kofi, order_id = member("kofi", "Finance"), pending()

    def take(user: User) -> str:
        try:
            given(order_id, user)
        except (StaleOrder, OrderBusy) as error:
            return type(error).__name__
        return str(user.pk)

    with ThreadPoolExecutor(2) as threads:
        said = list(threads.map(take, (nia, kofi)))
    after = read(order_id)
    assert sorted(said) == sorted([after["assignee"]["id"], "StaleOrder"])
    assert len(after["history"]) == 3


# --- tags ------------------------------------------------------------------------------------------------------------


def test_tags_keep_their_spelling_and_are_one_in_any_capitals(database: object) -> None:
    order_id = pending()
    written = tagged(order_id, "  VIP , gift\u200b  wrap,,STRASSE, vip ")
    assert written["tags"] == ["VIP", "gift wrap", "STRASSE"]
    assert written["tag_keys"] == ["vip", "gift wrap", "strasse"]
    assert (written["history"][-1]["act"], written["history"][-1]["detail"]) == ("tag", "VIP, gift wrap, STRASSE")
    again = tagged(order_id, "straße, vIP, =1+1")
    assert again["tags"] == ["VIP", "gift wrap", "STRASSE", "=1+1"]
    assert again["history"][-1]["detail"] == "=1+1"
    with pytest.raises(SameTags):
        tagged(order_id, "GIFT WRAP, vip")
    with pytest.raises(SameTags):
        untagged(order_id, "gift")
    assert read(order_id) == again
    assert untagged(order_id, "Straße")["tags"] == ["VIP", "gift wrap", "=1+1"]
    for tag in ("vip", "gift wrap", "=1+1"):
        after = untagged(order_id, tag)
    assert not {"tags", "tag_keys"} & after.keys()
    assert Order.objects.get(pk=order_id).tags == []
    assert after["history"][-1]["detail"] == "=1+1"
    assert violations_of(after) == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "Enter a tag"), (" , \u200b,", "Enter a tag"), ("x" * 41, "At most 40 characters"),
        ("a\x1b[2J", "Control characters"), (",".join(map(str, range(MOST_TAGS + 1))), "20 tags at most"),
        (",".join(map(str, range(MOST_TAGS))), "20 tags at most"),
        ("\ufdfa" * 40, "some of its characters stand for several"),
    ],
)  # fmt: skip
def test_a_tag_that_is_none_is_refused_and_nothing_of_it_is_kept(database: object, text: str, told: str) -> None:
    order_id = pending(tags=["old"], tag_keys=["old"])
    before = read(order_id)
    with pytest.raises(InvalidTag, match=told):
        tagged(order_id, text)
    assert read(order_id) == before


def test_of_tags_by_many_at_once_none_is_lost(database: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "TRIES", 100)
    order_id = pending()
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: tagged(order_id, f"tag {number}"), range(MOST_TAGS)))
    after = read(order_id)
    assert sorted(after["tags"]) == sorted(f"tag {number}" for number in range(MOST_TAGS))
    assert after["version"] == 1 + MOST_TAGS


# --- each of them ----------------------------------------------------------------------------------------------------


def changes(nia: User) -> dict[str, Change]:
    """Each as it would be made of an order that is another's, and tagged `old`."""
    return {"assign": lambda order_id, **who: given(order_id, nia, **who), "unassign": freed, "tag": tagged,
            "untag": untagged}  # fmt: skip


def anothers() -> ObjectId:
    return pending(tags=["old"], tag_keys=["old"], assignee={"id": "6" * 24, "name": "Kofi"})


@pytest.mark.parametrize("name", ["assign", "unassign", "tag", "untag"])
def test_a_change_needs_its_permission_and_an_order_that_is_seen_and_stays(
    nia: User, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    change, order_id = changes(nia)[name], anothers()
    before = read(order_id)
    other = access.TAG if "assign" in name else access.ASSIGN
    for actor, error in (
        (access.customer("1"), NotPermitted),
        (staff_with(access.VIEW, other, access.WRITE_NOTES), NotPermitted),
        (staff_with(access.ASSIGN, access.TAG), OrderNotFound),
    ):
        with pytest.raises(error):
            change(order_id, actor=actor)
    with pytest.raises(OrderNotFound):
        change(ObjectId())
    with monkeypatch.context() as overtaken:
        for module in (assigning, tagging):
            overtaken.setattr(module, "guarded_write", lambda *_, **__: None)
        with pytest.raises(OrderBusy):
            change(order_id)
    assert read(order_id) == before


@pytest.mark.parametrize("name", ["assign", "unassign", "tag", "untag"])
def test_a_change_that_is_sent_twice_happens_once_and_without_an_answer_is_told_as_such(
    nia: User, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    change, order_id = changes(nia)[name], anothers()
    with monkeypatch.context() as twice:
        sent_twice(twice)
        written = change(order_id)
    assert (written["version"], len(written["history"])) == (2, 3)
    assert read(order_id) == written
    order_id = anothers()
    answer_lost(monkeypatch)
    with pytest.raises(DatabaseError):
        change(order_id)
    assert read(order_id)["version"] == 2


def test_who_asks_for_what_is_stored_about_them_learns_the_tags_but_of_no_colleague(nia: User) -> None:
    order_id = store("delivered", line("used"), due=None)
    given(order_id, nia)
    tagged(order_id)
    freed(order_id, version=3)
    told = "".join(export_customer(Customer(user_id="1"), actor=access.admin("boss"), at=act().at))
    assert '"VIP"' in told
    assert "Nia" not in told


def test_erasing_leaves_assignee_and_tags_but_not_what_the_history_says_of_tags(nia: User) -> None:
    order_id = store("delivered", line("used"), due=None)
    given(order_id, nia)
    tagged(order_id, "VIP", actor=ORGANISER)
    erasing.erase_order(order_id=order_id, act=Act(access.admin("boss"), now().astimezone()))
    after = read(order_id)
    assert (after["tags"], after["assignee"]["name"]) == (["VIP"], "Nia Obi")
    details = {entry["act"]: entry.get("detail") for entry in after["history"]}
    assert (details["assign"], details["tag"]) == ("Nia Obi", None)


# --- duplicates ------------------------------------------------------------------------------------------------------


def twins_of(order_id: ObjectId) -> list[str]:
    return [found.number for found in possible_duplicates(Order.objects.get(pk=order_id))]


def test_a_possible_duplicate_has_the_same_customer_and_items_and_is_minutes_apart(
    database: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    at, items = now() - timedelta(hours=1), [line("reserved", A, 3), line("reserved", B, 1)]
    limit, moment = timedelta(minutes=10), timedelta(milliseconds=1)

    def order(number: str, after: timedelta, *lines: Document, status: str = "pending", user_id: str = "8") -> ObjectId:
        given = {"number": number, "user_id": user_id, "created_at": at + after}
        return store(status, *(lines or items), due=None, **given)

    one = order("one", timedelta(0))
    order("split", limit, line("used", A, 1), line("reserved", B, 1), line("reserved", A, 2), status="processing")
    order("before", -limit)
    for other in (
        {"number": "too late", "after": limit + moment}, {"number": "too early", "after": -limit - moment},
        {"number": "another's", "after": moment, "user_id": "9"},
        *({"number": status, "after": moment, "status": status}
          for status in ("placing", "rejected", "cancelled", "refunded")),
    ):  # fmt: skip
        order(**other)  # type: ignore[arg-type]
    order("fewer", moment, line("reserved", A, 2), line("reserved", B, 1))
    order("other items", moment, line("reserved", A, 3))
    assert twins_of(one) == ["split", "before"]
    monkeypatch.setattr(duplicates, "MOST_COMPARED", 1)
    assert twins_of(one) == ["split"], "no more than so many are looked at"


@pytest.mark.parametrize(
    "fields",
    [{"user_id": ""}, {"erased_at": now()}, {"status": "cancelled"}, {"status": "placing"}],
    ids=lambda fields: next(iter(fields)),
)
def test_nothing_is_a_duplicate_of_an_order_that_has_no_customer_or_is_not_alive(
    database: object, fields: Document
) -> None:
    given = {"user_id": "8"} | fields
    status = given.pop("status", "pending")
    order_id = store(status, line("reserved"), due=None, **given)
    store("pending", line("reserved"), due=None, user_id=given["user_id"])
    assert twins_of(order_id) == []
