"""What the list's filters and its search box find."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from bson import Decimal128, ObjectId
from django.http import HttpResponse, QueryDict
from django.test import Client
from django.utils import timezone
from pymongo.database import Database

from orders.admin.bulk_selection import of_list
from orders.models import DATED_STATUSES, Status
from orders.storage import order_query
from tests.functional.admin_helpers import (
    ADDRESS,
    LIST,
    Document,
    client_of,
    insert,
    insert_each_status,
    line,
    page,
    rows,
    stored,
    text_of,
)
from tests.functional.bulk_admin import across

MUG, TOWEL = "665f1c0a9b1e8a0012a40001", "665f1c0a9b1e8a0012a40002"


@pytest.fixture
def support(database: Database[Document]) -> Client:
    return client_of("Support")


def look(client: Client, **parameters: Any) -> list[str]:
    return rows(client.get(LIST, parameters))


def numbers(*orders: Document) -> list[str]:
    return [order["number"] for order in orders]


def chips(response: HttpResponse) -> dict[str, str]:
    return {chip.text: chip.without for chip in response.context["cl"].chips}


# --- filters ---------------------------------------------------------------------------------------------------------


def test_one_status_or_several_are_filtered_by(database: Database[Document], support: Client) -> None:
    orders = insert_each_status(database)
    for status, order in orders.items():
        assert look(support, status=status) == numbers(order)
    assert look(support, status=["shipped", "paid", "placing"]) == numbers(
        orders["placing"], orders["paid"], orders["shipped"]
    )
    assert len(look(support, status=Status.values)) == len(orders)


def test_days_are_whole_days_in_utc_with_both_ends(database: Database[Document], support: Client) -> None:
    moments = [
        datetime(2026, 3, 1, 23, 59, 59, 999000, UTC),
        datetime(2026, 3, 2, tzinfo=UTC),
        datetime(2026, 3, 3, 23, 59, 59, 999000, UTC),
        datetime(2026, 3, 4, tzinfo=UTC),
    ]
    orders = [stored(number, created_at=at) for number, at in enumerate(moments)]
    insert(database, *orders)
    assert look(support, since="2026-03-02", until="2026-03-03") == numbers(orders[2], orders[1])
    assert look(support, since="2026-03-02", until="2026-03-02") == numbers(orders[1])
    assert look(support, since="2026-03-04") == numbers(orders[3])
    assert look(support, until="2026-03-01") == numbers(orders[0])
    assert look(support, since="", until="") == numbers(*orders[::-1])


@pytest.mark.parametrize("status", DATED_STATUSES)
def test_days_may_be_those_on_which_orders_came_to_a_status(
    database: Database[Document], support: Client, status: str
) -> None:
    placed, at = datetime(2026, 2, 1, tzinfo=UTC), f"{status}_at"
    orders = [
        stored(0, created_at=placed) | {at: datetime(2026, 3, 2, tzinfo=UTC)},
        stored(1, created_at=placed) | {at: datetime(2026, 3, 3, 23, 59, 59, 999000, UTC)},
        stored(2, created_at=placed) | {at: datetime(2026, 3, 4, tzinfo=UTC)},
        stored(3, created_at=datetime(2026, 3, 2, tzinfo=UTC)),
    ]
    insert(database, *orders)
    assert look(support, date=status, since="2026-03-02", until="2026-03-03") == numbers(orders[1], orders[0])
    assert look(support, date="", since="2026-03-01") == numbers(orders[3])


def test_a_span_in_which_orders_came_to_a_status_joins_the_other_filters(
    database: Database[Document], support: Client
) -> None:
    day = datetime(2026, 3, 2, 12, tzinfo=UTC)
    orders = [
        stored(0, user_id="7", created_at=day - timedelta(days=1)) | {"paid_at": day},
        stored(1, user_id="8", created_at=day - timedelta(days=2), user_verified=False) | {"paid_at": day},
        stored(2, user_id="7", user_verified=False) | {"paid_at": day + timedelta(days=9)},
        stored(3, total_price=Decimal128("99.00"), created_at=day) | {"paid_at": day},
    ]
    insert(database, *orders)
    paid = {"date": "paid", "since": "2026-03-02", "until": "2026-03-02"}
    assert look(support, **paid, user="7") == look(support, **paid, q="7") == numbers(orders[0])
    assert look(support, **paid, flag="unverified") == numbers(orders[1])
    assert look(support, **paid, least="50") == numbers(orders[3])
    assert look(support, **paid, product=TOWEL) == []


def test_the_export_and_the_choice_of_all_are_of_the_same_days(database: Database[Document]) -> None:
    manager, day = client_of("Manager"), datetime(2026, 3, 2, 12, tzinfo=UTC)
    orders = [stored(n, status="paid", created_at=day) | {"paid_at": day + timedelta(days=n)} for n in range(3)]
    insert(database, *orders)
    query = "?date=paid&since=2026-03-03&until=2026-03-03"
    exported = b"".join(manager.get(f"{LIST}export/{query}").streaming_content).decode()
    assert [order["number"] in exported for order in orders] == [False, True, False]
    chosen = text_of(across(manager, "start_processing", query))
    assert "Selection: 1 order." in chosen
    assert "Start processing 1 order?" in chosen


def test_who_or_what_is_filtered_by_is_told_by_name(database: Database[Document], support: Client) -> None:
    mug = line() | {"product_id": MUG, "name": "Mug <b>"}
    insert(database, stored(1, user_id="17", contact={"name": "Amara Okafor"}, items=[mug]), stored(2, user_id="18"))
    asked = {"user": "0017", "product": MUG.upper()}
    assert [*chips(support.get(LIST, asked))] == [
        "Customer: Amara Okafor (0017)",
        f"Product: Mug <b> ({MUG.upper()})",
    ]
    assert [*chips(support.get(LIST, {"user": "18", "product": TOWEL}))] == ["Customer: 18", f"Product: {TOWEL}"]


@pytest.mark.parametrize("few", [order_query.FEW, 1])
def test_totals_are_filtered_with_both_ends_however_many_match(
    database: Database[Document], support: Client, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(order_query, "FEW", few)
    orders = [stored(n, total_price=Decimal128(total)) for n, total in enumerate(("9.99", "10.00", "20.00", "20.01"))]
    insert(database, *orders)
    assert look(support, least="10", most="20") == numbers(*orders[1:3])
    assert look(support, least="10") == numbers(*orders[1:])
    assert look(support, most="20.00") == numbers(*orders[:3])
    assert look(support, least="0", most="0") == []
    assert look(support, least="10", status="paid") == []
    today = f"{timezone.now():%Y-%m-%d}"
    assert look(support, least="10", since=today, until=today, sort="oldest") == [
        order["number"] for order in orders[:0:-1] if f"{order['created_at']:%Y-%m-%d}" == today
    ]


def test_a_product_is_filtered_by_its_id(database: Database[Document], support: Client) -> None:
    with_mug = stored(1, items=[line() | {"product_id": TOWEL}, line() | {"product_id": MUG}])
    insert(database, with_mug, stored(2, items=[line() | {"product_id": TOWEL}]))
    assert look(support, product=MUG) == look(support, product=MUG.upper()) == numbers(with_mug)
    assert len(look(support, product=TOWEL)) == 2


def test_a_users_orders_are_filtered_by_the_users_id(database: Database[Document], support: Client) -> None:
    orders = [stored(1, user_id="17"), stored(2, user_id="17", status="paid"), stored(3, user_id="170")]
    insert(database, *orders)
    assert look(support, user="17") == look(support, user="0017") == numbers(*orders[:2])
    assert look(support, user="17", status="paid") == numbers(orders[1])


def test_the_flags_find_what_staff_must_look_at(database: Database[Document], support: Client) -> None:
    now, unpaid, unshipped = timezone.now(), timedelta(days=3), timedelta(days=2)
    orders = {
        "unknown": stored(1, status="rejected", items=[line(), line("unknown", call="release")]),
        "unverified": stored(2, status="delivered", user_verified=False),
        "unchecked": stored(3, status="paid", user_verified=False),
        "owed": stored(4, status="cancelled", stock_due_at=now, status_since=now - timedelta(minutes=61)),
        "short": stored(6, status="cancelled", items=[line("released", discrepancy=1)]),
        "just owed": stored(5, status="cancelled", stock_due_at=now, status_since=now - timedelta(minutes=59)),
    } | {
        name: stored(number, status=status, created_at=now - timedelta(days=30), status_since=since)
        for number, (name, status, since) in enumerate(
            [
                ("late paid", "paid", now - unshipped - timedelta(minutes=1)),
                ("late processing", "processing", now - unshipped - timedelta(minutes=1)),
                ("paid yesterday", "paid", now - timedelta(days=1)),
                ("late pending", "pending", now - timedelta(days=30)),
            ],
            10,
        )
    }
    orders["owed"]["created_at"] = orders["just owed"]["created_at"] = now - timedelta(hours=3)
    orders["new pending"] = stored(20, created_at=now - unpaid + timedelta(minutes=1))
    insert(database, *orders.values())
    names = {order["number"]: name for name, order in orders.items()}
    for flag, expected in {
        "unknown": {"unknown"},
        "owed": {"owed"},
        "short": {"short"},
        "unshipped": {"late paid", "late processing"},
        "unpaid": {"late pending"},
        "unverified": {"unverified", "unchecked"},
        "unchecked": {"unchecked"},
    }.items():
        assert {names[number] for number in look(support, flag=flag)} == expected, flag
    found = {names[number] for number in look(support, flag=["unknown", "unshipped"], status=["rejected", "paid"])}
    assert found == {"unknown", "late paid"}


def test_how_long_is_too_long_is_set(database: Database[Document], support: Client, settings: Any) -> None:
    at = timezone.now() - timedelta(hours=2)
    insert(database, stored(1, status="paid", created_at=at, status_since=at), stored(2, created_at=at))
    assert look(support, flag=["unshipped", "unpaid"]) == []
    settings.SHIP_WITHIN = settings.UNPAID_ORDER_TTL = 3600
    assert len(look(support, flag=["unshipped", "unpaid"])) == 2


def test_filters_and_the_search_narrow_each_other(database: Database[Document], support: Client) -> None:
    orders = [
        stored(0, status="paid", user_id="7"),
        stored(1, status="paid", user_id="8"),
        stored(2, status="shipped", user_id="7", user_verified=False),
    ]
    insert(database, *orders)
    assert look(support, q="7", status="paid") == numbers(orders[0])
    assert look(support, q="7", flag="unverified") == numbers(orders[2])
    assert look(support, q="7", flag="unverified", user="8") == []
    assert look(support, q="8", status="shipped") == []


def test_what_the_list_is_narrowed_to_is_told_and_can_be_taken_back(
    database: Database[Document], support: Client
) -> None:
    insert_each_status(database)
    response = support.get(LIST, {"status": ["paid", "shipped"], "flag": "unpaid", "most": "9", "sort": "oldest"})
    assert chips(response) == {
        "Status: Paid": "?flag=unpaid&most=9&sort=oldest&status=shipped",
        "Status: Shipped": "?flag=unpaid&most=9&sort=oldest&status=paid",
        "Payment overdue": "?most=9&sort=oldest&status=paid&status=shipped",
        "Total up to: 9": "?flag=unpaid&sort=oldest&status=paid&status=shipped",
    }
    assert chips(support.get(LIST, {"date": "shipped", "since": "2026-03-01", "until": "2026-03-02"})) == {
        "Date: Shipped": "?since=2026-03-01&until=2026-03-02",
        "Shipped from: 2026-03-01": "?date=shipped&until=2026-03-02",
        "Shipped until: 2026-03-02": "?date=shipped&since=2026-03-01",
    }
    assert [*chips(support.get(LIST, {"since": "2026-03-01"}))] == ["Placed from: 2026-03-01"]
    assert chips(support.get(LIST)) == {}
    assert "No matching orders" in text_of(response)


def values_shown(body: str) -> list[str]:
    """Of the chips on a page, without the filters' names."""
    return re.findall(r'<li><a href="\?[^>]*>[^<]*?: ([^<]*) <span', body)


def test_a_german_reads_days_and_amounts_as_germans_write_them_and_forms_keep_the_machines(support: Client) -> None:
    asked = {"since": "2026-03-01", "least": "1000.50", "most": "2000.00"}
    body = support.get(LIST, asked, headers={"accept-language": "de"}).content.decode()
    assert values_shown(body) == ["01.03.2026", "1000,50", "2000,00"]
    for name, value in asked.items():
        assert re.search(rf'name="{name}" value="{re.escape(value)}"', body)
    unreadable = support.get(LIST, {"since": "01.03.2026", "least": "1.000,50"}, headers={"accept-language": "de"})
    assert values_shown(unreadable.content.decode()) == ["01.03.2026", "1.000,50"]
    assert rows(unreadable) == []


def test_every_input_has_a_label(support: Client) -> None:
    body = support.get(LIST).content.decode()
    form = body[body.index('id="order-filters"') : body.index("</details>")]
    inputs = re.findall(r"<(?:input|select)[^>]*>", form)
    assert len(inputs) == 9 + 10 + 10
    for tag in inputs:
        [widget_id] = re.findall(r'id="(\w+)"', tag)
        assert f'<label for="{widget_id}"' in form
    assert '<label for="searchbar"' in body


# --- search ----------------------------------------------------------------------------------------------------------


def found(client: Client, text: str, **more: Any) -> list[str]:
    """What a search lists; a flag that every order has keeps it from leading to the only hit."""
    return look(client, q=text, least="0", **more)


def test_a_number_is_found_however_it_is_spelt(database: Database[Document], support: Client) -> None:
    insert(database, stored(1) | {"number": "10KQ-2M9D-XW3H"}, stored(2), stored(3))
    for spelt in (
        "10KQ-2M9D-XW3H", "10kq-2m9d-xw3h", "10KQ2M9DXW3H", "IOKQ-2M9D-XW3H", "lokq 2m9d xw3h", " 10KQ-2M9D-XW3H ",
        "1-0-K-Q-2-M-9-D-X-W-3-H",
    ):  # fmt: skip
        assert found(support, spelt) == ["10KQ-2M9D-XW3H"], spelt


def test_an_order_is_found_by_its_id(database: Database[Document], support: Client) -> None:
    wanted = insert(database, stored(1, _id=ObjectId("abcdefabcdefabcdefabcdef")), stored(2), stored(3))
    for spelt in ("abcdefabcdefabcdefabcdef", "ABCDEFABCDEFABCDEFABCDEF", "  abcdefabcdefabcdefabcdef "):
        assert found(support, spelt) == numbers(wanted)


def test_a_users_orders_are_found_by_the_users_id(database: Database[Document], support: Client) -> None:
    users = {
        "17": ["17", " 17 ", "0017"],
        "665f1c0a9b1e8a0012a4beef": ["665f1c0a9b1e8a0012a4beef", "665F1C0A9B1E8A0012A4BEEF"],
        "3f2b9c1e-8d4a-4c6b-9e2f-0a1b2c3d4e5f": [
            "3f2b9c1e-8d4a-4c6b-9e2f-0a1b2c3d4e5f",
            "3F2B9C1E8D4A4C6B9E2F0A1B2C3D4E5F",
        ],
    }
    owners = [*users, *users, "170", "1"]
    orders = [stored(number, user_id=owner) for number, owner in enumerate(owners)]
    insert(database, *orders)
    for user_id, spellings in users.items():
        for spelt in spellings:
            assert look(support, q=spelt) == [order["number"] for order in orders if order["user_id"] == user_id], spelt


def test_what_an_id_may_mean_is_all_found(database: Database[Document], support: Client) -> None:
    orders = [stored(1, _id=ObjectId(MUG)), stored(2, user_id=MUG), stored(3, items=[line() | {"product_id": MUG}])]
    insert(database, *orders, stored(4, items=[line() | {"product_id": TOWEL}]))
    assert look(support, q=MUG) == numbers(*orders)
    assert found(support, TOWEL) == [stored(4)["number"]]


def test_digits_that_are_a_number_and_a_user_find_both(database: Database[Document], support: Client) -> None:
    orders = [stored(1) | {"number": "1234-5678-9012"}, stored(2, user_id="123456789012"), stored(3)]
    insert(database, *orders)
    assert look(support, q="123456789012") == numbers(*orders[:2])


SOMEBODY: Document = {
    "contact": {"name": "Inês Carvalho", "email": "ines.carvalho@example.com", "phone": "+351 210 000 123"},
    "shipping_address": ADDRESS | {"city": "Lisboa", "postal_code": "1100-053", "company": "Casa Verde, Lda"},
    "reference": "WEB-77", "total_price": Decimal128("64.90"),
}  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "ines", "CARVALHO in", "ines.carvalho@example.com", "lisboa", "1100-053", "1100053", "64.90", "64,90",
        "210 000 123", "casa verde", "web-77", "inês 64.90", "0123 carvalho lis",
    ],
)  # fmt: skip
def test_an_order_is_found_by_what_people_know_of_it(database: Database[Document], support: Client, text: str) -> None:
    wanted = insert(database, stored(1, **SOMEBODY), stored(2), stored(3, user_id="77"))
    assert look(support, q=text) == numbers(wanted)
    assert look(support, q=f"{text} elsewhere") == []
    assert look(support, q=text, status="paid") == []


def test_a_page_of_a_search_leads_to_the_next_and_its_orders_are_exported_and_chosen_as_a_whole(
    database: Database[Document],
) -> None:
    manager = client_of("Manager")
    orders = [stored(n, **SOMEBODY) for n in range(60)]
    insert(database, *orders, stored(61))
    response = manager.get(LIST, {"q": "carvalho lis"})
    assert rows(response) == numbers(*orders[:50])
    cl = response.context["cl"]
    assert rows(manager.get(LIST + cl.next_address)) == numbers(*orders[50:])
    csv = b"".join(manager.get(f"{LIST}export/{cl.first_address}").streaming_content).decode()
    assert csv.count("\n") == 61
    chosen = of_list(QueryDict("q=carvalho+lis"), QueryDict("across=1"))
    assert len(chosen.selection.keys or ()) == 60


def test_a_search_for_one_order_leads_to_its_page(database: Database[Document], support: Client) -> None:
    order = insert(database, stored(1, user_id="17"), stored(2, user_id="18"))
    for text in (order["number"], order["number"].replace("-", ""), str(order["_id"])):
        response = support.get(LIST, {"q": text})
        assert (response.status_code, response.url) == (302, page(order)), text


def test_an_imported_order_is_found_by_the_number_that_it_had_elsewhere(
    database: Database[Document], support: Client
) -> None:
    order = insert(database, stored(1) | {"number": "OLD-4711"}, stored(2), stored(3) | {"number": "17"})
    response = support.get(LIST, {"q": " OLD-4711 "})
    assert (response.status_code, response.url) == (302, page(order))
    insert(database, stored(4, user_id="17"))
    assert look(support, q="17") == numbers(stored(3) | {"number": "17"}, stored(4))


def test_a_product_that_one_order_has_does_not_lead_to_its_page(database: Database[Document], support: Client) -> None:
    order = insert(database, stored(1, items=[line() | {"product_id": "a" * 24}]), stored(2, user_id="f" * 24))
    assert look(support, q="a" * 24) == numbers(order)
    assert len(look(support, q="f" * 24)) == 1


def test_a_search_that_may_mean_more_lists_what_it_finds(database: Database[Document], support: Client) -> None:
    order = insert(database, stored(1, user_id="17"), stored(2, user_id="18"))
    assert look(support, q="17") == numbers(order)  # a user, who may have more orders tomorrow
    assert look(support, q=order["number"], status="pending") == numbers(order)


def test_what_is_well_written_and_not_there_finds_nothing(database: Database[Document], support: Client) -> None:
    insert(database, stored(1))
    for text in ("0000-0000-9999", "f" * 24, "424242", "3f2b9c1e-8d4a-4c6b-9e2f-0a1b2c3d4e5f"):
        response = support.get(LIST, {"q": text})
        assert rows(response) == [], text
        assert f"No results for “{text}”" in text_of(response)
        assert "You can search for names" in text_of(response)


@pytest.mark.slow
def test_nonsense_finds_nothing_and_is_called_by_its_name(database: Database[Document], support: Client) -> None:
    insert(database, stored(1) | {"number": "10KQ-2M9D-XW3H"}, stored(2, user_id="18"))
    for text in (
        "10KQ-2M9D-XW3U", "10KQ-2M9D-XW3H extra", "-17", "1.5", "$ne", '{"$gt": ""}', "' OR 1=1", "^d$", "S.*d",
        "<script>alert", "\u0661\u0667", "Springfield, Elsewhere", "<script>alert(1)", "{{7*7}}", "~92",
        "9" * 20, "9" * 10 + ".5" * 10, "=" * 20 + "<x>", "x" * 129, "Springfield \U0010ffff92",
    ):  # fmt: skip
        response = support.get(LIST, {"q": text})
        assert rows(response) == [], text
        assert f"No results for “{text}”" in text_of(response) or "<" in text
        assert "<script>alert" not in response.content.decode()
    for text in (".*", "%", "=<>", "~", "¿…?"):
        response = support.get(LIST, {"q": text})
        assert rows(response) == [], text
        assert "Search: Search for a name, e-mail address" in text_of(response)
    assert "Search for 8 words at most" in text_of(support.get(LIST, {"q": "a " * 9}))
    too_long = support.get(LIST, {"q": "x" * 5000})
    assert "Ensure this value has at most 200 characters" in text_of(too_long)


def test_an_empty_search_shows_all(database: Database[Document], support: Client) -> None:
    insert_each_status(database)
    for text in ("", " ", "\t"):
        assert len(look(support, q=text)) == len(Status)


def test_a_search_in_vain_in_a_view_offers_all_orders(database: Database[Document], support: Client) -> None:
    order = insert(database, stored(1, status="shipped"))
    response = support.get(LIST, {"q": order["number"], "status": "paid"})
    assert rows(response) == []
    assert f'href="?{urlencode({"q": order["number"]})}">Search all orders' in response.content.decode()
