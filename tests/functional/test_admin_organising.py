"""Who takes care of an order, its tags and its duplicates, in the backoffice: what pages show, and what forms post."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pymongo.database import Database

from tests.functional.admin_helpers import (
    LIST,
    Document,
    client_of,
    find,
    form_of,
    insert,
    main_of,
    page,
    rows,
    said,
    staff,
    stored,
    text_of,
)

TAG = '<b>"VIP"'


@pytest.fixture
def support(database: Database[Document]) -> Client:
    return client_of("Support")


def id_of(login: str) -> str:
    return str(User.objects.get(username=login).pk)


def give(client: Client, order: Document, to: str, **changes: Any) -> Any:
    return client.post(form_of(order, "assign"), {"version": order["version"], "to": to, "form": "take"} | changes)


def test_one_press_takes_an_order_and_another_one_gives_it_on(database: Database[Document], support: Client) -> None:
    order, finance = insert(database, stored()), staff("Finance")
    assert "Assigned to Nobody Assign to me Assign to a colleague" in text_of(support.get(page(order)))
    response = give(support, order, id_of("Support"))
    assert (response.status_code, response.url) == (302, page(order))
    assert said(response) == [f"Order {order['number']} is assigned to Support."]
    told = "Someone updated this order. Last change: Assigned, by Support."
    assert support.get(form_of(order, "version")).json() == {"version": 2, "told": told}
    text = text_of(support.get(page(order)))
    assert (
        "Assigned to Support (you) Unassign Assign to a colleague Colleague Choose a colleague Finance Assign" in text
    )
    assert "Support assigned the order to Support. " in text
    give(support, find(database, order), str(finance.pk), form="assign")
    assert find(database, order)["assignee"]["name"] == "Finance"
    response = give(support, find(database, order), "nobody")
    assert said(response)[-1] == f"Order {order['number']} is assigned to nobody."
    assert "assignee" not in find(database, order)


def test_the_second_of_two_who_take_an_order_is_told_by_whom_it_was_taken(
    database: Database[Document], support: Client
) -> None:
    order, finance = insert(database, stored()), client_of("Finance")
    give(finance, order, id_of("Finance"))
    between = find(database, order)
    response = give(support, order, id_of("Support"))
    assert response.status_code == 409
    assert said(response) == ["Someone updated this order. Your change was not saved."]
    assert "Finance assigned the order to Finance. just now" in text_of(response)
    assert find(database, order) == between


def test_a_form_that_is_none_or_names_nobody_changes_nothing_and_keeps_what_was_chosen(
    database: Database[Document], support: Client
) -> None:
    order, nobody = insert(database, stored()), staff("nobody")
    finance = staff("Finance")
    for to in ("", "x", "0" * 24, str(nobody.pk)):
        response = give(support, order, to)
        assert response.status_code == 400, to
        assert said(response)[-1] == "Nothing was changed. This colleague cannot open orders: choose somebody else."
    assert give(support, order, str(finance.pk), version="").status_code == 400
    assert give(support, order, "nobody").status_code == 409
    stale = give(support, order, str(finance.pk), version=0, form="assign")
    assert f'<option value="{finance.pk}" selected>' in main_of(stale)
    tagless = support.post(form_of(order, "tag"), {"tag": "x" * 41 + TAG, "form": "tag"})
    assert tagless.status_code == 400
    assert 'value="' + "x" * 41 + '&lt;b&gt;&quot;VIP&quot;"' in main_of(tagless)
    assert find(database, order)["version"] == 1


@pytest.mark.parametrize("left", ["deactivated", "deleted", "no longer staff", "without rights"])
def test_a_colleague_who_has_left_is_still_named_and_it_is_said(
    database: Database[Document], support: Client, left: str
) -> None:
    finance = staff("Finance")
    order = insert(database, stored())
    give(support, order, str(finance.pk))
    assert "may no longer see orders" not in text_of(support.get(page(order)))
    match left:
        case "deactivated":
            User.objects.filter(pk=finance.pk).update(is_active=False)
        case "deleted":
            User.objects.get(pk=finance.pk).delete()
        case "no longer staff":
            User.objects.filter(pk=finance.pk).update(is_staff=False)
        case "without rights":
            finance.groups.clear()
    text = text_of(support.get(page(order)))
    assert "Assigned to Finance This login was deactivated or deleted, or may no longer see orders. Assign" in text
    assert rows(support.get(f"{LIST}?assigned={finance.pk}")) == [order["number"]]
    assert ("Finance (deactivated)" in text_of(support.get(LIST))) == (left == "deactivated")


def test_tags_are_added_found_and_taken_off(database: Database[Document], support: Client) -> None:
    order, other = insert(database, stored()), insert(database, stored(1))
    response = support.post(form_of(order, "tag"), {"tag": f"{TAG}, gift"})
    assert (response.status_code, response.url) == (302, page(order))
    response = support.get(page(order))
    main, text = main_of(response), text_of(response)
    assert f"Tags {TAG} Remove tag {TAG} gift Remove tag gift" in text
    assert f"Support added the tags: {TAG}, gift. " in text
    assert "<b>" not in main
    assert f'href="{LIST}?tag=%3Cb%3E%22VIP%22"' in main
    assert rows(support.get(LIST, {"tag": '<B>"vip"'})) == [order["number"]]
    assert 'Tag: <B>"vip"' in text_of(support.get(LIST, {"tag": '<B>"vip"'}))
    support.post(form_of(other, "tag"), {"tag": "GIFT, gift  wrap"})
    for typed in ("gift  wrap", "gift wrap", "Gift\u200b\u00a0wrap"):
        assert rows(support.get(LIST, {"tag": typed})) == [other["number"]], typed
    assert rows(support.get(LIST, {"tag": "gift", "sort": "oldest"})) == [other["number"], order["number"]]
    support.post(form_of(order, "tag"), {"remove": TAG})
    assert find(database, order)["tags"] == ["gift"]
    gone = support.post(form_of(order, "tag"), {"remove": TAG})
    assert (gone.status_code, said(gone)[-1]) == (409, "Nothing was changed. This order has no such tag.")


def test_the_list_is_of_what_is_mine_anothers_or_nobodys(database: Database[Document], support: Client) -> None:
    finance = client_of("Finance")
    mine, hers, open_, done = (
        insert(database, stored(number, status=status))
        for number, status in enumerate(("pending", "paid", "processing", "shipped"))
    )
    give(support, mine, id_of("Support"))
    give(support, hers, id_of("Finance"))
    assert rows(support.get(f"{LIST}?assigned=me")) == rows(finance.get(f"{LIST}?assigned={id_of('Support')}"))
    assert rows(support.get(f"{LIST}?assigned=me")) == [mine["number"]]
    assert rows(finance.get(f"{LIST}?assigned=me")) == [hers["number"]]
    assert rows(finance.get(f"{LIST}?assigned=me&status=shipped")) == []
    assert rows(support.get(f"{LIST}?assigned=nobody")) == [open_["number"]]
    assert rows(support.get(f"{LIST}?assigned=nobody&status=shipped")) == []
    refused = text_of(support.get(f"{LIST}?assigned=nobody&status=shipped"))
    assert "Only open orders are listed as assigned to nobody." in refused
    assert done["number"] not in refused
    assert "Assigned to: Me" in text_of(support.get(f"{LIST}?assigned=me"))
    assert support.get(f"{LIST}?assigned=everybody").context["cl"].problem == "unreadable"
    exported = b"".join(finance.get(f"{LIST}export/?assigned=me").streaming_content).decode()
    assert hers["number"] in exported
    assert mine["number"] not in exported
    printed = support.post(f"{LIST}?assigned=me", {"action": "packing-slips", "across": "1"})
    assert printed.url.endswith(f"?ids={mine['_id']}")
    chosen = finance.post(f"{LIST}?assigned=me", {"action": "pay", "across": "1"})
    assert "1 order" in text_of(chosen) or str(hers["_id"]) in chosen.url


def test_a_possible_duplicate_is_named_with_how_long_it_was_before_or_after(
    database: Database[Document], support: Client
) -> None:
    order = stored()
    numbers = {"EARLIER": timedelta(minutes=-2), "LATER": timedelta(minutes=3), "AT-ONCE": timedelta(0)}
    twins = [stored() | {"number": number, "created_at": order["created_at"] + by} for number, by in numbers.items()]
    insert(database, order, *twins)
    text = text_of(support.get(page(order)))
    for told in (
        "Possible duplicate of EARLIER (placed 2 minutes earlier): the same customer and the same items.",
        "Possible duplicate of LATER (placed 3 minutes later)",
        "Possible duplicate of AT-ONCE (placed within a minute)",
    ):
        assert told in text
    database["orders"].update_one({"_id": order["_id"]}, {"$set": {"status": "cancelled"}})
    assert "Possible duplicate" not in text_of(support.get(page(order)))


def test_the_page_begins_with_what_is_to_be_done(database: Database[Document], support: Client) -> None:
    """Then come who and what; what only machines need is at the end, folded away."""
    fulfilment = client_of("Fulfilment")
    order = insert(database, stored(status="processing"))
    main = main_of(fulfilment.get(page(order)))
    parts = ('id="to-do-title"', 'value="ship"', 'id="contact-title"', 'id="address-title"', 'id="lines-title"',
             'id="desk-title"', 'id="note-text"', 'id="timeline-title"', "Technical details")  # fmt: skip
    places = [main.index(part) for part in parts]
    assert places == sorted(places)
    for who, changes, told in (
        (support, {"status": "paid"}, "To do Next step: Start processing. It is up to a colleague."),
        (support, {"status": "delivered"}, "To do Nothing is left to do."),
        (support, {"status": "cancelled", "user_verified": False}, "To do Unverified customer: the user service"),
        (fulfilment, {"status": "rejected"}, "To do Nothing is left to do."),
        (fulfilment, {"status": "paid"}, "To do Start processing Records that the order is being prepared."),
    ):
        other = insert(database, stored(1, user_id="2", **changes))
        assert told in text_of(who.get(page(other))), told
