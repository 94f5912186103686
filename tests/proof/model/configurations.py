"""What the model is checked with: how much of everything, what goes wrong, which safeguard is missing."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Configuration:
    """One search through the model.

    :ivar name: for docs/proof.md.
    :ivar numbers: what stock.pml is told with -D; what is not told has the default that stands there.
    :ivar holds: whether everything must hold; otherwise the search has to find what breaks.
    :ivar large: there are millions of states, so that it pays to have the search optimised.
    """

    name: str
    numbers: Mapping[str, int] = field(default_factory=dict)
    holds: bool = True
    large: bool = False

    def number(self, name: str, default: int) -> int:
        return self.numbers.get(name, default)


def _fails(name: str, **numbers: int) -> Configuration:
    return Configuration(name, {"HARM_ONLY": 1, **numbers}, holds=False)


SMALLEST = Configuration(
    "one order, cancelled or shipped; a crash, a lost answer, a claim that fails",
    {"ORDERS": 1, "CRASHES": 1, "LOST": 1, "FAILED_CLAIMS": 1},
)

SOUND = (
    SMALLEST,
    Configuration(
        "… of two lines of one product, two workers",
        {"ORDERS": 1, "LINES": 2, "WORKERS": 2, "CRASHES": 1, "LOST": 1},
    ),
    Configuration(
        "… of two lines of one product; two crashes, a lost answer, a call not sent; keys honoured",
        {"ORDERS": 1, "LINES": 2, "CRASHES": 2, "LOST": 1, "UNSENT": 1, "KEYS": 1},
        large=True,
    ),
    Configuration(
        "two orders for two units, one cancelled or shipped; a crash, a lost answer",
        {"CRASHES": 1, "LOST": 1},
        large=True,
    ),
    Configuration(
        "two orders for one unit; a lost answer; keys honoured",
        {"STOCK": 1, "LOST": 1, "KEYS": 1},
        large=True,
    ),
    Configuration(
        "two orders of two products each, the other way about; a lost answer",
        {"LINES": 2, "PRODUCTS": 2, "CANCELS": 0, "LOST": 1},
        large=True,
    ),
    Configuration(
        "atomic, no turns: two orders for one unit; a lost answer, repeated at once; keys honoured",
        {"ATOMIC": 1, "STOCK": 1, "LOST": 1, "KEYS": 1, "RETRIES": 1, "CANCELS": 0},
        large=True,
    ),
)

PAUSED = _fails("a process pauses between check and send, for longer than its leases", PAUSES=1, CANCELS=0)
BEYOND = (
    PAUSED,
    _fails("… inventory compares tokens when a call arrives, and not when it writes", PAUSES=1, CANCELS=0, FENCING=1),
    Configuration(
        "… inventory compares tokens when a call arrives and when it writes",
        {"PAUSES": 1, "FENCING": 2, "HARM_ONLY": 1},
        large=True,
    ),
    Configuration(
        "… the same, two orders for one unit; keys honoured",
        {"PAUSES": 1, "FENCING": 2, "STOCK": 1, "KEYS": 1, "CANCELS": 0, "HARM_ONLY": 1},
        large=True,
    ),
    _fails("inventory is still at a call when the lease that it was sent under ends", OVERLONG=1, CANCELS=0),
)

NO_TURNS = _fails("no turns", TURNS=0)
MUTATIONS = (
    NO_TURNS,
    _fails("lines of one product called for side by side", SIDE_BY_SIDE=1, ORDERS=1, LINES=2, CANCELS=0),
    _fails("a turn is given back though its call may still be at work", GIVE_BACK_UNKNOWN=1, LOST=1, CANCELS=0),
    _fails("a turn is given back though another holds it by now", GIVE_BACK_ANY=1),
    _fails("a lost call is repeated at once, under the same turn", RETRIES=1, KEYS=1, LOST=1, CANCELS=0),
    _fails("a worker takes every attempt for expired", NO_LEASE=1, ATOMIC=1, KEYS=1, STOCK=1),
    _fails("a worker claims without a guard", UNGUARDED_CLAIM=1, ATOMIC=1, ORDERS=1),
    _fails("a worker repeats what may have been sent, without keys", GUESS=1, ATOMIC=1, ORDERS=1),
    _fails("a repeat's claim that failed is disowned", DISOWN_ANY=1, KEYS=1, ORDERS=1, FAILED_CLAIMS=1),
    _fails("a draft is placed whatever has become of it", UNGUARDED_PLACE=1, ATOMIC=1, KEYS=1, ORDERS=1, CANCELS=0),
)


def _reached(name: str, probe: int, **numbers: int) -> Configuration:
    wrong = {"CRASHES": 1, "LOST": 1, "FAILED_CLAIMS": 1, "ORDERS": 1}
    return Configuration(name, {**wrong, **numbers, "PROBE": probe}, holds=False)


REACHED = (
    _reached("both orders are placed", 1, ORDERS=2, CRASHES=0, FAILED_CLAIMS=0),
    _reached("both lines of an order were reserved and are released", 2, LINES=2, FAILED_CLAIMS=0),
    _reached("a line is unknown, and nothing is owed", 3),
    _reached("all at rest after a crash, a line released", 4),
    _reached("all at rest after a crash and a lost answer, all known", 5, KEYS=1),
    _reached("a call at work that nobody waits for", 6),
    _reached("a reserve is refused", 7, ORDERS=2, STOCK=1, CRASHES=0, FAILED_CLAIMS=0),
    _reached("all at rest after a failed claim, a line released", 8),
)
"""States that the search must come through: a model in which nothing happens would hold, too."""
