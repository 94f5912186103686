"""Shopify's export of orders: CSV with a row for each line, of which the first alone has what is about the whole order.

https://help.shopify.com/en/manual/orders/export-orders describes it; docs/import-export.md says what becomes of it.
"""

from collections.abc import Mapping

from django.conf import settings

from orders.services.transfer.file_format import iso
from orders.services.transfer.foreign_orders import (
    Charge,
    Draft,
    Sheet,
    Shop,
    address,
    identify,
    ledger,
    moments,
    settled,
    user_of,
    written,
)
from orders.services.transfer.import_fields import Fields, shown
from orders.services.transfer.import_files import Problem, Record
from orders.services.transfer.import_ledger import MOST_DIGITS
from orders.services.transfer.import_rules import product_of

ADDRESS = {
    "name": ("Name",),
    "company": ("Company",),
    "line1": ("Address1", "Street"),
    "line2": ("Address2",),
    "city": ("City", "Province Name", "Province", "Country"),
    "state": ("Province", "Province Name"),
    "postal_code": ("Zip",),
    "country": ("Country",),
    "phone": ("Phone",),
}
ITEM_PATHS = {
    "product_name": "Lineitem name",
    "sku": "Lineitem sku",
    "product_id": "Lineitem sku",
    "quantity": "Lineitem quantity",
    "price": "Lineitem price",
}
TAXES = tuple((f"Tax {number} Name", f"Tax {number} Value") for number in range(1, 6))
OF_LINE = ("Lineitem discount", "Lineitem fulfillment status", *dict.fromkeys(ITEM_PATHS.values()))
COLUMNS = (
    *("Name", "Id", "Email", "Phone", "Financial Status", "Paid at", "Fulfillment Status", "Fulfilled at"),
    *("Cancelled at", "Created at", "Currency", "Shipping", "Taxes", "Duties", "Total", "Discount Code"),
    *("Discount Amount", "Shipping Method", "Refunded Amount", "Outstanding Balance", "Payment Method"),
    *("Payment Reference", "Notes", "Tags", *(name for pair in TAXES for name in pair), *OF_LINE),
    *dict.fromkeys(
        f"{part} {name}" for part in ("Shipping", "Billing") for names in ADDRESS.values() for name in names
    ),
)
PAID = ("paid", "partially_refunded", "refunded")
FINANCIAL = (*PAID, "partially_paid", "pending", "authorized", "expired", "voided")
FULFILMENT = ("fulfilled", "partial", "unfulfilled", "pending", "scheduled", "on_hold", "restocked", "")


def _order(sheet: Sheet) -> Record:
    draft, name = Draft(sheet), sheet.text("Name")
    identify(draft, "shopify", sheet.text("Id") or name, name, sheet.text("Id"), "Name")
    _people(draft, name)
    moments(draft, ("Created at",), _later(sheet))
    lines, off = _lines(draft)
    _money(draft, lines, off)
    draft.put("status", _status(sheet), "Financial Status")
    for ours, column in {"currency": "Currency", "note": "Notes"}.items():
        draft.put(ours, sheet.text(column), column)
    return draft.record(ITEM_PATHS)


def _people(draft: Draft, name: str) -> None:
    sheet = draft.sheet
    is_shipped = sheet.text("Shipping Address1", "Shipping Street")
    address(draft, "shipping_address", "Shipping " if is_shipped else "Billing ", ADDRESS)
    if sheet.text("Billing Address1", "Billing Street") and sheet.text("Billing Country"):
        address(draft, "billing_address", "Billing ", ADDRESS)
    draft.put("contact_name", *sheet.first("Billing Name", "Shipping Name"))
    draft.put("contact_email", sheet.text("Email"), "Email")
    draft.put("contact_phone", *sheet.first("Phone", "Billing Phone", "Shipping Phone"))
    user_of(draft, sheet.text("Email"), "Email", name)


def _later(sheet: Sheet) -> Mapping[str, tuple[str, ...]]:
    """The moments that an order of this status can have."""
    status = _status(sheet)
    later = {"paid_at": ("Paid at",)}
    later |= {"shipped_at": ("Fulfilled at",)} if status in ("shipped", "refunded") else {}
    return later | ({"cancelled_at": ("Cancelled at",)} if status == "cancelled" else {})


def _status(sheet: Sheet) -> str:
    """Ours, of Shopify's two; words that neither of them is are noted by `_note_strange_statuses`."""
    financial, fulfilment = (_word(sheet.text(column)) for column in ("Financial Status", "Fulfillment Status"))
    if sheet.text("Cancelled at") or financial == "voided":
        return "cancelled"
    if financial == "refunded":
        return "refunded"
    if fulfilment in ("fulfilled", "partial"):
        return "shipped" if fulfilment == "fulfilled" else "processing"
    return "paid" if financial in PAID else "pending"


def _word(text: str) -> str:
    return text.lower().replace(" ", "_")


def _note_strange_statuses(sheet: Sheet) -> None:
    for column, known in (("Financial Status", FINANCIAL), ("Fulfillment Status", FULFILMENT)):
        if _word(sheet.text(column)) not in known:
            text = f"{shown(sheet.text(column))} is none of: {', '.join(filter(None, known))}"
            sheet.problems.append(Problem(sheet.line, column, text))


def _lines(draft: Draft) -> tuple[int, int]:
    """What the lines come to, and what was taken off single ones, in cents."""
    sheet, total, off = draft.sheet, 0, 0
    is_partial = _status(sheet) == "processing"
    for line, row in sheet.rows:
        if not any(row.get(column) for column in ITEM_PATHS.values()):
            continue  # a row that repeats an order without a line
        fields = Fields(row, line, conventions=sheet.conventions)
        quantity = fields.whole("Lineitem quantity", most=settings.MAX_LINE_QUANTITY) or 0
        total += quantity * (fields.money("Lineitem price", digits=10) or 0)
        off += fields.money("Lineitem discount", digits=10, needed=False) or 0
        sheet.problems += fields.problems
        item = {ours: row.get(column, "") for ours, column in ITEM_PATHS.items()}
        item["product_id"] = "" if item["sku"] else product_of(item["product_name"])
        is_gone = is_partial and _word(row.get("Lineitem fulfillment status", "")) == "fulfilled"
        draft.lines.append((line, "", item | ({"shipment": 0} if is_gone else {})))
    if any("shipment" in item for _, _, item in draft.lines):
        at = sheet.moment("Fulfilled at", "Created at")
        draft.put("shipments", [{"at": max(iso(at), draft.fields["created_at"])}], "Fulfilled at")
    return total, off


def _money(draft: Draft, lines: int, off_lines: int) -> None:
    sheet = draft.sheet
    _note_strange_statuses(sheet)
    total = sheet.fields.money("Total", digits=MOST_DIGITS) or 0
    draft.put("total_price", written(total), "Total")
    shipping, taxes = ("shipping", sheet.text("Shipping Method"), sheet.cents("Shipping")), _taxes(sheet)
    duties, off = ("fee", "Duties", sheet.cents("Duties")), sheet.cents("Discount Amount")
    readings = [
        [shipping, duties, *added, ("discount", sheet.text("Discount Code"), -discount)]
        for discount in dict.fromkeys((off, off + off_lines))
        for added in (taxes, [])
    ]
    if sheet.problems or sheet.fields.problems:
        return
    found = settled(draft, total, lines, readings)
    kept = {"tags": sheet.text("Tags")}
    if found is not None and not set(taxes) <= set(found):
        kept["taxes_included"] = ", ".join(f"{written(cents)} {label}".strip() for _, label, cents in taxes)
    draft.put("metadata", {name: text for name, text in kept.items() if text}, "Tags")
    _ledger(draft, total)


def _taxes(sheet: Sheet) -> list[Charge]:
    """The taxes by name, if they come to what Shopify says they do; otherwise as one."""
    taxes = sheet.cents("Taxes")
    named: list[Charge] = [("tax", sheet.text(name), sheet.cents(value)) for name, value in TAXES]
    return [tax for tax in named if tax[2]] if sum(cents for *_, cents in named) == taxes else [("tax", "", taxes)]


def _ledger(draft: Draft, total: int) -> None:
    sheet, financial = draft.sheet, _word(draft.sheet.text("Financial Status"))
    paid = total if financial in PAID else 0
    if financial == "partially_paid":
        paid = total - sheet.cents("Outstanding Balance")
    refunded = total if financial == "refunded" else sheet.cents("Refunded Amount")
    draft.paths["refunded"] = "Refunded Amount"
    reference, method = sheet.text("Payment Reference"), sheet.text("Payment Method")
    ledger(draft, paid=paid, refunded=refunded, at=("Paid at",), reference=reference, method=method)


SHOP = Shop(
    name="Shopify",
    columns=COLUMNS,
    of_line=OF_LINE,
    needed=[
        *(("Name",), ("Email",), ("Financial Status",), ("Fulfillment Status",), ("Total",), ("Created at",)),
        *(("Lineitem quantity",), ("Lineitem name",), ("Lineitem price",)),
        *(("Shipping Address1", "Billing Address1", "Shipping Street", "Billing Street"),),
        *(("Shipping Country", "Billing Country"),),
    ],
    advice="In Shopify's admin, choose Orders, Export, and CSV; leave the heading as it is.",
    key=lambda row: row["Name"],
    order=_order,
)
