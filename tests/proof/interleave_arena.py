"""Where interleaved runs take place, one after the other, and the search among them.

Everything is real but time: mongod, the peers over HTTP, the services. One actor moves at a time, so a run is nothing
but what was decided in it. A lease lapses only where that is decided, and only when nobody is left to call under it.
"""

import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from django.db import connection
from django.test.utils import override_settings
from pymongo import MongoClient

from integrations import peer_requests
from integrations.sandbox import Sandbox
from orders.services.stock import product_locks
from orders.storage import product_leases
from orders.storage.order_writes import orders
from tests.proof.consumer import Consumer
from tests.proof.interleave_actors import PRICE, PRODUCTS, TIMES, UNITS, earlier_orders
from tests.proof.interleave_gates import Actor, Listener, gates
from tests.proof.interleave_machine import hunt
from tests.proof.interleave_run import Run
from tests.proof.inventories import Inventory

Document = dict[str, Any]


class Arena:
    """Where runs take place, one after the other: the database, the sandbox, and a client for the actors.

    :ivar count: what was done in all of them.
    """

    def __init__(self, sandbox: Sandbox) -> None:
        self.control = sandbox.control
        self.count: Counter[str] = Counter()
        self._run: Run | None = None

    def __enter__(self) -> "Arena":
        options = connection.get_connection_params() | {"timeoutMS": 60_000}
        self.client: MongoClient[Document] = MongoClient(**options, event_listeners=[Listener(self._wrote)])
        self.keys = connection.database["idempotency_keys"]
        self.leases = connection.database[product_leases.COLLECTION]
        self._settings = override_settings(**TIMES)
        self._settings.enable()
        self._waits = [
            patch.object(product_locks, wait, 0.0) for wait in ("LONGEST_WAIT", "SHORT_WAIT")
        ]  # in vain: time stands still
        for wait in self._waits:
            wait.start()
        self.consumer = Consumer()
        peer_requests.reset()
        for user_id in (1, 2):
            self.control.put_user(user_id, email="a@example.com", full_name="Somebody")
        logging.disable(logging.CRITICAL)
        return self

    def __exit__(self, *_: object) -> None:
        logging.disable(logging.NOTSET)
        for wait in self._waits:
            wait.stop()
        self._settings.disable()
        self.client.close()
        self.consumer.stop()
        peer_requests.reset()

    def prepare(self, *, keys: bool, atomic: bool) -> None:
        """Put everything back as it was before the first run."""
        self.control.honour_keys(keys)
        self.control.be_atomic(atomic)
        self.leases.delete_many({})
        self.control.clear_faults()
        self.keys.delete_many({})
        self.control.room.movements.delete_many({})
        orders().delete_many({})
        earlier = earlier_orders()
        orders().insert_many(earlier)
        held: Counter[str] = Counter()
        for order in earlier:
            held[order["items"][0]["product_id"]] += order["items"][0]["quantity"]
        for product, units in zip(PRODUCTS, UNITS, strict=True):
            available = units - held[product]
            self.control.put_product(product, name="P", price=PRICE, available=available, reserved=held[product])
        self.control.room.movements.insert_many(
            {"key": f"{order['_id']}:0:reserve", "quantity": order["items"][0]["quantity"]} for order in earlier
        )

    @contextmanager
    def listening(self, run: Run) -> Iterator[None]:
        self._run, room = run, self.control.room
        unheard, room.between = room.between, run.inside
        try:
            with gates(run.strike):
                yield
        finally:
            room.between = unheard

    def _wrote(self, actor: Actor, taken: str) -> None:
        assert self._run is not None
        self._run.wrote(actor, taken)


RUNS = 20
"""Runs by one seed."""


def search(operations: int, seed: int, inventory: Inventory, *, followed: bool = False) -> dict[str, Any]:
    """Carry out at least so many operations, in a process of its own whose Django is set up; JSON-ready.

    :param seed: the first; each following `RUNS` runs have the next.
    :param followed: whether it is about the feed and who follows it.
    :returns: operations, runs, steps, faults, deaths, and violations: the seed, what was violated, and the story of the
        shortest run found that fails. The search ends with the first.
    """
    client = connection.database.client
    name = f"{connection.settings_dict['NAME']}_sandbox"
    violations = []
    with Sandbox(client[name]) as sandbox:
        urls = {f"{peer}_SERVICE_URL": sandbox.url for peer in ("USER", "PRODUCT", "INVENTORY")}
        with override_settings(**urls), Arena(sandbox) as arena:
            while arena.count["operations"] < operations and not violations:
                if found := hunt(arena, seed=seed, runs=RUNS, inventory=inventory, followed=followed):
                    violations.append({"seed": seed, "violations": found.violations, "story": found.story})
                seed += 1
    client.drop_database(name)
    names = ("operations", "runs", "steps", "faults", "deaths")
    return {name: arena.count[name] for name in names} | {"violations": violations}
