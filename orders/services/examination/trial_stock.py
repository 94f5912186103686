"""One product's units while its inventory is tried: what was there, what was taken of them, and giving that back.

What was taken is what the stock shows, not what was answered: an inventory that loses calls has answered more. To leave
alone what others reserved, no more is given back than was asked for here and has not been released.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import cast

from django.conf import settings

from integrations import Deadline, PeerError, PeerUnavailable, gather, inventory
from integrations.answer import Answer
from integrations.circuit_breakers import breakers
from integrations.inventory import StockLevel
from integrations.watching import hanging_up, watched
from orders.services.stock.inventory_calls import Outcome, Result, outcome_of
from orders.services.stock.product_locks import KeptLock

LOOK_EVERY = 0.1
"""Seconds between two looks at the stock."""
LOOKS = 15
"""Of which two in a row must agree."""
ROUNDS = 5
"""Times that giving back is tried."""
GATEWAYS = (502, 504)
"""Statuses that come from something in between, while inventory itself may still be at work."""


class Stopped(Exception):
    """The operator said so; nothing further is taken."""


class NotConclusive(Exception):
    """The stock is not where calls made here can have brought it, or does not come to rest: others move it too."""


@dataclass
class TrialOrder:
    """An order that does not exist, in whose name units are taken.

    :ivar most: units that may be reserved in its name; less than 0 where more were released than that.
    :ivar answered: units that are, going by the answers.
    """

    id: str
    most: int = 0
    answered: int = 0
    keys: int = 0

    def key(self, operation: str) -> str:
        """A new idempotency key, of the form that those of orders have."""
        self.keys += 1
        return f"{self.id}:{self.keys - 1}:{operation}"


@dataclass(frozen=True)
class Call:
    """One reserve or release, and what came of it.

    :ivar answer: the last that came, if any was seen.
    :ivar unanswered: it may be carried out yet.
    """

    outcome: Outcome
    seconds: float
    answer: Answer | None
    unanswered: bool

    @property
    def done(self) -> bool:
        return self.outcome.result is Result.DONE

    @property
    def refused(self) -> bool:
        return self.outcome.result is Result.REFUSED

    @property
    def unknown(self) -> bool:
        return self.outcome.result is Result.UNKNOWN

    def __str__(self) -> str:
        if self.done:
            return f"done ({self.outcome.quantity})"
        return self.outcome.detail or self.outcome.result.value.replace("_", " ")


@dataclass
class TrialStock:
    """The stock of the product that is tried. Whoever takes of it calls `give_back` in the end.

    :ivar before: what was there at first.
    :ivar lock: on the product, kept by the caller.
    :ivar prefix: 16 hex digits with which the ids of its orders begin.
    :ivar stopped: says whether the operator wants it to end.
    :ivar tell: is told of what takes long.
    :ivar seconds: how long each call took that was not cut off here.
    :ivar seen: what was there at the last look.
    :ivar at_rest: whether the look before agreed.
    """

    product_id: str
    before: StockLevel
    lock: KeptLock
    prefix: str
    stopped: Callable[[], bool]
    tell: Callable[[str], None]
    orders: list[TrialOrder] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    seen: StockLevel = field(init=False)
    at_rest: bool = False

    def __post_init__(self) -> None:
        self.seen = self.before

    def begin(self) -> None:
        """Take what was there at the last look, when nothing was taken, as what was there at first.

        :raises NotConclusive: the stock did not come to rest.
        """
        if not self.at_rest:
            raise NotConclusive("stock moved by others, not conclusive: it does not come to rest")
        self.before = self.seen

    def holding(self) -> list[TrialOrder]:
        """The orders in whose name something may not be as it was."""
        return [order for order in self.orders if order.most]

    def order(self) -> TrialOrder:
        """One more order to take units for."""
        self.orders.append(TrialOrder(f"{self.prefix}{len(self.orders):08x}"))
        return self.orders[-1]

    def reserve(
        self, order: TrialOrder, quantity: int = 1, *, key: str = "", again: bool = False, patience: float | None = None
    ) -> Call:
        """Reserve, and see to it that the call is over.

        :param key: a new one by default.
        :param again: it is a repeat with the same key, whose answer need not mean that more was reserved.
        :param patience: hang up once the answer begins, or after so many seconds.
        :raises Stopped:
        """
        self._go_on()
        order.most += quantity  # a repeat may be carried out, too
        with nullcontext() if patience is None else hanging_up(patience):
            call = self._call(inventory.reserve, order, quantity, key or order.key("reserve"))
        if patience is None:
            self.seconds.append(call.seconds)
        self._count_off(order, quantity, call)
        if not again:
            order.answered += call.outcome.quantity
        if call.unanswered:
            self._wait_until_over(expected=self._most())
        return call

    def release(self, order: TrialOrder, quantity: int = 1, *, key: str = "", again: bool = False) -> Call:
        """Release, and see to it that the call is over.

        :param again: it is a repeat with the same key, whose answer need not mean that more was released.
        """
        call = self._call(inventory.release, order, quantity, key or order.key("release"))
        self.seconds.append(call.seconds)
        if not again:
            order.most -= call.outcome.quantity
            order.answered -= call.outcome.quantity
        if call.unanswered:
            self._wait_until_over(expected=self._most() - quantity)
        return call

    def reserve_side_by_side(self, orders: Sequence[TrialOrder]) -> list[Call]:
        """Reserve one unit for each of these orders, all at once, and see to it that all calls are over.

        :raises Stopped:
        """
        self._go_on()
        for order in orders:
            order.most += 1
        # A connection for each is opened first, so that the calls set out together.
        gather(*(partial(inventory.stock, self.product_id, deadline=self._deadline(), retries=False) for _ in orders))
        made = gather(*(partial(self._call, inventory.reserve, order, 1, order.key("reserve")) for order in orders))
        calls = [cast("Call", call) for call in made]  # every PeerError has become one
        for order, call in zip(orders, calls, strict=True):
            self._count_off(order, 1, call)
            order.answered += call.outcome.quantity
            self.seconds.append(call.seconds)
        if any(call.unanswered for call in calls):
            self._wait_until_over(expected=self._most())
        return calls

    def _go_on(self) -> None:
        if self.stopped():
            raise Stopped

    @staticmethod
    def _count_off(order: TrialOrder, quantity: int, reserve: Call) -> None:
        """Count off what was certainly not reserved."""
        if not (reserve.done or reserve.unknown):
            order.most -= quantity

    def taken(self) -> int:
        """The units that the stock shows as taken since the beginning.

        :raises NotConclusive: it does not come to rest, or its two numbers do not add up.
        :raises PeerError: inventory does not say.
        """
        level = self.level()
        taken = level.reserved - self.before.reserved
        if not self.at_rest or self.before.available - level.available != taken:
            raise NotConclusive(
                f"stock moved by others, not conclusive: {shown(self.before)} at first, {shown(level)} now"
            )
        return taken

    def level(self) -> StockLevel:
        """What is there once two looks agree; `at_rest` says whether they do. :raises PeerError:"""
        self.at_rest = False
        seen = self._look()
        for _ in range(LOOKS):
            time.sleep(LOOK_EVERY)
            again, seen = seen, self._look()
            if again == seen:
                self.at_rest = True
                break
        return seen

    def give_back(self) -> int | None:
        """Release what is taken. Not stopped by anything.

        :returns: the units that are not given back, 0 if there are none; None if inventory does not say.
        """
        owed: int | None = None
        for number in range(ROUNDS):
            if number:
                time.sleep(settings.RETRY_DELAY)
            owed = self._owed()
            if owed == 0:
                for order in self.orders:
                    order.most = order.answered = 0
                break
            if owed:
                self._settle(owed)
            elif number:
                self._settle_as_answered()
        else:
            owed = self._owed()
        return owed

    def _owed(self) -> int | None:
        """Units to be released; None if inventory does not say.

        The stock says how many are taken, also where calls were lost. Where that is more than can have been taken here,
        others have taken some, and what was answered here has to do.
        """
        try:
            taken = self.level().reserved - self.before.reserved
        except PeerError:
            return None
        if taken > self._most():
            taken = sum(order.answered for order in self.orders)
        return max(0, taken)

    def _settle(self, owed: int) -> None:
        for order in reversed(self.orders):
            if owed and order.most > 0:
                owed -= self.release(order, min(owed, order.most)).outcome.quantity

    def _settle_as_answered(self) -> None:
        """Where the stock cannot be read, as where it has become less than nothing: make good what calls have done."""
        for order in self.orders:
            if order.answered > 0:
                self.release(order, order.answered)
            elif order.answered < 0:
                again = self._call(inventory.reserve, order, -order.answered, order.key("reserve"))
                order.most += again.outcome.quantity
                order.answered += again.outcome.quantity

    def _most(self) -> int:
        return sum(order.most for order in self.orders)

    def _look(self) -> StockLevel:
        """:raises PeerError:"""
        breakers.forget()
        found = inventory.stock(self.product_id, deadline=self._deadline())
        if found is None:
            raise PeerUnavailable(inventory.PEER.name, "no longer knows the product")
        self.seen = found
        return found

    def _deadline(self) -> Deadline:
        return self.lock.extended().sooner(settings.REQUEST_DEADLINE)

    def _call(self, ask: Callable[..., int], order: TrialOrder, quantity: int, key: str) -> Call:
        """Make one call, once; whatever becomes of it is an outcome."""
        breakers.forget()  # what failed before is no reason not to find out
        deadline = self._deadline()
        began = time.monotonic()
        answer: int | PeerError
        with watched() as answers:
            try:
                answer = ask(self.product_id, quantity, order_id=order.id, key=key, deadline=deadline, retries=False)
            except PeerError as error:
                answer = error
        seconds = time.monotonic() - began
        outcome = outcome_of(answer)
        last = answers[-1] if answers else None
        over = outcome.result is not Result.UNKNOWN or (last is not None and last.status not in GATEWAYS)
        return Call(outcome, seconds, last, unanswered=not over)

    def _wait_until_over(self, *, expected: int) -> None:
        """Wait until so many units are taken, or until an unanswered call can no longer act (docs/peers.md)."""
        until = Deadline.after(settings.STOCK_LEASE - settings.REQUEST_DEADLINE)
        self.lock.may_still_run = True
        told = False
        while not until.expired:
            with suppress(PeerError):
                if self._look().reserved - self.before.reserved == expected:
                    break
            if not told:
                self.tell(
                    f"a call was not answered: waiting up to {until.remaining():.0f} s for it to show in the stock"
                )
                told = True
            time.sleep(LOOK_EVERY)
        self.lock.may_still_run = False


def shown(level: StockLevel) -> str:
    return f"{level.available} available and {level.reserved} reserved"
