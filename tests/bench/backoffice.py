"""How fast the backoffice answers where there are many orders: p50 and p95 of each page, through the whole app.

    make bench-data bench-admin
    MONGODB_URI=... MONGODB_DB=order_bench python -m tests.bench.backoffice [--requests 30] [--limit 300] [--only WORD]

Without MONGODB_URI it starts the embedded MongoDB. It ends with 1 if a page's p95 is over its limit (milliseconds).
It reads orders, and writes nothing but a login's session and what the dashboard keeps of the figures.
"""

import argparse
import os
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import django

from devtools.embedded_mongo import EmbeddedMongo
from devtools.localhost import data_dir

LIST = "/admin/orders/order/"
STATUSES = ("pending", "paid", "processing", "shipped", "delivered", "cancelled", "refunded", "rejected")
DATED = ("paid", "shipped", "delivered", "cancelled", "refunded")
FLAGS = ("unknown", "owed", "short", "unshipped", "unpaid", "unverified", "unchecked")

SORTS = ("highest", "lowest", "longest", "latest")

DASHBOARD_LIMIT = 500.0
PERIODS = ("today", "7", "30", "90", "year")

Ask = Callable[[], str]
"""Makes one address; another one each time, so that no cache makes it faster."""


class Samples:
    """Orders taken at random from the database, and the questions that they give rise to."""

    def __init__(self, chance: random.Random) -> None:
        from orders.storage.order_writes import orders

        self.chance = chance
        fields = dict.fromkeys(("number", "user_id", "items.product_id", "total_price", "created_at"), 1)
        fields |= dict.fromkeys(("contact", "shipping_address.city"), 1)
        self.orders = list(orders().aggregate([{"$sample": {"size": 200}}, {"$project": fields}]))
        if not self.orders:
            sys.exit("There are no orders to measure with: make bench-data")

    def one(self) -> dict[str, Any]:
        return self.chance.choice(self.orders)

    def product(self) -> str:
        return str(self.chance.choice(self.one()["items"])["product_id"])

    def words(self) -> list[str]:
        """The words of a customer's name."""
        return str(self.one()["contact"]["name"]).split()

    def email(self) -> str:
        return str(self.one()["contact"]["email"])

    def town(self) -> str:
        return str(self.one()["shipping_address"]["city"])

    def place(self) -> str:
        from orders.admin.list_views import token_of
        from orders.storage.order_query import Position

        order = self.one()
        return token_of(1, Position(order["created_at"], order["_id"]))

    def month(self) -> dict[str, str]:
        """31 days around an order."""
        first = self.one()["created_at"] - timedelta(days=self.chance.randrange(31))
        return {"since": f"{first:%Y-%m-%d}", "until": f"{first + timedelta(days=30):%Y-%m-%d}"}

    def day(self) -> dict[str, str]:
        day = f"{self.one()['created_at']:%Y-%m-%d}"
        return {"since": day, "until": day}

    def until(self) -> dict[str, str]:
        return {"until": f"{self.one()['created_at']:%Y-%m-%d}"}

    def totals(self, width: str) -> dict[str, str]:
        total = self.one()["total_price"].to_decimal()
        if width == "narrow":
            return {"least": f"{total:.2f}", "most": f"{total + 1:.2f}"}
        return {"least": f"{total:.2f}"} if width == "from" else {"most": f"{total:.2f}"}


def pages(samples: Samples) -> Iterator[tuple[str, Ask]]:
    """Every page that must be fast."""
    for period in PERIODS:
        yield f"dashboard, {period}", lambda period=period: f"/admin/?period={period}"  # type: ignore[misc]
    yield "needs attention", lambda: f"{LIST}attention/"
    yield "order", lambda: f"{LIST}{samples.one()['_id']}/change/"
    for name, ask in lists(samples):
        yield name, lambda ask=ask: f"{LIST}?{ask()}"  # type: ignore[misc]


def lists(samples: Samples) -> Iterator[tuple[str, Ask]]:
    """The list, its depths, each filter, each with a month, each search, as query strings."""
    yield "list", lambda: ""
    yield "list, oldest first", lambda: "sort=oldest"
    for sort in SORTS:
        yield f"list, {sort}", lambda sort=sort: f"sort={sort}"  # type: ignore[misc]
        yield f"to ship, {sort}", lambda sort=sort: f"status=paid&status=processing&sort={sort}"  # type: ignore[misc]
        yield f"customer, {sort}", lambda sort=sort: urlencode({"user": samples.one()["user_id"], "sort": sort})  # type: ignore[misc]
        yield f"31 days, {sort}", lambda sort=sort: urlencode({"sort": sort} | samples.month())  # type: ignore[misc]
    yield "deep page, next", lambda: urlencode({"after": samples.place()})
    yield "deep page, previous", lambda: urlencode({"before": samples.place()})
    for name, ask in filters(samples):
        yield name, lambda ask=ask: urlencode(ask(), doseq=True)  # type: ignore[misc]
        yield f"{name}, deep page", lambda ask=ask: urlencode(ask() | {"after": samples.place()}, doseq=True)  # type: ignore[misc]
        if "days" not in name:
            yield f"{name}, 31 days", lambda ask=ask: urlencode(ask() | samples.month(), doseq=True)  # type: ignore[misc]
    yield "search, number", lambda: urlencode({"q": samples.one()["number"], "least": "0"})
    yield "search, order id", lambda: urlencode({"q": str(samples.one()["_id"]), "least": "0"})
    yield "search, user id", lambda: urlencode({"q": samples.one()["user_id"]})
    yield "search, product id", lambda: urlencode({"q": samples.product()})
    yield "search, nothing there", lambda: urlencode({"q": "f" * 24})
    yield "search, a name", lambda: urlencode({"q": samples.words()[1]})
    yield "search, its beginning", lambda: urlencode({"q": samples.words()[1][:3]})
    yield "search, two letters", lambda: urlencode({"q": samples.words()[0][:2]})
    yield "search, town and customer", lambda: urlencode({"q": f"{samples.town()} {samples.email()}"})
    yield "search, a common and a rare word", lambda: urlencode({"q": f"{samples.town()} {samples.words()[1]}"})
    yield "search, two common words", lambda: urlencode({"q": f"{samples.town()[:3]} {samples.words()[0][:2]}"})
    yield "search, two words that never meet", lambda: urlencode({"q": "Lisbon Gothenburg"})
    yield "search, e-mail address", lambda: urlencode({"q": samples.email()})
    yield "search, total", lambda: urlencode({"q": f"{samples.one()['total_price'].to_decimal():.2f}"})
    yield "search, a word that is not there", lambda: urlencode({"q": "nobodyhere"})


def filters(samples: Samples) -> Iterator[tuple[str, Callable[[], dict[str, Any]]]]:
    for status in STATUSES:
        yield f"status {status}", lambda status=status: {"status": status}  # type: ignore[misc]
    yield "several statuses", lambda: {"status": samples.chance.sample(STATUSES, 3)}
    yield "view To ship", lambda: {"status": ["paid", "processing"], "sort": "oldest"}
    yield (
        "view Needs attention",
        lambda: {"flag": ["unknown", "owed", "short", "unchecked", "unshipped"], "sort": "oldest"},
    )
    for flag in FLAGS:
        yield f"flag {flag}", lambda flag=flag: {"flag": flag}  # type: ignore[misc]
    yield "days, 31", samples.month
    for status in DATED:
        yield f"ever {status}", lambda status=status: {"date": status}  # type: ignore[misc]
        yield f"days {status}, 1", lambda status=status: {"date": status} | samples.day()  # type: ignore[misc]
        yield f"days {status}, 31", lambda status=status: {"date": status} | samples.month()  # type: ignore[misc]
        yield f"days {status}, until", lambda status=status: {"date": status} | samples.until()  # type: ignore[misc]
    yield "product", lambda: {"product": samples.product()}
    yield "user", lambda: {"user": samples.one()["user_id"]}
    for width in ("narrow", "from", "up to"):
        yield f"total {width}", lambda width=width: samples.totals(width)  # type: ignore[misc]


def measure(get: Callable[[str], Any], ask: Ask, requests: int) -> list[tuple[float, float]]:
    """Milliseconds of each request, and how many of them this process worked; the first two fill caches only."""
    took = []
    for _ in range(requests + 2):
        address = ask()
        before = time.perf_counter(), time.process_time()
        response = get(address)
        took.append(((time.perf_counter() - before[0]) * 1000, (time.process_time() - before[1]) * 1000))
        if response.status_code != 200 or b"The search took too long" in response.content:
            took[-1] = float("inf"), took[-1][1]
            sys.stderr.write(f"not answered ({response.status_code}): {address}\n")
    return took[2:]


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure the backoffice.")
    parser.add_argument("--requests", type=int, default=30)
    parser.add_argument(
        "--limit", type=float, default=300.0, help="milliseconds that p95 may take; the dashboard has 500"
    )
    parser.add_argument("--only", default="", help="only the pages whose name holds this")
    parser.add_argument("--user", default="manager", help="the staff login to measure as")
    options = parser.parse_args()
    with ExitStack() as stack:
        if not os.environ.get("MONGODB_URI"):
            os.environ["MONGODB_URI"] = stack.enter_context(EmbeddedMongo(data_dir() / "mongo")).uri
        return run(options)


def run(options: argparse.Namespace) -> int:
    """Measure the pages one after the other. :returns: the exit code."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orders_project.settings.test")
    django.setup()
    from django.contrib.auth.models import User
    from django.test import Client

    client = Client()
    client.force_login(User.objects.get(username=options.user))
    slow = 0
    sys.stdout.write(f"{'page':<36} {'p50 ms':>8} {'p95 ms':>8} {'own work':>9}\n")
    for name, ask in pages(Samples(random.Random(7))):
        if options.only in name:
            took = measure(client.get, ask, options.requests)
            times, work = zip(*took, strict=True)
            p50, p95 = statistics.median(times), statistics.quantiles(times, n=20)[18]
            limit = DASHBOARD_LIMIT if name.startswith("dashboard") else options.limit
            slow += p95 > limit
            told = "  SLOW" if p95 > limit else ""
            sys.stdout.write(f"{name:<36} {p50:>8.0f} {p95:>8.0f} {statistics.median(work):>9.0f}{told}\n")
            sys.stdout.flush()
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
