"""One interleaved run: a scheduler decides at every step who goes next, and what becomes of it."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from bson import ObjectId
from django.db import DatabaseError
from django.test.utils import override_settings

from integrations.errors import PeerError
from integrations.transport import Lost
from orders.models.writes import orders
from orders.services import access
from orders.services.acts import Act
from orders.services.errors import OrderError
from orders.services.settlement import settle_due
from tests.proof import checks
from tests.proof.interleave_actors import Operation, cast, remaining
from tests.proof.interleave_choices import Choices
from tests.proof.interleave_end import problems_at_the_end, problems_of_orders
from tests.proof.interleave_gates import DIE, GO, SEVER, Actor, Step

if TYPE_CHECKING:
    from tests.proof.interleave import Arena

Document = dict[str, Any]
STATUSES = {"answers 400": 400, "answers 500": 500, "answers 503": 503}
DROPS = {"is dropped after acting": "drop_after", "is dropped before acting": "drop_before"}
LATE = "is delayed, and given up"
FATES = (*STATUSES, *DROPS, LATE)


@dataclass
class Result:
    """What came of one run.

    :ivar without: numbers of the operations that were left out of it.
    :ivar violations: in plain words; empty where everything held.
    :ivar story: what happened, as `actor: step`.
    """

    choices: list[int]
    keys: bool
    without: frozenset[int] = frozenset()
    story: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    count: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        return "\n".join([*self.story, *(f"VIOLATED: {violation}" for violation in self.violations)])


class Run:
    """One run of all actors, its recovery, and the examination of what is left."""

    def __init__(
        self, arena: "Arena", choices: Choices, *, faults: bool, without: frozenset[int] = frozenset()
    ) -> None:
        self.choices = choices
        self.told: list[ObjectId] = []
        self._arena, self._faults = arena, faults
        self._keys = bool(choices.pick(2))
        self.result = Result(choices.taken, self._keys, without)
        self._holders: dict[str, Operation] = {}
        self._answered: set[tuple[object, ...]] = set()
        self._late: list[tuple[Operation, Step, Callable[[], Any]]] = []
        self._names: dict[ObjectId, str] = {}
        self._past = datetime.now(UTC).replace(tzinfo=None) - timedelta(hours=1)
        self._deaths = self._severings = 2
        self._actors = [Actor(role, self, arena.client) for role in remaining(cast(choices), without)]

    def play(self) -> Result:
        """Run everything to its end; what the actors do meanwhile is decided here."""
        self._arena.prepare(keys=self._keys)
        with override_settings(INVENTORY_HONOURS_IDEMPOTENCY_KEY=self._keys), self._arena.listening(self):
            self._tell("the run", f"inventory honours {'' if self._keys else 'no '}idempotency keys")
            if all(actor.advance() for actor in self._actors) and self._schedule():
                self._recover()
                self._examine_all()
            else:
                self._violation("somebody is stuck")
        return self.result

    # --- the scheduler ---------------------------------------------------------------------------------------------

    def _schedule(self) -> bool:
        last = next(iter(self._actors), None)
        while waiting := [actor for actor in self._actors if actor.at]:
            if self._late and self.choices.chance(10):
                self._deliver(self._late[self.choices.pick(len(self._late))])
            if self.choices.chance(8):
                self._let_time_pass()
            if last is None or last not in waiting or self.choices.chance(60):
                last = waiting[self.choices.pick(len(waiting))]
            if not self._advance(last):
                return False
        return True

    def _advance(self, actor: Actor) -> bool:
        step = actor.at
        assert step is not None
        verdict = self._verdict_on(step)
        where = f" ({self.name(step.order_id)})" if step.order_id else ""
        moment = {"begin": "begins: ", "call": "answer to " if step.after else "calls "}.get(step.kind, "")
        moment = moment or ("after " if step.after else "")
        fate = "" if verdict == GO else f": {verdict}"
        self._tell(actor.name, f"{moment}{step.name}{where}{fate}")
        self.result.count["deaths"] += verdict == DIE
        self.result.count["faults"] += verdict not in (GO, DIE)
        self.result.count["steps"] += 1
        return actor.advance(verdict)

    def _verdict_on(self, step: Step) -> str:
        if step.kind == "begin" or not self._faults:
            return GO
        if self._deaths and self.choices.chance(4):
            self._deaths -= 1
            return DIE
        if step.kind == "write" and self._severings and self.choices.chance(4):
            self._severings -= 1
            return SEVER
        if step.kind == "call" and not step.after and self.choices.chance(30):
            fates = [fate for fate in FATES if STATUSES.get(fate) != 400 or self._may_refuse(step)]
            return fates[self.choices.pick(len(fates))]
        return GO

    def _may_refuse(self, step: Step) -> bool:
        """A peer that has carried a call out and refuses its repetition would be lying, and that is not promised."""
        order_id, line, call = step.key.split(":")
        return not self.ledger().happened(order_id, int(line), call)

    def strike(self, actor: Actor, step: Step, verdict: str, call: Callable[[], Any]) -> Any:
        """Make a call, with what the scheduler has in mind for it."""
        if verdict == LATE:
            self._late.append((actor.operation, step, call))
            raise Lost("no complete answer: it took too long")
        if verdict != GO:
            kind = DROPS.get(verdict, "status")
            options = {"status": STATUSES[verdict]} if kind == "status" else {}
            self._arena.control.fault(step.name, kind, product_id=step.product_id, times=1, **options)
        reply = call()
        if reply.succeeded:
            held = [attempt for attempt, holder in self._holders.items() if holder is actor.operation]
            self._answered |= {(step.order_id, step.name, attempt) for attempt in held}
        return reply

    def _deliver(self, late: tuple[Operation, Step, Callable[[], Any]]) -> None:
        self._late.remove(late)
        self._tell("the network", f"delivers {late[1].name} ({self.name(late[1].order_id)}) at last")
        with suppress(Lost):
            late[2]()

    def _let_time_pass(self) -> None:
        if lapsing := list(self._lapsing()):
            lapsing[self.choices.pick(len(lapsing))]()

    def _lapsing(self) -> Iterator[Callable[[], None]]:
        """What could lapse now: retries, and leases under which no call will be made any more.

        Their holder is gone, or he has his answer, and will find that he comes too late to write it down.
        """
        now = datetime.now(UTC).replace(tzinfo=None)
        for order in orders().find({"stock_due_at": {"$gt": now}}).sort("_id", 1).to_list():
            held = [item["stock"]["attempt"]["id"] for item in order["items"] if item["stock"].get("attempt")]
            answered = (order["_id"], order["items"][0]["stock"].get("call"), *held) in self._answered
            if answered or self._abandoned(held):
                yield lambda order=order, held=held: self._lapse(order, held)
        for key in self._arena.keys.find({"until": {"$gt": now}}).sort("_id", 1).to_list():
            if self._abandoned([key["attempt"]]):
                yield lambda key=key: self._lapse_key(key)

    def _abandoned(self, attempts: Iterable[str]) -> bool:
        return all(self._holders[attempt].over for attempt in attempts)

    def _lapse(self, order: Document, held: list[str]) -> None:
        # What was sent under a lease has arrived, or never will, by the time the lease ends.
        for late in [late for late in self._late if late[0] in {self._holders[attempt] for attempt in held}]:
            self._deliver(late)
        self._tell("time", f"passes: {self.name(order['_id'])} is due")
        past = self._earlier()
        ends = {f"items.{i}.stock.attempt.until": past for i, item in enumerate(order["items"]) if held}
        orders().update_one({"_id": order["_id"]}, {"$set": {"stock_due_at": past, **ends}})

    def _lapse_key(self, key: Document) -> None:
        self._tell("time", "passes: an idempotency key lapses")
        self._arena.keys.update_one({"_id": key["_id"]}, {"$set": {"until": self._earlier()}})

    def _earlier(self) -> datetime:
        self._past += timedelta(milliseconds=1)
        return self._past

    # --- what the actors are told ----------------------------------------------------------------------------------

    def perform(self, actor: Actor) -> None:
        """Carry out the actor's operation, in its thread."""
        operation = actor.operation
        self.result.count["operations"] += 1
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

    def wrote(self, actor: Actor, attempt: str) -> None:
        """Remember on whose behalf an attempt is taken."""
        self._holders.setdefault(attempt, actor.operation)

    def ledger(self) -> checks.Ledger:
        return checks.Ledger(self._arena.control.room.movements.database)

    def under_way(self, key: str) -> bool:
        return any(step.key == key for _, step, _ in self._late)

    def name(self, order_id: ObjectId | None) -> str:
        return self._names.setdefault(order_id, f"order {len(self._names) + 1}") if order_id else ""

    def _tell(self, who: str, what: str) -> None:
        self.result.story.append(f"{who}: {what}")

    # --- the end ---------------------------------------------------------------------------------------------------

    def _recover(self) -> None:
        self._tell("everybody", "is done; recovery")
        self._arena.control.clear_faults()
        self._examine()
        for late in list(self._late):
            self._deliver(late)
        self._settle_all()
        keeper = Act(access.admin("keeper"), datetime.now(UTC), "looked into the warehouse")
        checks.settle_by_truth(orders().find().to_list(), self.ledger(), keeper)
        self._settle_all()

    def _settle_all(self) -> None:
        for _ in range(10):
            for lapse in list(self._lapsing()):
                lapse()
            settle_due(actor=access.system("settle_stock", via="worker"), limit=100)
            if orders().find_one({"stock_due_at": {"$exists": True}}, {"_id": 1}) is None:
                return

    def _examine(self) -> None:
        for problem in problems_of_orders(self.name):
            self._violation(problem)

    def _examine_all(self) -> None:
        self._examine()
        for problem in problems_at_the_end(self.ledger(), self.told, self.name):
            self._violation(problem)

    def _violation(self, problem: str) -> None:
        if problem not in self.result.violations:
            self.result.violations.append(problem)
