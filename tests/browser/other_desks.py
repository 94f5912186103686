"""How the documentation of three other shop systems says that a daily job is done: the figures in docs/desk.md.

Each step begins with its kind: `press` is a click, `fill in` and `choose` are an entry, `opens` is a page, a side panel
or a dialog. Only steps that the documentation names are here, in words of our own; what it calls optional is left out.
"""

from dataclasses import dataclass

SHOPIFY, SALEOR, MEDUSA = "Shopify", "Saleor", "Medusa"
PRODUCTS = (SHOPIFY, SALEOR, MEDUSA)
NOT_SHOWN = "not shown"
CLICKS, ENTRIES, PAGES = ("press",), ("fill in", "choose"), ("opens",)


@dataclass(frozen=True)
class Count:
    """What a job takes."""

    clicks: int
    entries: int
    pages: int

    def __str__(self) -> str:
        parts = [_several(self.clicks, "click", "clicks")]
        parts += [_several(self.entries, "entry", "entries")] if self.entries else []
        parts += [_several(self.pages, "page", "pages")] if self.pages else []
        return ", ".join(parts)


@dataclass(frozen=True)
class Shown:
    """A job step by step, and the pages of the documentation that show it, by their keys in READ."""

    steps: tuple[str, ...]
    read: tuple[str, ...]
    note: str = ""

    @property
    def count(self) -> Count:
        return Count(*(sum(step.startswith(kinds) for step in self.steps) for kinds in (CLICKS, ENTRIES, PAGES)))


def _several(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


_SALEOR = "https://github.com/saleor/saleor-docs/blob"
_MEDUSA = "https://github.com/medusajs/medusa/blob"
_GUIDE = "www/apps/user-guide/app"
READ = {
    "shopify fulfil": (
        "Shopify, Fulfill complete orders manually (as of February 2019)",
        "https://help.shopify.com/en/manual/orders/fulfill-orders",
    ),
    "shopify pay": ("Shopify, Capturing payments", "https://help.shopify.com/en/manual/orders/get-paid"),
    "shopify refund": (
        "Shopify, Refunding orders",
        "https://help.shopify.com/en/manual/orders/refunds-returns/refunding-orders",
    ),
    "shopify return": (
        "Shopify, Creating returns and refunds",
        "https://help.shopify.com/en/manual/orders/refund-cancel-order",
    ),
    "shopify export": (
        "Shopify, Exporting orders (in Chinese, as of October 2024)",
        "https://help.shopify.com/zh-CN/manual/fulfillment/managing-orders/exporting-orders",
    ),
    "saleor orders": (
        "Saleor, Orders",
        f"{_SALEOR}/10c99f7fca49644e68f0fe88c52c1cb35cc190a2/docs/dashboard/orders.md",
    ),
    "saleor returns": (
        "Saleor, Orders, How to return and replace an order",
        f"{_SALEOR}/76331b25b3012b2d91fca547288aaa8f14e48a70/docs/dashboard/orders.md",
    ),
    "saleor home": ("Saleor, Home", f"{_SALEOR}/2c8b17d1f41443c9fad24560f33b0791003e296a/docs/dashboard/home.md"),
    "medusa lists": (
        "Medusa, Tips for Lists in Medusa Admin",
        f"{_MEDUSA}/07d5f971ca3ff79b302bc0c26eecbdee22bcdada/{_GUIDE}/tips/lists/page.mdx",
    ),
    "medusa manage": (
        "Medusa, Manage Order Details in Medusa Admin",
        f"{_MEDUSA}/32ee5255d4148e0ab89d9839ba379f3e4e7689c9/{_GUIDE}/orders/manage/page.mdx",
    ),
    "medusa pay": (
        "Medusa, Manage Order Payments in Medusa Admin",
        f"{_MEDUSA}/33ac9d0482a253d5ba0687f86dd8769c24859c8d/{_GUIDE}/orders/payments/page.mdx",
    ),
    "medusa fulfil": (
        "Medusa, Manage Order's Fulfillments",
        f"{_MEDUSA}/1dac5f982c463438ae6a09a2dfced98685fafca1/{_GUIDE}/orders/fulfillments/page.mdx",
    ),
    "medusa edit": (
        "Medusa, Edit an Order’s Items",
        f"{_MEDUSA}/6a81204f36f0df18879d1d4faddb3e72d7e99d7f/{_GUIDE}/orders/edit/page.mdx",
    ),
    "medusa return": (
        "Medusa, Manage Order Returns in Medusa Admin",
        f"{_MEDUSA}/99f864fab29a082784b53a57267fd929f9bfb72e/{_GUIDE}/orders/returns/page.mdx",
    ),
    "medusa export": (
        "Medusa, Export Orders",
        f"{_MEDUSA}/1dac5f982c463438ae6a09a2dfced98685fafca1/{_GUIDE}/orders/export/page.mdx",
    ),
}
"""The title of each page that was read, and the address that it was read at."""

_MEDUSA_SHIPS = (
    "press the three dots of the unfulfilled items",
    "press Create fulfillment",
    "opens a form",
    "choose the location",
    "fill in the quantities",
    "press Create fulfillment",
    "press the three dots of the fulfillment",
    "press Mark shipped",
    "opens a window",
    "fill in the tracking number",
    "press Complete",
)
_MEDUSA_REFUNDS = (
    "press the three dots of the payment",
    "press Refund",
    "opens a side window",
    "fill in the amount",
    "choose the reason",
    "press Save",
)

JOBS: dict[str, dict[str, Shown]] = {
    "find": {
        SALEOR: Shown(
            ("press Orders", "opens the list", "fill in the search", "press the order", "opens the order"),
            ("saleor orders",),
        ),
        MEDUSA: Shown(
            ("press Orders", "opens the list", "fill in the search", "press the order", "opens the order"),
            ("medusa lists", "medusa manage"),
        ),
    },
    "pay": {
        SHOPIFY: Shown(
            ("press Capture payment", "opens a dialog", "press Accept"),
            ("shopify pay",),
            "of a card; the steps for a payment that came by another way are not shown",
        ),
        SALEOR: Shown(("press Capture", "press the confirmation"), ("saleor orders",), "of a card"),
        MEDUSA: Shown(("press Mark as paid", "opens a dialog", "press Confirm"), ("medusa pay",)),
    },
    "ship": {
        SHOPIFY: Shown(
            ("press Mark as fulfilled", "fill in the tracking number", "press Fulfill items"), ("shopify fulfil",)
        ),
        SALEOR: Shown(("press Fulfill", "fill in the tracking number", "press Confirm"), ("saleor orders",)),
        MEDUSA: Shown(_MEDUSA_SHIPS, ("medusa fulfil",)),
    },
    "part": {
        SALEOR: Shown(
            ("press Fulfill", "fill in the quantity", "fill in the tracking number", "press Confirm"),
            ("saleor orders",),
        ),
        MEDUSA: Shown(_MEDUSA_SHIPS, ("medusa fulfil",)),
    },
    "print": {},
    "cancel": {
        SHOPIFY: Shown(("press Refund", "fill in the quantity", "press Refund"), ("shopify refund",)),
        MEDUSA: Shown(
            (
                "press the three dots of the summary",
                "opens a form",
                "fill in the quantity, 0",
                "press Save",
                "press Force confirm",
                "opens a dialog",
                "press Yes, force confirm",
                *_MEDUSA_REFUNDS,
            ),
            ("medusa edit", "medusa pay"),
        ),
    },
    "return": {
        SHOPIFY: Shown(
            (
                "press Return items",
                "fill in the quantity",
                "press No return shipping",
                "press Create return",
                "press Refund",
                "fill in the quantity",
                "press Refund",
            ),
            ("shopify return", "shopify refund"),
        ),
        SALEOR: Shown(
            (
                "press the three dots of the fulfilled items",
                "press Return or replace",
                "fill in the quantity",
                "press Return & replace products",
            ),
            ("saleor returns",),
            "without the refund, which can be part of it in steps that are not shown",
        ),
        MEDUSA: Shown(
            (
                "press the three dots of the summary",
                "press Create return",
                "opens a form",
                "press Add items",
                "opens a list",
                "press the item",
                "press Save",
                "choose the location",
                "press Confirm return",
                "opens a dialog",
                "press Continue",
                "press Receive items",
                "opens a side window",
                "fill in the quantity",
                "press Save",
                *_MEDUSA_REFUNDS,
            ),
            ("medusa return", "medusa pay"),
        ),
    },
    "address": {
        MEDUSA: Shown(
            (
                "press the three dots of the customer",
                "press Shipping address",
                "opens a side window",
                "fill in the address",
                "press Save",
            ),
            ("medusa manage",),
        ),
    },
    "attention": {
        SALEOR: Shown(
            (
                "press the number of payments to be captured",
                "opens the list",
                "press the order",
                "opens the order",
                "press Capture",
                "press the confirmation",
            ),
            ("saleor home", "saleor orders"),
        ),
    },
    "export": {
        SHOPIFY: Shown(
            (
                "press Orders",
                "opens the list",
                "press Export",
                "opens a window",
                "press Export orders by date",
                "fill in the first day",
                "fill in the last day",
                "choose the file format",
                "press Export orders",
            ),
            ("shopify export",),
        ),
        MEDUSA: Shown(
            (
                "press Orders",
                "opens the list",
                "press Export",
                "opens a window",
                "press Export",
                "press the bell",
                "opens a panel",
                "press the download",
            ),
            ("medusa export",),
            "of all orders; choosing their days is not shown",
        ),
    },
}
"""By job, what each documentation shows of it."""
