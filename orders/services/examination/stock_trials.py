"""Trying what no document tells: what an inventory does with a key that comes twice, with calls side by side, with a
release of more than is reserved. Each trial takes a few units of one product, looks at the stock, and gives them back.

The product stays locked meanwhile (`product_locks`), so that no call for an order is made; the calls of a trial itself
are not kept apart, since that would hide what is to be found. Others who change the stock are not kept away: where the
numbers do not add up, nothing is concluded.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from bson import ObjectId
from django.conf import settings

from integrations import Deadline, PeerError, inventory
from integrations.inventory import StockLevel
from orders.services.errors import OrderError, RefusalKind
from orders.services.examination.findings import Finding, Verdict, beside
from orders.services.examination.trial_stock import Call, NotConclusive, Stopped, TrialOrder, TrialStock, shown
from orders.services.stock.product_locks import KeptLock, ProductLocked, product_kept

SIDE_BY_SIDE = 10
ROUNDS = 3
"""Of calls side by side, until one is lost."""
LEAST = 2 * SIDE_BY_SIDE
"""Units that must be available: half of them are left to customers."""
TOO_MANY = 1000
"""Units that are asked for beyond what is available."""
SHORTEST_CUT = 0.001
"""Seconds after which a connection is cut at the earliest."""

ONE, TOO_MUCH, BEYOND, BACK = "one unit", "more than there is", "more than is reserved", "all given back"
KEY_OF_RESERVE, KEY_OF_RELEASE = "one key for two reserves", "one key for two releases"
KEY_AFTER_LOSS, KEY_AFTER_CUT = "the same key after a lost answer", "the same key after a cut connection"
SIMULTANEOUS = "calls side by side"
KEYS = (KEY_OF_RESERVE, KEY_OF_RELEASE, KEY_AFTER_LOSS, KEY_AFTER_CUT)


class CannotTry(OrderError):
    """This product is not one to try inventory on; nothing was reserved."""

    code = "cannot_try_stock"
    kind = RefusalKind.CONFLICT


@dataclass(frozen=True)
class Plan:
    """What will be tried.

    :ivar prefix: with which the ids of the orders begin in whose name units are reserved; their keys begin with them.
    """

    product_id: str
    level: StockLevel
    prefix: str

    @property
    def most(self) -> int:
        """Units that are reserved at a time."""
        return SIDE_BY_SIDE

    @property
    def too_many(self) -> int:
        """Units that are asked for to see that they are refused."""
        return self.level.available + TOO_MANY


@dataclass(frozen=True)
class Tried:
    """What was found.

    :ivar slowest: seconds that the slowest reserve or release took; None if there was none.
    :ivar left: orders in whose name units may still be reserved that could not be given back.
    """

    findings: tuple[Finding, ...]
    slowest: float | None
    left: tuple[TrialOrder, ...]


def plan(product_id: str) -> Plan:
    """See whether a product is one to try inventory on.

    :raises CannotTry:
    :raises PeerUnavailable: inventory does not say what there is of it.
    """
    level = inventory.stock(product_id, deadline=Deadline.after(settings.REQUEST_DEADLINE))
    if level is None:
        raise CannotTry(f"Inventory knows no product {product_id}.")
    _require_enough(level)
    return Plan(product_id, level, str(ObjectId())[:16])


def _require_enough(level: StockLevel) -> None:
    if level.available < LEAST:
        raise CannotTry(f"Too little stock to try: {level.available} available, at least {LEAST} are needed.")
    if settings.INVENTORY_IS_ATOMIC and level.reserved:  # an order that gives one back looks as if ours were not taken
        raise CannotTry(
            f"{level.reserved} units are reserved by others, whose orders may release them meanwhile, since with "
            "INVENTORY_IS_ATOMIC they do not wait. Choose a product of which none are."
        )


def try_stock(
    planned: Plan,
    *,
    stopped: Callable[[], bool],
    tell: Callable[[str], None],
    show: Callable[[Finding], None] = lambda _finding: None,
) -> Tried:
    """Carry out a plan, and give back whatever was taken, however it ends.

    :param stopped: says whether the operator wants it to end; asked before anything more is taken.
    :param tell: is told of what takes long, and, where this ends in an error, of what became of the units.
    :param show: is shown each finding as soon as it is there.
    :raises CannotTry: the product cannot be locked, its stock is moving or too little; nothing was reserved.
    :raises PeerUnavailable: inventory does not say what there is; nothing was reserved.
    """
    with _locked(planned.product_id) as lock:
        stock = TrialStock(planned.product_id, planned.level, lock, planned.prefix, stopped, tell)
        first = stock.level()
        if not stock.at_rest:
            raise CannotTry("The stock of this product is moving. Choose one that nobody orders.")
        _require_enough(first)
        findings: list[Finding] = []
        try:
            for finding in _findings(stock):
                findings.append(finding)
                show(finding)
        except BaseException:
            tell(f"{BACK}: {_given_back(stock, first).found}")
            raise
        back = _given_back(stock, first)
        show(back)
        return Tried((*findings, back), max(stock.seconds, default=None), tuple(stock.holding()))


def untried(why: str) -> Tried:
    """What is known where nothing could be tried."""
    return Tried((_finding("reserve", ONE, Verdict.OPEN, f"nothing was tried: {why}"),), None, ())


@contextmanager
def _locked(product_id: str) -> Iterator[KeptLock]:
    with ExitStack() as kept:
        try:
            lock = kept.enter_context(product_kept(product_id))
        except ProductLocked as error:
            raise CannotTry(error.detail.removeprefix("not sent: ")) from error
        yield lock


def _findings(stock: TrialStock) -> Iterator[Finding]:
    """One finding for each trial; where one cannot go on, the rest is left out."""
    missing, unhonoured = "", False
    for call, case, trial in TRIALS:
        missing = missing or _what_forbids(stock)
        if missing or (unhonoured and case in (KEY_AFTER_LOSS, KEY_AFTER_CUT)):
            verdict = Verdict.OPEN if missing == "stopped" else Verdict.SKIPPED
            yield _finding(call, case, verdict, missing or "keys are not honoured")
            continue
        found = _tried(stock, call, case, trial)
        yield found
        unhonoured = unhonoured or (case in KEYS and found.fact is False)
        if case == ONE and found.verdict is not Verdict.OK:
            missing = "a single unit is not reserved and released as it should be"


def _what_forbids(stock: TrialStock) -> str:
    """Why nothing more is tried; empty if something is, with nothing taken."""
    if stock.stopped():
        return "stopped"
    return "" if stock.give_back() == 0 else "what was taken could not be given back"


def _tried(stock: TrialStock, call: str, case: str, trial: "Trial") -> Finding:
    try:
        stock.begin()
        return trial(stock)
    except NotConclusive as error:
        return _finding(call, case, Verdict.OPEN, str(error))
    except Stopped:
        return _finding(call, case, Verdict.OPEN, "stopped")
    except PeerError as error:
        return _finding(call, case, Verdict.OPEN, error.detail)


def _finding(
    call: str, case: str, verdict: Verdict, found: str, *calls: Call, fact: bool | None = None, expected: str = ""
) -> Finding:
    seconds = tuple(each.seconds for each in calls)
    finding = Finding(inventory.PEER.name, call, case, verdict, found, expected, fact, seconds=seconds)
    return beside([each.answer for each in calls if each.answer], finding)


def _one(stock: TrialStock) -> Finding:
    order, expected = stock.order(), "1 unit is reserved, then released, and both are answered so"
    reserve = stock.reserve(order)
    taken = stock.taken()
    if not reserve.done or taken != 1:
        told = f"{reserve}; the stock shows {taken} reserved"
        return _finding("reserve", ONE, Verdict.WRONG, told, reserve, expected=expected)
    release = stock.release(order)
    taken = stock.taken()
    if not release.done or release.outcome.quantity != 1 or taken:
        told = f"{release}; the stock shows {1 - taken} released"
        return _finding("release", ONE, Verdict.WRONG, told, release, expected=expected)
    told = f"reserved and released, in {1000 * reserve.seconds:.0f} and {1000 * release.seconds:.0f} ms"
    return _finding("reserve", ONE, Verdict.OK, told, reserve, release, expected=expected)


def _too_much(stock: TrialStock) -> Finding:
    quantity, expected = stock.before.available + TOO_MANY, "it is refused, and nothing is reserved"
    call = stock.reserve(stock.order(), quantity)
    taken = 0 if call.done else stock.taken()  # where it was done, the stock may be beyond reading
    good = call.refused and not taken
    told = f"a reserve of {quantity}: {call}" + (f"; the stock shows {taken} reserved" if taken else "")
    verdict = Verdict.OK if good else Verdict.WRONG
    return _finding("reserve", TOO_MUCH, verdict, told, call, fact=good, expected=expected)


def _key_of_reserve(stock: TrialStock) -> Finding:
    order = stock.order()
    key = order.key("reserve")
    first, again = stock.reserve(order, key=key), stock.reserve(order, key=key, again=True)
    return _of_key("reserve", KEY_OF_RESERVE, first, again, stock.taken())


def _key_of_release(stock: TrialStock) -> Finding:
    """Both units that may go are our own: where the key is not honoured, nobody else's is released."""
    order = stock.order()
    _hold(stock, order, 2)
    key = order.key("release")
    first, again = stock.release(order, key=key), stock.release(order, key=key, again=True)
    return _of_key("release", KEY_OF_RELEASE, first, again, 2 - stock.taken())


def _hold(stock: TrialStock, order: TrialOrder, quantity: int) -> None:
    """Reserve units that are to be released. :raises NotConclusive: it cannot be done, or is not seen in the stock."""
    held = stock.reserve(order, quantity)
    taken = stock.taken()
    if not held.done or taken != quantity:
        raise NotConclusive(f"not conclusive: a reserve of {quantity}: {held}; the stock shows {taken} reserved")


def _of_key(call: str, case: str, first: Call, again: Call, times: int) -> Finding:
    """:param times: how often it was carried out."""
    expected = "it is carried out once, and answered alike"
    if not first.done and not first.unanswered:
        return _finding(call, case, Verdict.OPEN, f"the first: {first}", first, expected=expected)
    if times not in (1, 2):
        raise NotConclusive(f"stock moved by others, not conclusive: {times} units for two calls of 1")
    honoured = times == 1 and again.done
    if honoured:
        told = "carried out once, and answered alike"
    elif times == 1:
        told = f"carried out once, but the repeat does not say that it was: {again}"
    else:
        told = "carried out twice: keys are not honoured"
    verdict = Verdict.OK if honoured else _contradicts(settings.INVENTORY_HONOURS_IDEMPOTENCY_KEY)
    return _finding(call, case, verdict, told, first, again, fact=honoured, expected=expected)


def _contradicts(setting: bool) -> Verdict:
    """What it is worth that inventory cannot do something which a setting may say that it can."""
    return Verdict.WRONG if setting else Verdict.NOTE


def _key_after_loss(stock: TrialStock) -> Finding:
    return _after(stock, KEY_AFTER_LOSS, settings.INVENTORY_WRITE_TIMEOUT)


def _key_after_cut(stock: TrialStock) -> Finding:
    return _after(stock, KEY_AFTER_CUT, max(SHORTEST_CUT, min(stock.seconds) / 2))


def _after(stock: TrialStock, case: str, patience: float) -> Finding:
    """Hang up amid a reserve, see whether it was carried out, and send it once more."""
    order = stock.order()
    key = order.key("reserve")
    first = stock.reserve(order, key=key, patience=patience)
    if first.done:
        told = "the connection could not be cut: the backend makes its calls in a way of its own"
        return _finding("reserve", case, Verdict.SKIPPED, told, first)
    carried_out = stock.taken()
    again = stock.reserve(order, key=key, again=True)
    times = stock.taken()
    if first.unanswered and not carried_out and times == 1:
        told = "the call that was cut was not carried out, so that nothing can be told from the repeat"
        return _finding("reserve", case, Verdict.NOTE, told, first, again)
    return _of_key("reserve", case, first, again, times)


def _side_by_side(stock: TrialStock) -> Finding:
    expected, sent = "no call is lost", 0
    for number in range(ROUNDS):
        if number:
            if stock.give_back() != 0:
                raise NotConclusive("not conclusive: what was taken could not be given back")
            stock.begin()
        calls = stock.reserve_side_by_side([stock.order() for _ in range(SIDE_BY_SIDE)])
        done = sum(call.done for call in calls)
        possible = done + sum(call.unknown for call in calls)
        taken = stock.taken()
        if taken > possible:
            raise NotConclusive(f"stock moved by others, not conclusive: {taken} units for {possible} calls of 1")
        if taken < done:
            told = f"not atomic: of {done} reserves that were answered, {done - taken} were lost"
            verdict = _contradicts(settings.INVENTORY_IS_ATOMIC)
            return _finding("reserve", SIMULTANEOUS, verdict, told, *calls, fact=False, expected=expected)
        if done < SIDE_BY_SIDE:
            failed = next(call for call in calls if not call.done)
            told = f"{SIDE_BY_SIDE - done} of {SIDE_BY_SIDE} were not carried out: {failed}"
            return _finding("reserve", SIMULTANEOUS, Verdict.OPEN, told, *calls, expected=expected)
        sent += done
    told = f"no call was lost in {sent}; that proves nothing: ask whoever wrote it (docs/peers.md)"
    return _finding("reserve", SIMULTANEOUS, Verdict.OK, told, expected=expected)


def _beyond(stock: TrialStock) -> Finding:
    reserved, expected = stock.before.reserved, "no more is released than is reserved, and answered so"
    if reserved:
        told = f"{reserved} units are reserved by others, which it might release: try a product with none"
        return _finding("release", BEYOND, Verdict.SKIPPED, told, expected=expected)
    if settings.INVENTORY_IS_ATOMIC:
        told = "orders do not wait for it (INVENTORY_IS_ATOMIC): it might release what one has just reserved"
        return _finding("release", BEYOND, Verdict.SKIPPED, told, expected=expected)
    order = stock.order()
    _hold(stock, order, 1)
    call = stock.release(order, 2)
    if call.outcome.quantity > 1:
        told = "it answers that 2 were released, though 1 was reserved"
        return _finding("release", BEYOND, Verdict.WRONG, told, call, fact=False, expected=expected)
    left = stock.taken()
    good = (call.refused and left == 1) or (call.done and left == 1 - call.outcome.quantity)
    told = f"a release of 2, where 1 is reserved: {call}; the stock shows {1 - left} released"
    verdict = Verdict.OK if good else Verdict.WRONG
    return _finding("release", BEYOND, verdict, told, call, fact=good, expected=expected)


Trial = Callable[[TrialStock], Finding]
TRIALS: tuple[tuple[str, str, Trial], ...] = (
    ("reserve", ONE, _one),
    ("reserve", TOO_MUCH, _too_much),
    ("reserve", KEY_OF_RESERVE, _key_of_reserve),
    ("release", KEY_OF_RELEASE, _key_of_release),
    ("reserve", KEY_AFTER_LOSS, _key_after_loss),
    ("reserve", KEY_AFTER_CUT, _key_after_cut),
    ("reserve", SIMULTANEOUS, _side_by_side),
    ("release", BEYOND, _beyond),
)
"""In this order; nothing else is tried where the first fails."""


def _given_back(stock: TrialStock, first: StockLevel) -> Finding:
    owed, now = stock.give_back(), stock.seen
    if owed is None and not stock.holding():
        return _finding("release", BACK, Verdict.OPEN, "nothing is held any more, but the stock cannot be read")
    if owed != 0:
        orders = ", ".join(f"order {order.id} ({order.most})" for order in stock.holding())
        told = (
            f"{'an unknown number' if owed is None else owed} of product {stock.product_id} could not be given back. "
            f"Correct it in inventory: {orders}; keys are <order>:<number>:reserve and <order>:<number>:release"
        )
        return _finding("release", BACK, Verdict.WRONG, told)
    if now == first:
        return _finding("release", BACK, Verdict.OK, f"{shown(now)}, as at first")
    told = f"{shown(first)} at first, {shown(now)} now: moved by others, unless a finding above says otherwise"
    return _finding("release", BACK, Verdict.NOTE, told)
