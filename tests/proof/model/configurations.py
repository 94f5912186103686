"""What the model is checked with: how much of everything, what goes wrong, which safeguard is missing."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Configuration:
    """One search through the model.

    :ivar name: for docs/proof.md.
    :ivar numbers: what stock.pml is told with -D; what is not told has the default that stands there.
    :ivar finds: what the search has to find; nothing where everything must hold.
    :ivar large: there are millions of states, so that it pays to have the search optimised.
    """

    name: str
    numbers: Mapping[str, int] = field(default_factory=dict)
    finds: str | None = None
    large: bool = False

    def number(self, name: str, default: int) -> int:
        return self.numbers.get(name, default)


REACHED_IT = "reached"
LOST_UPDATE = "an update is lost"
TWICE = "a line is reserved twice"
NOT_SO = "a line says what is not so"
UNRESERVED = "an order is placed with a line that is not reserved"
OWED = "something stays owed"
HARMS = {
    r"invalid end state|violated +!\(*line|status\[i\]!=": OWED,
    r"held\[.*==sure": LOST_UPDATE,
    r"reserves\[i\]<=1": TWICE,
    r"reserves\[i\]==": NOT_SO,
    r"status\[": UNRESERVED,
    r"releases\[i\]<=": "a line is released twice",
    r"call\[i\]\.line": "two calls of one product at once",
}
"""What a failed assertion of stock.pml means, by a pattern in what spin prints of it; any other is a probe's."""


def _fails(name: str, finds: str, **numbers: int) -> Configuration:
    return Configuration(name, {"HARM_ONLY": 1, **numbers}, finds)


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
        {"STOCK": 1, "LOST": 1, "KEYS": 1, "CANCELS": 0},
        large=True,
    ),
    Configuration(
        "two orders of the same two products, the other way about",
        {"LINES": 2, "PRODUCTS": 2, "CANCELS": 0},
        large=True,
    ),
    Configuration(
        "atomic, no locks: two orders for one unit; a lost answer, repeated at once; keys honoured",
        {"ATOMIC": 1, "STOCK": 1, "LOST": 1, "KEYS": 1, "RETRIES": 1, "CANCELS": 0},
        large=True,
    ),
)

PAUSED = _fails("a process pauses between check and send, for longer than its leases", LOST_UPDATE, PAUSES=1, CANCELS=0)
BEYOND = (
    PAUSED,
    _fails(
        "… inventory compares tokens when a call arrives, and not when it writes",
        LOST_UPDATE,
        PAUSES=1,
        CANCELS=0,
        FENCING=1,
    ),
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
    _fails(
        "inventory is still at a call when the lease that it was sent under ends", LOST_UPDATE, OVERLONG=1, CANCELS=0
    ),
)

NO_LOCKS = _fails("no locks", LOST_UPDATE, LOCKS=0)
MUTATIONS = (
    NO_LOCKS,
    _fails("no worker, and a crash", OWED, WORKERS=0, CRASHES=1, ATOMIC=1, ORDERS=1, CANCELS=0),
    _fails("lines of one product called for side by side", LOST_UPDATE, SIDE_BY_SIDE=1, ORDERS=1, LINES=2, CANCELS=0),
    _fails(
        "a lock is given back though its call may still be at work", LOST_UPDATE, GIVE_BACK_UNKNOWN=1, LOST=1, CANCELS=0
    ),
    _fails("a lock is given back though another holds it by now", LOST_UPDATE, GIVE_BACK_ANY=1),
    _fails("a lost call is repeated at once, under the same lock", LOST_UPDATE, RETRIES=1, KEYS=1, LOST=1, CANCELS=0),
    _fails("a worker takes every attempt for expired", NOT_SO, NO_LEASE=1, ATOMIC=1, KEYS=1, STOCK=1),
    _fails("a worker claims without a guard", UNRESERVED, UNGUARDED_CLAIM=1, ATOMIC=1, ORDERS=1),
    _fails("a worker repeats what may have been sent, without keys", TWICE, GUESS=1, ATOMIC=1, ORDERS=1),
    _fails("a repeat's claim that failed is cleared", NOT_SO, CLEAR_ANY=1, KEYS=1, ORDERS=1, FAILED_CLAIMS=1),
    _fails(
        "a draft is placed whatever has become of it", NOT_SO, UNGUARDED_PLACE=1, ATOMIC=1, KEYS=1, ORDERS=1, CANCELS=0
    ),
)


def _reached(name: str, probe: int, **numbers: int) -> Configuration:
    wrong = {"CRASHES": 1, "LOST": 1, "FAILED_CLAIMS": 1, "ORDERS": 1}
    return Configuration(name, {**wrong, **numbers, "PROBE": probe, "HARM_ONLY": 1}, REACHED_IT)


REACHED = (
    _reached("both orders are placed", 1, ORDERS=2, CRASHES=0, FAILED_CLAIMS=0),
    _reached("both lines of an order were reserved and are released", 2, LINES=2, FAILED_CLAIMS=0),
    _reached("a line is unknown, and nothing is owed", 3),
    _reached("all at rest after a crash, a line released", 4),
    _reached("all at rest after a crash and a lost answer, all known", 5, KEYS=1),
    _reached("a call at work that nobody waits for", 6),
    _reached("a reserve is refused", 7, ORDERS=2, STOCK=1, CRASHES=0, FAILED_CLAIMS=0),
    _reached("all at rest after a failed claim, a line released", 8),
    _reached("a paused call is refused for its token", 9, ORDERS=2, CRASHES=0, FAILED_CLAIMS=0, PAUSES=1, FENCING=2),
)
"""States that the search must come through: a model in which nothing happens would hold, too."""
