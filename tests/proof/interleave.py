"""Interleaved runs: several actors at the same few orders, and a scheduler that decides at every step who goes next.

Everything is real but time: mongod, the peers over HTTP, the services. One actor moves at a time, so a run is
nothing but the sequence of its choices: it is repeated by its seed, and shortened to the story of what matters.
A lease lapses only where the scheduler says so, and only when nobody is left to make a call under it.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import connection
from django.test.utils import override_settings
from pymongo import MongoClient

from integrations import http
from integrations.sandbox import Sandbox
from orders.models.writes import orders
from tests.proof.interleave_actors import PRICE, PRODUCTS, TIMES, UNITS, cast, earlier_orders
from tests.proof.interleave_choices import Choices, shrink
from tests.proof.interleave_gates import Actor, Listener, gates
from tests.proof.interleave_run import Result, Run

Document = dict[str, Any]
OPERATIONS = sum(len(role.duties) for role in cast(Choices()))


class Arena:
    """Where runs take place, one after the other: the database, the sandbox, and a client for the actors."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.control = sandbox.control
        self._run: Run | None = None

    def __enter__(self) -> "Arena":
        options = connection.get_connection_params() | {"timeoutMS": 60_000}
        self.client: MongoClient[Document] = MongoClient(**options, event_listeners=[Listener(self._wrote)])
        self.keys = connection.database["idempotency_keys"]
        self._settings = override_settings(**TIMES)
        self._settings.enable()
        http.reset()
        for user_id in (1, 2):
            self.control.put_user(user_id, email="a@example.com", full_name="Somebody")
        logging.disable(logging.CRITICAL)
        return self

    def __exit__(self, *_: object) -> None:
        logging.disable(logging.NOTSET)
        self._settings.disable()
        self.client.close()
        http.reset()

    def prepare(self, *, keys: bool) -> None:
        """Put everything back as it was before the first run."""
        self.control.honour_keys(keys)
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
        self._run = run
        with gates(run.strike):
            yield

    def _wrote(self, actor: Actor, attempt: str) -> None:
        assert self._run is not None
        self._run.wrote(actor, attempt)

    def play(
        self,
        seed: int | None = None,
        *,
        given: Sequence[int] = (),
        faults: bool = True,
        without: frozenset[int] = frozenset(),
    ) -> Result:
        """One run, by its seed or by the choices of an earlier one; `without` some operations, by number."""
        return Run(self, Choices(seed, given), faults=faults, without=without).play()

    def search(self, seeds: Iterable[int], *, faults: bool = True) -> tuple[int, Result] | None:
        """The first seed whose run violates something, and that run; None where every run holds."""
        for seed in seeds:
            result = self.play(seed, faults=faults)
            if result.violations:
                return seed, result
        return None

    def shortest(self, failing: Result, *, faults: bool = True, tries: int = 300) -> Result:
        """The simplest run found, in at most so many, that fails as well.

        It has fewer turns and faults, and is without the operations that have no part in the failure.
        """
        left, without, shorter = tries, failing.without, True

        def fails(given: Sequence[int], without: frozenset[int]) -> bool:
            nonlocal left
            left -= 1
            return left >= 0 and bool(self.play(given=given, faults=faults, without=without).violations)

        best = list(failing.choices)
        while shorter and left > 0:
            before = without
            best = shrink(best, lambda given, kept=before: fails(given, kept), max(1, left // 3))
            for number in {*range(OPERATIONS)} - without:
                if fails(best, without | {number}):
                    without |= {number}
            shorter = without != before
        return self.play(given=best, faults=faults, without=without)


def run(operations: int, seed: int) -> dict[str, Any]:
    """Run at least so many operations, in a process of its own whose Django is set up; JSON-ready.

    :returns: operations, steps, runs, faults, deaths, seed, and violations: of each run that failed its seed, what was
        violated, and the story of the shortest run found that fails too.
    """
    client = connection.database.client
    name = f"{connection.settings_dict['NAME']}_interleave_sandbox"
    total: Counter[str] = Counter(operations=0, steps=0, faults=0, deaths=0)
    runs, violations = 0, []
    with Sandbox(client[name]) as sandbox:
        urls = {f"{peer}_SERVICE_URL": sandbox.url for peer in ("USER", "PRODUCT", "INVENTORY")}
        with override_settings(**urls), Arena(sandbox) as arena:
            while total["operations"] < operations:
                result = arena.play(seed + runs)
                total.update(result.count)
                if result.violations:
                    short = arena.shortest(result)
                    violations.append(
                        {"seed": seed + runs, "violations": result.violations, "story": str(short).splitlines()}
                    )
                runs += 1
    client.drop_database(name)
    return {**total, "runs": runs, "seed": seed, "violations": violations}
