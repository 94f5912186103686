"""What was typed is not lost with the session: it is back in the form after the log-in, and sent when they say so."""

import pytest
from playwright.sync_api import Page, expect
from pymongo.database import Database

from tests.browser.conftest import SignIn, inaccessible
from tests.functional.admin_helpers import LIST, PASSWORD, Document, find, insert, line, page, staff, stored

pytestmark = [pytest.mark.slow, pytest.mark.no_cover]
BACK = "What you entered is back in this form"


def test_an_address_that_was_typed_while_the_session_ended_is_saved_once(
    sign_in: SignIn, database: Database[Document]
) -> None:
    order = insert(database, stored())
    desk = sign_in("Support", at=page(order))
    desk.get_by_text("Edit address").click()
    desk.get_by_label("City").fill("Übermorgenstadt")
    desk.locator("#address-reason").fill('They said: "moved" </textarea>')
    database["orders"].update_one({"_id": order["_id"]}, {"$set": {"shipping_address.state": "Elsewhere"}})
    end_session(desk)
    desk.get_by_role("button", name="Save address").click()
    expect(desk.get_by_text("You are no longer logged in. Nothing was changed.")).to_be_visible()
    assert "stadt" not in desk.url
    log_in(desk, "wrong")
    expect(desk.get_by_text("The user name or the password is wrong")).to_be_visible()
    log_in(desk)
    expect(desk.get_by_text(BACK)).to_be_visible()
    assert desk.url.endswith(page(order))
    expect(desk.get_by_label("City")).to_have_value("Übermorgenstadt")
    expect(desk.locator("#address-reason")).to_have_value('They said: "moved" </textarea>')
    assert inaccessible(desk) == []
    assert find(database, order)["version"] == 1
    desk.get_by_role("button", name="Save address").click()
    expect(desk.get_by_text("is now 1 Long Street")).to_be_visible()
    expect(desk.get_by_text(BACK)).to_have_count(0)
    saved = find(database, order)
    assert (saved["version"], saved["shipping_address"]["city"]) == (2, "Übermorgenstadt")
    desk.reload()
    expect(desk.get_by_text(BACK)).to_have_count(0)


def test_a_bulk_confirmation_comes_back_with_its_selection_and_reason(
    sign_in: SignIn, database: Database[Document], live_server_url: str
) -> None:
    orders = [stored(number) for number in range(3)]
    insert(database, *orders)
    desk = sign_in("Manager", at=f"{LIST}?status=pending")
    for order in orders[:2]:
        desk.locator(f"input[name=_selected_action][value='{order['_id']}']").check()
    desk.get_by_label("With selected orders").select_option("cancel")
    desk.get_by_role("button", name="Continue").click()
    desk.get_by_label("Reason").fill("The shop closes")
    end_session(desk)
    desk.get_by_role("button", name="Cancel 2 orders").click()
    door = desk.url
    desk.goto(f"{live_server_url.replace('localhost', '127.0.0.1')}/health")  # as if to an identity provider, and back
    desk.goto(door)
    log_in(desk)
    expect(desk.get_by_text("Selection: 2 orders")).to_be_visible()
    expect(desk.get_by_text(BACK)).to_be_visible()
    expect(desk.get_by_label("Reason")).to_have_value("The shop closes")
    assert database["bulk_runs"].count_documents({}) == 0
    desk.get_by_role("button", name="Cancel 2 orders").click()
    expect(desk.get_by_text("Processed: 2 of 2")).to_be_visible()
    assert database["bulk_runs"].count_documents({}) == 1
    assert [find(database, order)["status"] for order in orders] == ["cancelled", "cancelled", "pending"]


def test_a_form_of_before_the_last_log_in_goes_on_after_one_click(
    sign_in: SignIn, database: Database[Document]
) -> None:
    """Of each sort one: of a row among many, with ticks, of the list's selection, and with a password."""
    unknown = [
        insert(database, stored(number, status="cancelled", items=[line("unknown", call="release")]))
        for number in range(2)
    ]
    desk = sign_in("superuser", at=f"{LIST}attention/")
    second = desk.locator(".waiting-row").nth(1)
    number = second.locator("h3").inner_text()
    second.get_by_text("Resolve item 1…").click()
    second.get_by_label("Evidence").fill("Counted")
    spoil(desk)
    second.get_by_role("button", name="Released", exact=True).click()
    go_on(desk)
    expect(second.locator("h3")).to_have_text(number)
    expect(second.get_by_label("Evidence")).to_have_value("Counted")
    expect(desk.locator(".waiting-row").nth(0).get_by_label("Evidence")).to_have_value("")
    second.get_by_label("Evidence").fill("Counted \x07 twice")
    second.get_by_role("button", name="Released", exact=True).click()
    expect(desk.get_by_text("This was not saved. What you entered is back in this form.")).to_be_visible()
    expect(second.get_by_label("Evidence")).to_have_value("Counted \x07 twice")
    assert "unsent" not in desk.url

    order = insert(database, stored(9))
    desk.goto(page(order))
    desk.get_by_text("Edit address").click()
    desk.get_by_label("City").fill("New town")
    database["orders"].update_one({"_id": order["_id"]}, {"$set": {"version": 2}})
    spoil(desk)
    desk.get_by_role("button", name="Save address").click()
    go_on(desk)
    expect(desk.get_by_label("City")).to_be_focused()
    desk.get_by_role("button", name="Save address").click()
    expect(desk.get_by_text("Someone updated this order. Your change was not saved.")).to_be_visible()
    expect(desk.get_by_label("City")).to_have_value("New town")

    desk.goto("/admin/orders/webhookendpoint/add/")
    desk.get_by_label("URL").fill("https://shop.example/new")
    desk.get_by_label("order.paid").check()
    spoil(desk)
    desk.get_by_role("button", name="Add webhook").click()
    go_on(desk)
    expect(desk.get_by_label("URL")).to_have_value("https://shop.example/new")
    assert desk.locator("input[name=types]:checked").evaluate_all("all => all.map(one => one.value)") == ["order.paid"]

    desk.goto(f"{LIST}?status=cancelled")
    desk.locator(f"input[name=_selected_action][value='{unknown[1]['_id']}']").check()
    desk.get_by_label("With selected orders").select_option(label="Print packing slips")
    spoil(desk)
    desk.get_by_role("button", name="Continue").click()
    go_on(desk)
    assert desk.url.endswith("?status=cancelled")
    expect(desk.locator("input[name=_selected_action]:checked")).to_have_count(1)
    expect(desk.get_by_label("With selected orders")).to_have_value("packing-slips")

    desk.goto("/admin/auth/user/add/")
    desk.get_by_label("Username").fill("newcomer")
    desk.locator("input[name=password1]").fill(PASSWORD)
    spoil(desk)
    desk.get_by_role("button", name="Save", exact=True).click()
    assert "battery" not in desk.evaluate("JSON.stringify(sessionStorage)")
    go_on(desk)
    expect(desk.get_by_label("Username")).to_have_value("newcomer")
    expect(desk.locator("input[name=password1]")).to_have_value("")
    assert desk.evaluate("JSON.stringify(sessionStorage)") == "{}"


def test_what_somebody_typed_is_shown_to_nobody_else_and_not_in_another_form(
    sign_in: SignIn, database: Database[Document]
) -> None:
    order = insert(database, stored())
    staff("Manager")
    desk = sign_in("Support", at=page(order))
    write_note(desk, "Private")
    log_in(desk, name="Manager")
    desk.wait_for_url(f"**{page(order)}")
    expect(desk.locator("#note-text")).to_have_value("")
    assert desk.evaluate("JSON.stringify(sessionStorage)") == "{}"

    write_note(desk, "Late")
    desk.evaluate(
        """() => {
            const kept = JSON.parse(sessionStorage.getItem("unsent-form"));
            sessionStorage.setItem("unsent-form", JSON.stringify({ ...kept, at: kept.at - 3600001 }));
        }"""
    )
    log_in(desk, name="Manager")
    desk.wait_for_url(f"**{page(order)}")
    expect(desk.locator("#note-text")).to_have_value("")

    desk.get_by_text("Cancel…").first.click()
    desk.locator("#code-cancel").select_option("customer")
    desk.locator("#reason-cancel").fill("They rang")
    database["orders"].update_one({"_id": order["_id"]}, {"$set": {"status": "delivered", "version": 2}})
    end_session(desk)
    desk.get_by_role("button", name="Cancel this order").click()
    log_in(desk, name="Manager")
    expect(desk.get_by_text("This form is no longer available.")).to_be_visible()
    expect(desk.locator(".unsent-notice")).to_contain_text("They rang")
    fields = desk.locator("#content-main :is(input, textarea):visible")
    assert set(fields.evaluate_all("all => all.map(one => one.value)")) == {""}
    assert find(database, order)["status"] == "delivered"


def write_note(desk: Page, text: str) -> None:
    """Send a note without a session."""
    desk.locator("#note-text").fill(text)
    end_session(desk)
    desk.get_by_role("button", name="Add note").click()
    expect(desk.get_by_text("You are no longer logged in.")).to_be_visible()


def end_session(desk: Page) -> None:
    desk.context.clear_cookies(name="sessionid")


def spoil(desk: Page) -> None:
    """What a log-in in another tab does to the forms that are open in this one."""
    desk.locator("[name=csrfmiddlewaretoken]").evaluate_all(
        "all => all.forEach(one => { one.value = 'x'.repeat(64); })"
    )


def go_on(desk: Page) -> None:
    expect(desk.get_by_role("heading", name="This page was out of date")).to_be_visible()
    desk.get_by_role("link", name="Continue").click()
    expect(desk.get_by_text(BACK)).to_be_visible()


def log_in(desk: Page, password: str = PASSWORD, *, name: str = "") -> None:
    """As whoever was logged in before, or as somebody else."""
    desk.fill("input[name=username]", name or desk.evaluate("JSON.parse(sessionStorage.getItem('unsent-form')).who"))
    desk.fill("input[name=password]", password)
    desk.click("button[type=submit]")
