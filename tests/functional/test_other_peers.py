"""Orders of a shop whose three peers are of another shape (examples/other_peers.py), over real HTTP on both sides."""

from bson import ObjectId

from orders.services.stock.resolution import resolve_line
from orders.services.stock.worker import settle_due
from tests.functional.helpers import Api, Documents, line_states, only_order, outage, problem, stored
from tests.integration.builders import WORKER, A, B, act, due_now
from tests.other_shop import Shop, other_fixture, shop_fixture  # noqa: F401

UNKNOWN = "f" * 24


def stocked(other: Shop) -> Shop:
    other.prices[B], other.stock[B] = "5.00", [4, 0]
    return other


def test_an_order_is_placed_paid_and_cancelled_and_the_stock_is_as_it_was(
    api: Api, other: Shop, database: Documents
) -> None:
    shop = stocked(other)
    placed = api("17").place((A, 2, shop.prices[A]), (B, 3, "5.00"))
    assert placed.status_code == 201, placed.text
    order = placed.json()
    assert (order["status"], order["user_verified"]) == ("pending", True)
    assert [item["name"] for item in order["items"]] == [f"No. {A}", f"No. {B}"]
    assert order["contact"]["name"] == "Ada"
    assert shop.stock == {A: [5, 5], B: [1, 3]}
    assert shop.counts() == {"customers": 1, "lookup": 1, "stock": 2, "reserve": 2}  # both products in one look-up
    sent = {path: (body, key) for method, path, body, key in shop.asked if path.endswith("/reserve")}
    assert sent == {
        f"/stock/{product}/reserve": (
            {"amount": amount, "reference_id": order["id"]},
            f"{order['id']}:{line}:reserve",
        )
        for line, (product, amount) in enumerate(((A, 2), (B, 3)))
    }

    staff = api(admin=True)
    assert staff.put(f"orders/{order['id']}/status", json={"status": "paid"}).status_code == 200
    assert api("17").delete(f"orders/{order['id']}").status_code == 204
    assert shop.stock == {A: [7, 3], B: [4, 0]}
    assert line_states(stored(database, order["id"])) == ["released", "released"]


def test_what_the_peers_say_no_to_is_refused_as_ever(api: Api, other: Shop, database: Documents) -> None:
    shop = stocked(other)
    customer = api("17")
    problem(customer.place((UNKNOWN, 1, "5.00")), 400, "unknown_product")
    problem(customer.place((B, 1, "4.00")), 409, "price_changed")
    short = problem(customer.place((B, 5, "5.00")), 409, "insufficient_stock")
    assert short["available"] == {"items.0": 4}
    problem(api("18").place((B, 1, "5.00")), 400, "unknown_user")
    assert shop.stock == {A: [7, 3], B: [4, 0]}
    assert shop.counts()["reserve"] == 0


def test_a_reserve_whose_answer_is_lost_waits_for_a_person(api: Api, other: Shop, database: Documents) -> None:
    shop = stocked(other)
    shop.lost.add("reserve")
    outage(api("17").place((B, 1, "5.00")), "placement_interrupted")
    order = only_order(database)
    assert line_states(order) == ["unknown"]
    assert shop.stock[B] == [3, 1]

    due_now(order["_id"])
    settle_due(actor=WORKER)
    assert shop.counts()["reserve"] == 1  # not guessed, and not sent again
    assert shop.counts()["release"] == 0
    assert line_states(only_order(database)) == ["unknown"]

    resolve_line(order_id=ObjectId(order["_id"]), line=0, happened=True, act=act(reason="They hold it"))
    due_now(order["_id"])
    settle_due(actor=WORKER)
    assert line_states(only_order(database)) == ["released"]
    assert shop.stock[B] == [4, 0]
