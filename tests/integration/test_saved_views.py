"""Views and columns of the list that people keep: whose they are, who may share them, and how many there may be."""

from datetime import UTC, datetime
from typing import Any

import pytest
from bson import ObjectId
from django.contrib.auth.models import User
from pymongo.database import Database

from orders.models import ListColumns, SavedView
from orders.services import access, saved_views
from orders.services.access import SHARE_VIEWS, Actor, NotPermitted
from orders.services.saved_views import InvalidView, TooManyViews, ViewNotFound
from tests.functional.admin_helpers import profiled, staff

Document = dict[str, Any]
AT = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)


def who(role: str) -> tuple[Actor, Any]:
    user = staff(role)
    return access.staff(User.objects.get(pk=user.pk)), user.pk


def saved(person: tuple[Actor, Any], name: str, query: str = "status=paid", *, shared: bool = False) -> SavedView:
    return saved_views.save(name=name, query=query, shared=shared, actor=person[0], owner=person[1], at=AT)


def names(person: tuple[Actor, Any]) -> list[str]:
    return [view.name for view in saved_views.views_for(person[1])]


def test_a_view_is_its_owners_own_unless_it_is_shared(database: Database[Document]) -> None:
    manager, support = who("Manager"), who("Support")
    saved(support, "paid ")
    saved(manager, "Ours", shared=True)
    saved(manager, "Mine")
    assert names(support) == ["paid", "Ours"]
    assert names(manager) == ["Mine", "Ours"]
    assert str(saved_views.views_for(manager[1])[0]) == "Mine"
    User.objects.get(pk=manager[1]).delete()
    assert names(support) == ["paid"]


def test_a_view_of_the_same_name_takes_the_place_of_the_other(database: Database[Document]) -> None:
    manager, support = who("Manager"), who("Support")
    saved(manager, "Paid", shared=True)
    saved(support, "Paid")
    assert saved(support, "Paid", "status=shipped").query == "status=shipped"
    assert sorted(view.query for view in SavedView.objects.all()) == ["status=paid", "status=shipped"]


def test_only_who_may_share_shares_or_changes_what_others_share(database: Database[Document]) -> None:
    manager, support, other = who("Manager"), who("Support"), who("Finance")
    mine, ours = saved(support, "Mine"), saved(manager, "Ours", shared=True)
    with pytest.raises(NotPermitted):
        saved(support, "Ours", shared=True)
    with pytest.raises(NotPermitted):
        saved_views.change(mine.pk, name="Mine", shared=True, actor=support[0], owner=support[1])
    for act in (saved_views.delete, lambda pk, **by: saved_views.change(pk, name="X", shared=False, **by)):
        with pytest.raises(NotPermitted):
            act(ours.pk, actor=support[0], owner=support[1])
        for view_id in (mine.pk, ObjectId()):
            with pytest.raises(ViewNotFound):
                act(view_id, actor=other[0], owner=other[1])
            with pytest.raises(ViewNotFound):
                act(view_id, actor=manager[0], owner=manager[1])
    assert names(support) == ["Mine", "Ours"]
    saved_views.change(mine.pk, name=" My  own ", shared=False, actor=support[0], owner=support[1])
    assert names(support) == ["My  own", "Ours"]
    another = (access.Actor(access.Kind.STAFF, "boss", "admin", frozenset({SHARE_VIEWS})), ObjectId())
    saved_views.change(ours.pk, name="Theirs", shared=True, actor=another[0], owner=another[1])
    assert names(support) == ["My  own", "Theirs"]
    saved_views.delete(ours.pk, actor=another[0], owner=another[1])
    saved_views.delete(mine.pk, actor=support[0], owner=support[1])
    assert names(support) == []


def test_what_cannot_be_kept_is_named_and_keeps_nothing(
    database: Database[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    support = who("Support")
    for name, told in {"": "Enter a name.", " ": "Enter a name.", "x" * 61: "at most 60", "a\x00": "Control"}.items():
        with pytest.raises(InvalidView, match=told):
            saved(support, name)
    with pytest.raises(InvalidView, match="too long"):
        saved(support, "Long", f"q={'x' * 2_000}")
    assert names(support) == []
    monkeypatch.setattr(saved_views, "MOST_VIEWS", 2)
    kept = [saved(support, name) for name in ("A", "B")]
    with pytest.raises(TooManyViews, match="You have 2 saved views"):
        saved(support, "C")
    saved(support, "B", "status=shipped")
    with pytest.raises(InvalidView):
        saved_views.change(kept[0].pk, name="", shared=False, actor=support[0], owner=support[1])
    assert names(support) == ["A", "B"]


def test_columns_are_each_persons_own_and_can_be_given_up(database: Database[Document]) -> None:
    (_, one), (_, other) = who("Support"), who("Finance")
    saved_views.choose_columns(["total", "age"], user=one)
    saved_views.choose_columns(["total"], user=one)
    assert saved_views.columns_of(one) == ["total"]
    assert str(ListColumns.objects.get(user_id=one)) == "total"
    assert saved_views.columns_of(other) == []
    saved_views.choose_columns([], user=one)
    assert saved_views.columns_of(one) == []
    assert ListColumns.objects.count() == 0


def test_what_a_page_of_the_list_asks_is_read_off_indexes(database: Database[Document]) -> None:
    support = who("Support")
    for number in range(5):
        saved(support, str(number))
    saved_views.choose_columns(["total"], user=support[1])
    with profiled(database) as done:
        names(support)
        saved_views.columns_of(support[1])
    asked = [one for one in done if one["ns"].endswith((".saved_views", ".list_columns"))]
    assert len(asked) == 3
    for operation in asked:
        assert operation["planSummary"].startswith(("IXSCAN", "IDHACK", "EOF")), operation
        assert not operation.get("hasSortStage")
