"""WooCommerce's orders as its extension Customer/Order/Coupon Export writes them: CSV, one row per item.

https://woocommerce.com/document/ordercustomer-csv-export/ describes it; other extensions write the same columns, and
the few that they call otherwise are read too. docs/import-export.md says what becomes of them.
"""

import re
from collections.abc import Mapping
from functools import partial

from django.conf import settings

from orders.services.transfer.foreign_orders import (
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
    "name": ("full_name",),
    "company": ("company",),
    "line1": ("address_1",),
    "line2": ("address_2",),
    "city": ("city", "state", "country"),
    "state": ("state", "state_code"),
    "postal_code": ("postcode",),
    "country": ("country",),
    "phone": ("phone",),
}
ITEM_PATHS = {
    "product_name": "item_name",
    "sku": "item_sku",
    "product_id": "item_product_id",
    "quantity": "item_quantity",
    "price": "item_subtotal",
}
OF_LINE = ("item_id", "item_total", *ITEM_PATHS.values())
CREATED = ("order_date", "date")
PAID = ("paid_date", "date_paid")
COMPLETED = ("completed_date", "date_completed")
NUMBER = ("order_number_formatted", "order_number", "order_id")
COLUMNS = (
    *("order_id", "order_number", "order_number_formatted", *CREATED, *PAID, *COMPLETED, "status", "order_currency"),
    *("order_total", "shipping_total", "shipping_tax_total", "fee_total", "fee_tax_total", "tax_total"),
    *("discount_total", "cart_discount", "refunded_total", "payment_method_title", "payment_method", "transaction_id"),
    *("shipping_method", "coupon_items", "customer_note", "billing_email", *OF_LINE),
    *(
        f"{part}_{name}"
        for part in ("shipping", "billing")
        for name in dict.fromkeys(["first_name", "last_name", *(name for names in ADDRESS.values() for name in names)])
    ),
)
STATUSES = {
    "pending": "pending",
    "on-hold": "pending",
    "processing": "processing",
    "completed": "delivered",
    "cancelled": "cancelled",
    "failed": "cancelled",
    "refunded": "refunded",
}
UNPAID = ("pending", "on-hold", "cancelled", "failed")


def shop(statuses: Mapping[str, str]) -> Shop:
    """WooCommerce. :param statuses: what statuses mean that are a shop's own."""
    return Shop(
        name="WooCommerce",
        columns=COLUMNS,
        of_line=OF_LINE,
        needed=[
            *(("order_id", "order_number"), ("status",), CREATED, ("order_total",), ("billing_email",)),
            *(("item_name",), ("item_quantity",), ("item_subtotal", "item_total")),
            *(("shipping_address_1", "billing_address_1"), ("shipping_country", "billing_country")),
        ],
        advice="Choose the CSV format with one row per item.",
        key=lambda row: row.get("order_id") or row.get("order_number", ""),
        order=partial(_order, {**STATUSES, **statuses}),
    )


def _order(statuses: Mapping[str, str], sheet: Sheet) -> Record:
    draft, number = Draft(sheet), sheet.text(*NUMBER)
    key = sheet.text("order_id", "order_number")
    identify(draft, "woocommerce", key, number, key, sheet.first(*NUMBER)[1])
    _people(draft, number)
    word = sheet.text("status").lower().removeprefix("wc-")
    status = statuses.get(word, "")
    draft.put("status", status, "status")
    if not status:
        text = f"{shown(sheet.text('status'))} is none of: {', '.join(statuses)}: say what it means by --map-status"
        sheet.problems.append(Problem(sheet.line, "status", text))
    later = {"paid_at": PAID} | ({"delivered_at": COMPLETED} if status in ("delivered", "refunded") else {})
    moments(draft, CREATED, later)
    _money(draft, _lines(draft), word)
    for ours, column in {"currency": "order_currency", "note": "customer_note"}.items():
        draft.put(ours, sheet.text(column), column)
    return draft.record(ITEM_PATHS)


def _people(draft: Draft, number: str) -> None:
    sheet = draft.sheet
    for part in ("shipping", "billing"):
        whole = f"{sheet.text(f'{part}_first_name')} {sheet.text(f'{part}_last_name')}".strip()
        sheet.cells.setdefault(f"{part}_full_name", whole)
    address(draft, "shipping_address", "shipping_" if sheet.text("shipping_address_1") else "billing_", ADDRESS)
    if sheet.text("billing_address_1") and sheet.text("billing_country"):
        address(draft, "billing_address", "billing_", ADDRESS)
    draft.put("contact_name", *sheet.first("billing_full_name", "shipping_full_name"))
    draft.put("contact_email", sheet.text("billing_email"), "billing_email")
    draft.put("contact_phone", *sheet.first("billing_phone", "shipping_phone"))
    user_of(draft, sheet.text("billing_email"), "billing_email", number)


def _lines(draft: Draft) -> int:
    """What the lines come to before discounts, in cents."""
    sheet, total = draft.sheet, 0
    places: dict[str, int] = {}
    costs = "item_subtotal" if any(row.get("item_subtotal") for _, row in sheet.rows) else "item_total"
    for line, row in sheet.rows:
        if not any(row.get(column) for column in ITEM_PATHS.values()):
            continue  # an order without items, or a row of shipping alone
        place = row.get("item_id", "")
        if place and places.setdefault(place, line) != line:
            sheet.problems.append(Problem(line, "item_id", f"{place} is that of line {places[place]} too"))
        fields = Fields(row, line, conventions=sheet.conventions)
        quantity, cost = fields.whole("item_quantity", most=settings.MAX_LINE_QUANTITY), fields.money(costs, digits=14)
        sheet.problems += fields.problems
        draft.lines += [(line, "", item) for item in _items(row, quantity or 1, cost or 0)]
        total += cost or 0
    return total


def _items(row: Mapping[str, str], quantity: int, cost: int) -> list[Mapping[str, str]]:
    """A line, or two if its units cannot all cost the same in whole cents."""
    item = {ours: row.get(column, "") for ours, column in ITEM_PATHS.items()}
    if item["product_id"] in ("", "0"):
        item["product_id"] = "" if item["sku"] else product_of(item["product_name"])
    price, rest = divmod(cost, quantity)
    parts = [(quantity - rest, price), (rest, price + 1)]
    return [item | {"quantity": str(units), "price": written(each)} for units, each in parts if units]


def _money(draft: Draft, lines: int, word: str) -> None:
    sheet = draft.sheet
    total = sheet.fields.money("order_total", digits=MOST_DIGITS) or 0
    draft.put("total_price", written(total), "order_total")
    coupons = ", ".join(re.findall(r"code:([^|;]+)", sheet.text("coupon_items")))
    fixed = [
        ("shipping", sheet.text("shipping_method"), sheet.cents("shipping_total")),
        ("fee", "", sheet.cents("fee_total", signed=True)),
        ("discount", coupons, -sheet.cents("discount_total", "cart_discount") * _is_before_discounts(sheet)),
    ]
    taxes = sheet.cents("tax_total"), sheet.cents("shipping_tax_total"), sheet.cents("fee_tax_total", signed=True)
    readings = [[*fixed, ("tax", "", added)] for added in dict.fromkeys((taxes[0], sum(taxes)))]
    refunded = sheet.cents("refunded_total")
    if sheet.problems or sheet.fields.problems:
        return
    settled(draft, total, lines, readings)
    paid = 0 if word in UNPAID and not sheet.text(*PAID) else total
    draft.paths["refunded"] = "refunded_total"
    reference, method = sheet.text("transaction_id"), sheet.text("payment_method_title", "payment_method")
    gone = total if draft.fields["status"] == "refunded" else refunded
    ledger(draft, paid=paid, refunded=gone, at=PAID, reference=reference, method=method)


def _is_before_discounts(sheet: Sheet) -> bool:
    """Whether the lines are as they were before coupons: their totals are what is left."""
    return any(row.get("item_subtotal") for _, row in sheet.rows)
