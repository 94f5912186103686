"""One interleaved run: what can happen in it, what it comes to, and its story."""

from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from bson import ObjectId
from django.db import DatabaseError
from django.test.utils import override_settings

from integrations import PeerError
from integrations.http_exchange import Lost
from integrations.sandbox.stock import Change
from orders.services import access
from orders.services.audit import Act
from orders.services.errors import OrderError
from orders.services.stock.worker import settle_due
from orders.storage.order_writes import orders
from tests.proof import checks
from tests.proof.interleave_actors import Operation
from tests.proof.interleave_end import problems_at_the_end, problems_of_orders
from tests.proof.interleave_feed import new_endpoint, problems_of_followers, recover
from tests.proof.interleave_gates import DIE, GO, SEVER, Actor, Killed, Step
from tests.proof.interleave_later import Later
from tests.proof.inventories import Inventory

if TYPE_CHECKING:
    from tests.proof.interleave_arena import Arena

Document = dict[str, Any]

STATUSES = {"answers 503": 503, "answers 500": 500, "answers 400": 400}
DROPS = {"is dropped after acting": "drop_after", "is dropped before acting": "drop_before"}
LATE = "is delayed, and given up"
FATES = (*STATUSES, *DROPS, LATE)
"""What a call can meet."""


class Run:
    """Actors at the same few orders; whoever holds the run says who takes a step, and what becomes of it.

    :param followed: whether there is an endpoint, and what is told and delivered is looked at in the end.
    :ivar told: the orders of which somebody was told that they are placed.
    :ivar story: what happened, as `actor: step`.
    :ivar violations: in plain words; empty where everything held.
    """

    def __init__(
        self, arena: "Arena", *, keys: bool, inventory: Inventory = Inventory.ATOMIC, followed: bool = False
    ) -> None:
        self.told: list[ObjectId] = []
        self.received: list[Document] = arena.consumer.received
        self.replays: list[tuple[int, int]] = []
        self._followed = followed
        self.story: list[str] = []
        self.violations: list[str] = []
        self.count: Counter[str] = Counter()
        self._arena, self._keys, self._inventory = arena, keys, inventory
        self._calling: dict[str, Actor] = {}
        self._actors: list[Actor] = []
        self._stuck = False
        self._names: dict[ObjectId, str] = {}
        self._left = {DIE: 2, SEVER: 2}

    def __enter__(self) -> "Run":
        arena = self._arena
        arena.prepare(keys=self._keys, atomic=self._inventory.is_atomic)
        self.received.clear()
        endpoint = new_endpoint(arena.consumer.url) if self._followed else None
        if endpoint:
            self.endpoint = endpoint
        self._later = Later(arena.keys, arena.leases, self._tell, self.name, endpoint)
        with ExitStack() as stack:
            said = {"INVENTORY_IS_ATOMIC": self._inventory.is_said_to_be_atomic}
            stack.enter_context(override_settings(INVENTORY_HONOURS_IDEMPOTENCY_KEY=self._keys, **said))
            stack.enter_context(self._arena.listening(self))
            self._exit = stack.pop_all()
        keys = f"{'' if self._keys else 'no '}idempotency keys"
        self._tell("the run", f"inventory honours {keys}, and is {self._inventory}")
        return self

    def __exit__(self, *_: object) -> None:
        self._exit.close()

    # --- what may happen -------------------------------------------------------------------------------------------

    def start(self, operation: Operation) -> Actor:
        """Have somebody begin something, and come to the first step of it."""
        number = 1 + sum(actor.operation.who == operation.who for actor in self._actors)
        actor = Actor(f"{operation.who} ({number})", operation, self, self._arena.client)
        self._actors.append(actor)
        self.count["operations"] += 1
        self._tell(actor.name, f"begins: {operation.title}")
        self._let(actor, GO)
        return actor

    def advance(self, actor: Actor, verdict: str = GO) -> None:
        """Have somebody take the step at which he stands, if he stands at one.

        :param verdict: GO, DIE, SEVER or one of FATES; GO is what happens where another makes no sense.
        """
        step = actor.at
        if step is None or self._stuck:
            return
        verdict = self._sensible(step, verdict)
        where = f" ({self.name(step.order_id)})" if step.order_id else ""
        moment = ("answer to " if step.after else "calls ") if step.kind == "call" else "after " * step.after
        moment = "has inventory looked, amid " if step.kind == "inside" else moment
        fate = "" if verdict == GO else f": {verdict}"
        self._tell(actor.name, f"{moment}{step.name}{where}{fate}")
        self.count["deaths"] += verdict == DIE
        self.count["faults"] += verdict not in (GO, DIE)
        self.count["steps"] += 1
        self._let(actor, verdict)

    def until(self, actor: Actor, kind: str, *, after: bool = False) -> Actor:
        """Have somebody go on until he stands before, or after, a step of a kind, or is done."""
        while actor.at and (actor.at.kind, actor.at.after) != (kind, after) and not self._stuck:
            self.advance(actor)
        return actor

    def complete(self, operation: Operation) -> None:
        """Have somebody do something from its beginning to its end."""
        self._end(self.start(operation))

    def deliver(self, which: int) -> None:
        """Have one of the calls that were given up arrive at inventory, if there is any."""
        if late := self._later.calls:
            self._later.deliver(late[which % len(late)])

    def let_time_pass(self, which: int) -> None:
        """Have a lease or a wait come to its end, if there is any that could."""
        if lapsing := list(self._later.lapsing()):
            lapsing[which % len(lapsing)]()

    def finish(self) -> list[str]:
        """Have everybody come to an end without further trouble, and everything recover. :returns: what is wrong."""
        for actor in self._actors:
            self._end(actor)
        if not self._stuck:
            self._recover()
            self._examine()
            for problem in problems_at_the_end(self.ledger(), self.told, self.name):
                self._violation(problem)
            for problem in problems_of_followers(self.received, self.replays) if self._followed else ():
                self._violation(problem)
        return self.violations

    def __str__(self) -> str:
        return "\n".join([*self.story, *(f"VIOLATED: {violation}" for violation in self.violations)])

    # --- how it happens --------------------------------------------------------------------------------------------

    def _end(self, actor: Actor) -> None:
        while actor.at and not self._stuck:
            self.advance(actor)

    def _let(self, actor: Actor, verdict: str) -> None:
        if not actor.advance(verdict):
            self._stuck = True
            self._violation(f"{actor.name} is stuck")

    def _sensible(self, step: Step, verdict: str) -> str:
        if verdict in FATES:
            possible = (
                step.kind == "call" and not step.after and (STATUSES.get(verdict) != 400 or self._may_refuse(step))
            )
            return verdict if possible else GO
        if verdict == GO or not self._left[verdict] or (verdict == SEVER and step.kind != "write"):
            return GO
        self._left[verdict] -= 1
        return verdict

    def _may_refuse(self, step: Step) -> bool:
        """A peer that has carried a call out and refuses its repetition would be lying, and that is not promised."""
        order_id, line, call = step.key.split(":")
        return not self.ledger().happened(order_id, int(line), call)

    def strike(self, actor: Actor, step: Step, verdict: str, call: Callable[[], Any]) -> Any:
        """Make a call that meets its fate."""
        if verdict == LATE:
            self._later.calls.append((actor.operation, step, call))
            raise Lost("no complete answer: it took too long")
        if verdict != GO:
            kind = DROPS.get(verdict, "status")
            options = {"status": STATUSES[verdict]} if kind == "status" else {}
            self._arena.control.fault(step.name, kind, product_id=step.product_id, times=1, **options)
        self._calling[step.key] = actor
        try:
            reply = call()
        finally:
            del self._calling[step.key]
        if reply.succeeded:
            self._later.answered(actor.operation, step)
        return reply

    def inside(self, change: Change) -> None:
        """Stop amid a call, between inventory's look at the product and its change of it; in inventory's thread."""
        if actor := self._calling.get(change.key or ""):
            with suppress(Killed):  # inventory goes on
                name = (change.key or "").rpartition(":")[2]
                actor.reach(Step(name, "inside", order_id=ObjectId(change.order_id), key=change.key or ""))

    # --- what the actors are told ----------------------------------------------------------------------------------

    def perform(self, actor: Actor) -> None:
        """Carry out the actor's operation, in its thread."""
        operation = actor.operation
        try:
            answer = operation.work(self)
            if "failed" in answer and not operation.severed:
                self._violation(f"{actor.name} {operation.title}: {answer}")
        except (OrderError, PeerError) as error:
            answer = type(error).__name__
        except DatabaseError as error:
            answer = type(error).__name__
            if not operation.severed:
                self._violation(f"{actor.name} {operation.title}: {error!r}")
        except Exception as error:
            answer = repr(error)
            self._violation(f"{actor.name} {operation.title}: {error!r}")
        self._tell(actor.name, f"ends: {answer}")

    def wrote(self, actor: Actor, taken: str) -> None:
        """Remember on whose behalf an attempt, or a product's lease, is taken."""
        self._later.holders.setdefault(taken, actor.operation)

    def ledger(self) -> checks.Ledger:
        return checks.Ledger(self._arena.control.room.movements.database)

    def under_way(self, key: str) -> bool:
        return any(step.key == key for _, step, _ in self._later.calls)

    def name(self, order_id: ObjectId | None) -> str:
        return self._names.setdefault(order_id, f"order {len(self._names) + 1}") if order_id else ""

    def _tell(self, who: str, what: str) -> None:
        self.story.append(f"{who}: {what}")

    # --- the end ---------------------------------------------------------------------------------------------------

    def _recover(self) -> None:
        self._tell("everybody", "is done; recovery")
        self._arena.control.clear_faults()
        self._examine()
        for late in list(self._later.calls):
            self._later.deliver(late)
        self._settle_all()
        keeper = Act(access.admin("keeper"), datetime.now(UTC), "looked into the warehouse")
        checks.settle_by_truth(orders().find().to_list(), self.ledger(), keeper)
        self._settle_all()
        if self._followed:
            recover(self.endpoint)

    def _settle_all(self) -> None:
        for _ in range(10):
            for lapse in list(self._later.lapsing()):
                lapse()
            settle_due(actor=access.system("settle_stock", via="worker"), limit=100)
            if orders().find_one({"stock_due_at": {"$exists": True}}, {"_id": 1}) is None:
                return

    def _examine(self) -> None:
        for problem in problems_of_orders(self.name):
            self._violation(problem)

    def _violation(self, problem: str) -> None:
        if problem not in self.violations:
            self.violations.append(problem)
