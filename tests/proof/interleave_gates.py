"""Threads that stop before and after each step towards the database or a peer, until they are told to go on.

A step is one of :mod:`tests.proof.steps`, taken by an actor: reads of peers (GET) and the time of day are none, since
nothing that is done depends on who reads first. Whoever lets an actor go on says how the step fares.
"""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

from bson import ObjectId
from django.db import connection
from pymongo import MongoClient, monitoring
from pymongo.collection import Collection
from pymongo.errors import NetworkTimeout

from integrations import http_exchange, webhook_calls
from integrations.webhook_calls import Delivery
from tests.proof.interleave_actors import Operation
from tests.proof.steps import QUIET

PATIENCE = 30.0
"""Seconds after which an actor that takes no step is taken for stuck."""
WRITES = {"findAndModify", "update", "insert", "delete"}
GO, DIE, SEVER = "goes on", "dies here", "loses the database here"


class Killed(BaseException):
    """The actor's process died; nothing that it would do after is done."""


class Severed(BaseException):
    """The connection to the database broke."""


@dataclass(frozen=True)
class Step:
    """Where an actor stands.

    :ivar kind: `read`, `write`, `call`, `webhook`, or `inside`: inventory has looked at the product, and is about to
        change it.
    :ivar after: it has been taken, and its answer is about to arrive.
    :ivar key: the call's idempotency key.
    """

    name: str
    kind: str
    after: bool = False
    order_id: ObjectId | None = None
    key: str = ""
    product_id: str = ""


class Actor(threading.Thread):
    """One thread that carries an operation out, each step when it is let.

    :ivar at: the step that it is about to take; None before the first and after the last.
    """

    def __init__(self, name: str, operation: Operation, stage: Any, client: "MongoClient[Any]") -> None:
        super().__init__(name=name, daemon=True)
        self.operation = operation
        self._stage, self._client = stage, client
        self._go, self._arrived = threading.Semaphore(0), threading.Semaphore(0)
        self._verdict = GO
        self.at: Step | None = None
        self._dead = False

    def advance(self, verdict: str = GO) -> bool:
        """Let it go on to its next step. :returns: False where it did not come to one: it is stuck."""
        self._verdict = verdict
        if self.ident is None:
            self.start()
        else:
            self._go.release()
        return self._arrived.acquire(timeout=PATIENCE)

    def reach(self, step: Step) -> str:
        """Stop here, in the actor's own thread, and return what is to become of the step."""
        if self._dead:
            raise Killed
        self.at = step
        self._arrived.release()
        self._go.acquire()
        if self._verdict == DIE:
            self._dead = True
            raise Killed
        if self._verdict == SEVER:
            self.operation.severed += 1
            raise Severed
        return self._verdict

    def run(self) -> None:
        acting.set(self)
        connection.database = self._client[connection.settings_dict["NAME"]]
        with suppress(Killed):
            self._stage.perform(self)
        self.operation.over = True
        self.at = None
        self._arrived.release()


acting: ContextVar[Actor | None] = ContextVar("acting", default=None)


class Listener(monitoring.CommandListener):
    """Every command of the actors' client is two steps; `wrote` is told which attempts and leases a write takes."""

    def __init__(self, wrote: Callable[[Actor, str], None]) -> None:
        self._wrote = wrote
        self._standing: dict[int, Step] = {}

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        actor, name, command = acting.get(), event.command_name, event.command
        if actor is None or name in QUIET | {"hello"}:
            return
        for attempt in _attempts(command["update"] if name == "findAndModify" else command.get("updates")):
            self._wrote(actor, attempt)
        about = command.get("query") or command.get("filter") or (command.get("updates") or [{}])[0].get("q") or {}
        order_id = about.get("_id") if isinstance(about.get("_id"), ObjectId) else None
        kind = "write" if name in WRITES else "read"
        self._standing[event.request_id] = step = Step(f"{name} {command[name]}", kind, order_id=order_id)
        actor.reach(step)

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        self._ended(event.request_id)

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        self._ended(event.request_id)

    def _ended(self, request_id: int) -> None:
        actor, step = acting.get(), self._standing.pop(request_id, None)
        if actor and step and step.kind == "write":
            actor.reach(Step(step.name, step.kind, after=True, order_id=step.order_id))


def _attempts(update: Any) -> Iterator[str]:
    """The ids of the attempts, and of who holds a product's lease, that an update writes anywhere in it."""
    if isinstance(update, Mapping):
        for name, value in update.items():
            found = value.get("id") if isinstance(value, Mapping) else value
            if name in ("attempt", "holder") and isinstance(found, str):
                yield found
            elif name != "q":
                yield from _attempts(value)
    elif isinstance(update, list | tuple):
        for value in update:
            yield from _attempts(value)


@contextmanager
def gates(strike: Callable[[Actor, Step, str, Callable[[], Any]], Any]) -> Iterator[None]:
    """Make steps of the actors' calls, and errors of their severed connections.

    :param strike: carries out a call, given what is to become of it and how it is made.
    """
    exchange = http_exchange.exchange

    def gated(method: str, url: str, target: str, **sent: Any) -> Any:
        actor = acting.get()
        if actor is None or method == "GET":
            return exchange(method, url, target, **sent)
        step = _call(target, sent["headers"], sent["body"])
        verdict = actor.reach(step)
        try:
            return strike(actor, step, verdict, lambda: exchange(method, url, target, **sent))
        finally:
            actor.reach(Step(step.name, step.kind, after=True, order_id=step.order_id, key=step.key))

    post = webhook_calls.post

    def posted(url: str, **sent: Any) -> Delivery:
        actor, step = acting.get(), Step("webhook", "webhook")
        if actor is None:
            return post(url, **sent)
        actor.reach(step)
        delivery = post(url, **sent)
        actor.reach(replace(step, after=True))
        return delivery

    with ExitStack() as stack:
        stack.enter_context(patch.object(http_exchange, "exchange", gated))
        stack.enter_context(patch.object(webhook_calls, "post", posted))
        for method in ("find_one_and_update", "update_one", "insert_many", "bulk_write"):
            stack.enter_context(patch.object(Collection, method, _severable(getattr(Collection, method))))
        yield


def _call(target: str, headers: Mapping[str, str], body_sent: bytes) -> Step:
    body = json.loads(body_sent)
    operation = target.rpartition("/")[2]
    key = headers["Idempotency-Key"]
    return Step(operation, "call", order_id=ObjectId(body["order_id"]), key=key, product_id=body["product_id"])


def _severable(method: Callable[..., Any]) -> Callable[..., Any]:
    def severable(*args: Any, **kwargs: Any) -> Any:
        try:
            return method(*args, **kwargs)
        except Severed as error:
            raise NetworkTimeout("the connection to the database broke") from error

    return severable
