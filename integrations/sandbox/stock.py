"""The stock and its ledger in MongoDB: a change and its ledger entry are one transaction.

Unless told otherwise, a change and the look at what is there are one, too. The published inventory is not like that: it
reads a row, and writes absolute numbers later, so that of two changes side by side one is lost.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bson import ObjectId
from pymongo import ReadPreference, ReturnDocument, WriteConcern
from pymongo.client_session import ClientSession
from pymongo.database import Database

Document = dict[str, Any]


class UnknownProductError(LookupError):
    """No product of this id is in the stock."""

    def __init__(self, product_id: object) -> None:
        super().__init__(f"Product with ID {product_id} not found in inventory")


class InsufficientStockError(Exception):
    """Fewer units are available than were asked for; nothing was reserved."""

    def __init__(self, *, requested: int, available: int) -> None:
        super().__init__(f"Insufficient inventory. Requested: {requested}, Available: {available}")


@dataclass(frozen=True, slots=True)
class Stock:
    """The units of one product that can be reserved, and those that are."""

    available: int
    reserved: int
    reorder_threshold: int = 0


@dataclass(frozen=True, slots=True)
class Change:
    """One reserve or release that is asked for; `key` and `order_id` go into the ledger as they came."""

    product_id: ObjectId
    quantity: int
    order_id: str | None = None
    key: str | None = None


def durable(database: Database[Document]) -> Database[Document]:
    """Return the database as it is used here: majority writes, reads on the primary, datetimes in UTC."""
    return database.with_options(
        codec_options=database.codec_options.with_options(tz_aware=True),
        read_preference=ReadPreference.PRIMARY,
        write_concern=WriteConcern("majority"),
    )


class StockRoom:
    """Collections `stock` (`_id`, `available`, `reserved`, `reorder_threshold`) and `movements`, the ledger.

    A movement is `{key, order_id, product_id, action, quantity, at, answer}`; its quantity is what really
    moved. Every reserve and release that acted has one, a release that found nothing to release too.
    """

    def __init__(self, database: Database[Document]) -> None:
        self.atomic = True
        self.pause = 0.0
        """Seconds between the look at a product and the change of it, where that is not atomic."""
        self.between: Callable[[Change], None] = lambda _change: None
        """Called there too, for a proof that decides what happens meanwhile."""
        self._client = database.client
        self.stock = database["stock"]
        self.movements = database["movements"]
        self._locks: dict[ObjectId, threading.Lock] = {}

    def prepare(self) -> None:
        """Create the collections and indexes that are missing."""
        for field in ("key", "order_id"):
            self.movements.create_index(field)
        # An index on _id is there anyway: this creates the collection, which a transaction had better not do.
        self.stock.create_index("_id")

    def level(self, product_id: ObjectId) -> Stock:
        """Return the stock of one product.

        :raises UnknownProductError: if there is none.
        """
        found = self.stock.find_one({"_id": product_id})
        if found is None:
            raise UnknownProductError(product_id)
        return Stock(found["available"], found["reserved"], found["reorder_threshold"])

    def reserve(self, change: Change, *, honour_key: bool, pause: float = 0.0) -> Document:
        """Reserve all of `change` or nothing and return the answer's body.

        :param pause: more seconds between the look and the change; where it is atomic, before both.
        :raises UnknownProductError: if there is no such product.
        :raises InsufficientStockError: if fewer units are available; a repetition asks anew, with any key.
        """
        return self._change(change, "reserve", self._reserve, honour_key=honour_key, pause=pause)

    def release(self, change: Change, *, honour_key: bool, pause: float = 0.0) -> Document:
        """Release at most what is reserved (by whomever) and return the answer's body, with what really was.

        :param pause: as for `reserve`.
        :raises UnknownProductError: if there is no such product.
        """
        return self._change(change, "release", self._release, honour_key=honour_key, pause=pause)

    def _change(
        self,
        change: Change,
        action: str,
        move: Callable[[Change, ClientSession], Document],
        *,
        honour_key: bool,
        pause: float,
    ) -> Document:
        if not self.atomic:
            return self._overwrite(change, action, honour_key=honour_key, pause=pause)
        time.sleep(pause)
        return self._once(change, action, move, honour_key=honour_key)

    def _overwrite(self, change: Change, action: str, *, honour_key: bool, pause: float) -> Document:
        """Look, pause, and then write what follows from what was there at the look, whatever is there by then."""
        if honour_key and change.key and (recorded := self.movements.find_one({"key": change.key}, {"answer": 1})):
            repeated: Document = recorded["answer"]
            return repeated
        there = self.level(change.product_id)
        time.sleep(self.pause + pause)
        self.between(change)
        if action == "reserve":
            if there.available < change.quantity:
                raise InsufficientStockError(requested=change.quantity, available=there.available)
            moved = change.quantity
            answer = _reserved(change, there.available - moved, there.reserved + moved)
            after = {"available": there.available - moved, "reserved": there.reserved + moved}
        else:
            moved = min(change.quantity, there.reserved)
            answer = {"released": True, "quantity": moved}
            after = {"available": there.available + moved, "reserved": there.reserved - moved}

        def write(session: ClientSession) -> None:
            self.stock.update_one({"_id": change.product_id}, {"$set": after}, session=session)
            self.movements.insert_one(_entry(change, action, answer), session=session)

        with self._client.start_session() as session:
            session.with_transaction(write)
        return answer

    def _once(
        self,
        change: Change,
        action: str,
        move: Callable[[Change, ClientSession], Document],
        *,
        honour_key: bool,
    ) -> Document:
        def transact(session: ClientSession) -> Document:
            if honour_key and change.key:
                recorded = self.movements.find_one({"key": change.key}, {"answer": 1}, session=session)
                if recorded is not None:
                    answer: Document = recorded["answer"]
                    return answer
            answer = move(change, session)
            self.movements.insert_one(_entry(change, action, answer), session=session)
            return answer

        # The lock spares this process the write conflicts; between processes the transaction settles them.
        with self._lock(change.product_id), self._client.start_session() as session:
            return session.with_transaction(transact)

    def _lock(self, product_id: ObjectId) -> threading.Lock:
        return self._locks.setdefault(product_id, threading.Lock())

    def _reserve(self, change: Change, session: ClientSession) -> Document:
        after = self.stock.find_one_and_update(
            {"_id": change.product_id, "available": {"$gte": change.quantity}},
            {"$inc": {"available": -change.quantity, "reserved": change.quantity}},
            return_document=ReturnDocument.AFTER,
            session=session,
        )
        if after is None:
            raise self._refusal(change, session)
        return _reserved(change, after["available"], after["reserved"])

    def _refusal(self, change: Change, session: ClientSession) -> Exception:
        found = self.stock.find_one({"_id": change.product_id}, session=session)
        if found is None:
            return UnknownProductError(change.product_id)
        return InsufficientStockError(requested=change.quantity, available=found["available"])

    def _release(self, change: Change, session: ClientSession) -> Document:
        moved = {"$min": [change.quantity, "$reserved"]}
        after = {
            "available": {"$add": ["$available", moved]},
            "reserved": {"$subtract": ["$reserved", moved]},
        }
        before = self.stock.find_one_and_update(
            {"_id": change.product_id},
            [{"$set": after}],
            return_document=ReturnDocument.BEFORE,
            session=session,
        )
        if before is None:
            raise UnknownProductError(change.product_id)
        return {"released": True, "quantity": min(change.quantity, before["reserved"])}


def _reserved(change: Change, available: int, reserved: int) -> Document:
    return {
        "reserved": True,
        "product_id": str(change.product_id),
        "quantity": change.quantity,
        "available_quantity": available,
        "reserved_quantity": reserved,
    }


def _entry(change: Change, action: str, answer: Document) -> Document:
    return {
        "key": change.key,
        "order_id": change.order_id,
        "product_id": change.product_id,
        "action": action,
        "quantity": answer["quantity"],
        "at": datetime.now(UTC),
        "answer": answer,
    }
