"""The figures' money is that of the orders' ledgers, whatever was cancelled, refunded or sent back."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from pymongo.database import Database

from integrations.sandbox import Sandbox
from orders.services import access
from orders.services.fulfilment.cancelling import cancel_lines
from orders.services.fulfilment.refunding import refund
from orders.services.fulfilment.returning import open_return, receive_return
from orders.services.lifecycle.transitions import change_status
from orders.services.reporting.dashboard_figures import dashboard
from orders.services.reporting.figures_refresh import refresh
from orders.services.reporting.shop_figures import Dashboard, Period, Trouble
from orders.services.stock.resolution import accept_shortage, resolve_line
from orders.services.stock.worker import settle_due
from orders.storage import ledger
from orders.storage.order_writes import orders
from tests.functional.admin_helpers import Document
from tests.integration.builders import WORKER, A, B, act, line, read, shelve, store
from tests.integration.parts_helpers import because, placed, some
from tests.integration.plain_figures import same, straight

TODAY = datetime.now(UTC).date()
AROUND = Period(TODAY - timedelta(days=1), TODAY)


def counted() -> Dashboard:
    while refresh(seconds=60).more:
        pass
    return dashboard(actor=access.admin("boss"), period=AROUND)


def test_money_is_that_of_the_ledgers_and_what_is_kept_is_what_customers_have(
    database: Database[Document], sandbox: Sandbox
) -> None:
    for product in (A, B):
        shelve(sandbox, product, available=100)
    whole, parted, returned, cancelled, refunded = (
        placed(status, (A, 3), (B, 2)) for status in ("delivered", "paid", "delivered", "paid", "shipped")
    )
    placed("pending", (A, 1))
    cancel_lines(order_id=parted, lines=some((0, 1)), act=because("out_of_stock"))
    refund(order_id=parted, amount=Decimal("0.50"), act=because("other", "Part of it"))
    open_return(order_id=returned, lines=some((1, 1)), act=because())
    receive_return(order_id=returned, number=0, restock=True, act=act())
    change_status(order_id=cancelled, transition="cancel", act=because("fraud"))
    refund(order_id=refunded, act=because())
    refund(order_id=whole, amount=Decimal("1.00"), act=act(reason="An apology"))
    found = counted()
    same(found, straight(database, AROUND))
    of_orders = [ledger.money_of(order) for order in orders().find()]
    paid, refunded_sum, owed = (sum(column, Decimal(0)) for column in zip(*of_orders, strict=True))
    assert (found.ours.paid, found.ours.refunded, found.ours.owed) == (paid, refunded_sum, owed)
    assert found.ours.revenue == found.ours.net - found.ours.owed, "what is not the customers' is the shop's"
    worth = sum(
        (ledger.worth_of(read(order_id)["items"]) for order_id in (whole, parted, returned)),
        Decimal(0),
    )
    assert found.ours.revenue == worth - Decimal("1.00"), "the apology alone reduces what the goods are worth"
    assert found.ours.revenue < sum(
        (order["total_price"].to_decimal() for order in orders().find({"status": {"$in": ["paid", "delivered"]}})),
        Decimal(0),
    )
    assert found.reasons == {
        "out_of_stock": {"cancel": 1, "refund": 0, "return": 0},
        "fraud": {"cancel": 1, "refund": 0, "return": 0},
        "customer": {"cancel": 0, "refund": 1, "return": 1},
        "other": {"cancel": 0, "refund": 1, "return": 0},
        "": {"cancel": 0, "refund": 1, "return": 0},
    }
    assert [found.stays[status].orders for status in ("pending", "paid", "processing", "shipped")] == [5, 4, 3, 3]


def test_stock_trouble_is_what_it_is_now_though_no_day_changes_with_it(
    database: Database[Document], sandbox: Sandbox
) -> None:
    shelve(sandbox, A, available=100)
    at = datetime.now(UTC) - timedelta(hours=1)
    short = line("released", quantity=3)
    short["stock"]["discrepancy"] = 1
    order_id = store("cancelled", line("releasing"), short, created_at=at, updated_at=at)
    found = counted()
    assert (found.unknown, found.short) == (Trouble(), Trouble(1, 1))
    sandbox.control.fault("release", "status", status=500)
    settle_due(actor=WORKER)
    found = counted()
    assert (found.unknown, found.short) == (Trouble(1, 2), Trouble(1, 1))
    resolve_line(order_id=order_id, line=0, happened=True, act=act(reason="Looked"))
    accept_shortage(order_id=order_id, line=1, discrepancy=1, act=act(reason="Recounted"))
    found = counted()
    assert (found.unknown, found.short) == (Trouble(), Trouble())
    assert read(order_id)["updated_at"] < datetime.now(UTC).replace(tzinfo=None) - timedelta(minutes=30)
