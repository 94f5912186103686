"""What one order of the bench data looks like: a valid way through the machine, told by chance.

Documents as they are stored, made without the ORM: a million of them are wanted within minutes.
"""

import random
import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import accumulate

from bson import Int64, ObjectId
from django.conf import settings

from orders.models import Document, LineState, Status, from_cents, moments, public_edges
from orders.services.identifiers import NUMBER_ALPHABET, grouped
from orders.services.search_terms import pieces, terms_of
from orders.storage.order_writes import history_entry

MARK = "bench"
"""How the write ids of what is made here begin: so it is known again later."""
USERS, PRODUCTS = 100_000, 4_000
REJECTED, UNVERIFIED, SLOW, EXPIRED, UNKNOWN, SHORT = 0.0003, 0.005, 0.01, 0.4, 0.016, 0.001
"""Shares: of all orders the first three; of cancelled unpaid ones; of those called off lately; of releases."""
LATELY = timedelta(days=60)

DAYS_WORK = ("pay", "start_processing", "ship", "deliver")
PATHS = {
    DAYS_WORK: 88.0,
    ("cancel",): 5.0,
    ("pay", "cancel"): 1.5,
    ("pay", "start_processing", "cancel"): 0.5,
    ("pay", "refund"): 1.0,
    ("pay", "start_processing", "refund"): 0.5,
    ("pay", "start_processing", "ship", "refund"): 0.5,
    (*DAYS_WORK, "refund"): 3.0,
}
"""The transitions that an order goes through, given time, and how frequent that is."""
HOURS = {"pay": 3.0, "start_processing": 6.0, "ship": 20.0, "deliver": 60.0, "cancel": 8.0, "refund": 90.0}
"""How long each takes on average; a slow order needs ten times as long."""
BY = {
    "pay": ("admin:payments", "api"),
    "start_processing": ("staff:fulfilment", "admin"),
    "ship": ("staff:fulfilment", "admin"),
    "deliver": ("admin:carrier", "api"),
    "cancel": ("staff:support", "admin"),
    "refund": ("staff:finance", "admin"),
}
REASONS = {
    "cancel": ("Ordered twice by mistake", "Found it elsewhere", "Delivery takes too long"),
    "refund": ("Arrived damaged", "Wrong size", "Returned unopened"),
}
LINES, LINE_WEIGHTS = (1, 2, 3, 4, 5), (50, 25, 13, 8, 4)
QUANTITIES, QUANTITY_WEIGHTS = tuple(map(Int64, (1, 2, 3, 4, 6))), (74, 16, 5, 3, 2)
PLACES = (
    ("Lisbon", "1100-053", "Portugal"), ("Gothenburg", "411 03", "Sweden"), ("Lyon", "69002", "France"),
    ("Graz", "8010", "Austria"), ("Cork", "T12 XY00", "Ireland"), ("Köln", "D-50667", "Germany"),
    ("Łódź", "90-001", "Poland"), ("London", "SW1A 1AA", "United Kingdom"), ("São Paulo", "01001-000", "Brazil"),
    ("Kyoto", "604-8571", "Japan"), ("Zürich", "8001", "Switzerland"), ("Ghent", "9000", "Belgium"),
)  # fmt: skip
STREETS = ("Harbour Lane", "Mill Road", "Station Street", "Orchard Avenue", "King's Parade", "Bridge Street")
GIVEN_NAMES = (
    "Amara", "Jonas", "Mei", "Rafael", "Inês", "Priya", "Tomasz", "Claire", "Hannah", "Yusuf", "Sofia", "Liam",
    "Anna", "Ana", "Andreas", "Amélie", "Bruno", "Carla", "David", "Elif", "Farid", "Greta", "Hugo", "Ida",
    "Jan", "Katja", "Lars", "Maria", "Marie", "Nadia", "Omar", "Paul", "Rosa", "Søren", "Tess", "Ugo", "Vera",
    "Zoë",
)  # fmt: skip
FAMILY_NAMES = (
    "Okafor", "Lindqvist", "Tanaka", "Moreno", "Carvalho", "Raman", "Wiśniewski", "Dubois", "Weiß", "Demir",
    "Rossi", "Murphy", "Andersson", "Almeida", "Bauer", "Costa", "Duarte", "Eriksen", "Fischer", "García",
    "Huber", "Ivanov", "Janssen", "Kowalski", "Lopes", "Martin", "Nowak", "O'Brien", "Peeters", "Quinn",
    "Ribeiro", "Schmidt", "Teixeira", "Urban", "Vogel", "Weber", "Yılmaz", "Zimmermann",
)  # fmt: skip
COMPANIES = ("Harbour Books Ltd", "Nordlicht GmbH", "Casa Verde Lda", "Atelier Dubois SARL")
MAIL = ("example.com", "mail.example", "post.example")
QUALITIES = (
    "Linen", "Cast iron", "Stoneware", "Beech", "Wool", "Brass", "Canvas", "Leather", "Steel", "Oak", "Dotted",
    "Speckled", "Folding", "Roll-top", "Fine", "Large", "Small", "Hand-cranked", "Rechargeable", "Down",
)  # fmt: skip
GOODS = (
    "tea towel", "skillet", "mug", "chopping board", "blanket", "lamp", "tote bag", "key ring", "water bottle",
    "wall clock", "notebook", "plate", "saw", "backpack", "pen", "grinder", "candle", "torch", "pillow",
    "calendar", "carafe", "knife", "dripper", "ink bottle", "tray",
)  # fmt: skip


class Maker:
    """Makes orders of one shop: the same products and customers each time, another story for each order.

    :param now: no order's story goes on beyond it; naive UTC, as stored.
    """

    def __init__(self, now: datetime, chance: random.Random) -> None:
        self._now, self._chance = now, chance
        goods = random.Random(PRODUCTS)
        cents = [min(90_000, max(549, int(goods.lognormvariate(7.8, 1.1)))) for _ in range(PRODUCTS)]
        self._products = [(_product(number), price, from_cents(price)) for number, price in enumerate(cents)]
        self._paths, self._path_weights = list(PATHS), list(accumulate(PATHS.values()))
        self._targets = {(edge.source, edge.name): edge.target for edge in public_edges()}

    def order(self, created: datetime) -> Document:
        """An order that was placed at this moment (naive UTC), as it would be now."""
        chance = self._chance
        user = 1 + int(USERS * chance.random() ** 2.5)
        items, cents = self._items()
        stamp = struct.pack(">IQ", int(created.replace(tzinfo=UTC).timestamp()), chance.getrandbits(64))
        number = grouped("".join(chance.choices(NUMBER_ALPHABET, k=12)))
        city, postal_code, country = PLACES[user % len(PLACES)]
        document: Document = {
            "_id": ObjectId(stamp),
            "number": number,
            "user_id": str(user),
            "status": Status.PLACING.value,
            "version": 0,
            "user_verified": chance.random() >= UNVERIFIED,
            "items": items,
            "total_price": from_cents(cents),
            "currency": settings.CURRENCY,
            "contact": _contact(user),
            "shipping_address": {
                "name": "",
                "company": COMPANIES[user % len(COMPANIES)] if user % 9 == 0 else "",
                "line1": f"{1 + user % 180} {STREETS[user % len(STREETS)]}",
                "line2": "",
                "city": city,
                "state": "",
                "postal_code": postal_code,
                "country": country,
                "phone": "",
            },
            "reference": f"WEB-{created.year}-{chance.getrandbits(28):09d}",
            "note": "",
            "metadata": {},
            "terms": [],
            "history": [],
            "write_id": "",
            "created_at": created,
            "updated_at": created,
        }
        self._tell(document, "draft", created, "", Status.PLACING.value)
        if chance.random() < REJECTED:
            self._reject(document)
        else:
            document["placed_at"] = created
            self._tell(document, "place", created, Status.PLACING.value, Status.PENDING.value)
            self._live(document)
        document["version"] = Int64(document["version"])
        document["terms"] = terms_of(document)
        return document

    def _items(self) -> tuple[list[Document], int]:
        chance, total = self._chance, 0
        items = []
        for _ in range(chance.choices(LINES, LINE_WEIGHTS)[0]):
            product, cents, price = self._products[int(PRODUCTS * chance.random() ** 3)]
            quantity = QUANTITIES[0] if cents > 10_000 else chance.choices(QUANTITIES, QUANTITY_WEIGHTS)[0]
            total += cents * quantity
            stock = {"state": LineState.RESERVED.value, "attempts": 1, "error": ""}
            items.append(product | {"quantity": quantity, "price": price, "stock": stock})
        return items, total

    def _live(self, order: Document) -> None:
        """Take a placed order as far on its way as it came until now."""
        slow = 10 if self._chance.random() < SLOW else 1
        for transition, at in self._steps(order["created_at"], slow):
            if at > self._now:
                return
            source = order["status"]
            target = self._targets[source, transition]
            actor, via, reason = self._who_and_why(order, transition, at)
            self._tell(order, transition, at, source, target, actor, via, reason)
            if transition == "ship":
                for item in order["items"]:
                    item["stock"] = {"state": LineState.USED.value, "attempts": 0, "error": ""}
            elif transition in ("cancel", "refund") and order["items"][0]["stock"]["state"] == LineState.RESERVED:
                self._release(order, at, actor, via)

    def _steps(self, at: datetime, slow: int) -> Iterator[tuple[str, datetime]]:
        path = self._chance.choices(self._paths, cum_weights=self._path_weights)[0]
        if path == ("cancel",) and self._chance.random() < EXPIRED:
            yield "cancel", at + timedelta(days=3, milliseconds=int(60_000 * self._chance.random()))
            return
        for transition in path:
            hours = self._chance.expovariate(1 / HOURS[transition]) * slow
            at += timedelta(milliseconds=1 + int(hours * 3_600_000))
            yield transition, at

    def _who_and_why(self, order: Document, transition: str, at: datetime) -> tuple[str, str, str]:
        if transition != "cancel" and transition != "refund":
            return *BY[transition], ""
        unpaid = order["status"] == Status.PENDING
        if unpaid and at - order["created_at"] >= timedelta(days=3):
            return "system:settle_stock", "worker", "Not paid within 259200 seconds."
        if unpaid:
            return f"customer:{order['user_id']}", "api", ""
        return *BY[transition], self._chance.choice(REASONS[transition])

    def _release(self, order: Document, at: datetime, actor: str, via: str) -> None:
        lost = at > self._now - LATELY and self._chance.random() < UNKNOWN
        for index, item in enumerate(order["items"]):
            stock: Document = {"state": LineState.RELEASED.value, "attempts": 1, "error": ""}
            if lost and index == 0:
                stock |= {"state": LineState.UNKNOWN.value, "call": "release", "error": "inventory did not answer"}
            elif self._chance.random() < SHORT:
                stock |= {"error": f"inventory released 0 of {item['quantity']}", "discrepancy": int(item["quantity"])}
            item["stock"] = stock
        self._tell_outcomes(order, at, actor, via)

    def _reject(self, order: Document) -> None:
        """One line was refused; the others are given back, and of one in six nobody knows whether they were."""
        at, lost = order["created_at"], self._chance.random() < 1 / 6
        customer = f"customer:{order['user_id']}"
        refused = self._chance.randrange(len(order["items"]))
        for index, item in enumerate(order["items"]):
            stock: Document = {"state": LineState.NONE.value, "attempts": 1, "error": "insufficient stock"}
            if index != refused:
                stock |= {"state": LineState.RELEASED.value, "error": ""}
                if lost:
                    stock |= {"state": LineState.UNKNOWN.value, "call": "release", "error": "inventory did not answer"}
            item["stock"] = stock
        self._tell(order, "reject", at, Status.PLACING.value, Status.REJECTED.value, reason="insufficient stock")
        self._tell_outcomes(order, at, customer, "api")

    def _tell_outcomes(self, order: Document, at: datetime, actor: str, via: str) -> None:
        mark = self._write_id()
        for index, item in enumerate(order["items"]):
            stock = item["stock"]
            entry = history_entry(
                at=at, act="stock", actor=actor, via=via, target=stock["state"], line=index, reason=stock["error"]
            )
            order["history"].append(entry | {"write_id": mark})
        order["write_id"] = mark

    def _tell(
        self,
        order: Document,
        act: str,
        at: datetime,
        source: str,
        target: str,
        actor: str = "",
        via: str = "api",
        reason: str = "",
    ) -> None:
        """Have it happen: the status, its moments, the version and the history."""
        entry = history_entry(
            at=at,
            act=act,
            actor=actor or f"customer:{order['user_id']}",
            via=via,
            source=source,
            target=target,
            reason=reason,
            request_id=f"{self._chance.getrandbits(128):032x}" if via == "api" else "",
        )
        mark = self._write_id()
        order["history"].append(entry | {"write_id": mark})
        order |= {"status": target, "write_id": mark, "updated_at": at}
        order |= moments(target, at)
        order |= _ledger_after(order, act, at)
        order["version"] += act != "draft"

    def _write_id(self) -> str:
        return f"{MARK}{self._chance.getrandbits(108):027x}"


def _ledger_after(order: Document, act: str, at: datetime) -> Document:
    """What a transition says of the order's money: see `orders.storage.ledger`."""
    nothing, total = from_cents(0), order["total_price"]
    match act:
        case "pay":
            payment = {"at": at, "amount": total, "reference": "", "method": ""}
            return {"payments": [payment], "paid": total, "refunded": nothing}
        case "refund":
            return {"refunds": [{"at": at, "amount": total, "reference": "", "code": ""}], "refunded": total}
        case "cancel" if order.get("paid_at"):
            return {"owed": total}
        case "cancel":
            return {"paid": nothing, "refunded": nothing}
        case "ship":
            tracking = {"carrier": "", "tracking_number": "", "tracking_url": ""}
            for item in order["items"]:
                item["shipment"] = 0
            return {"shipments": [{"at": at, **tracking}]}
        case _:
            return {}


def _product(number: int) -> Document:
    """What an order says of a product."""
    kind, size = number % (len(QUALITIES) * len(GOODS)), number // (len(QUALITIES) * len(GOODS))
    return {
        "product_id": f"be{number:022x}",
        "name": f"{QUALITIES[kind % len(QUALITIES)]} {GOODS[kind // len(QUALITIES)]}, size {size + 1}",
        "sku": f"BE-{number:04d}",
        "image_url": "",
    }


def _contact(user: int) -> Document:
    name = GIVEN_NAMES[user % len(GIVEN_NAMES)], FAMILY_NAMES[user // len(GIVEN_NAMES) % len(FAMILY_NAMES)]
    local = ".".join("".join(pieces(part)) for part in name)
    return {
        "name": " ".join(name),
        "email": f"{local}{user}@{MAIL[user % len(MAIL)]}",
        "phone": f"+351 21{user:07d}" if user % 3 else "",
    }
