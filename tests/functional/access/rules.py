"""What a rule says: which requests an address understands, and what each caller is answered."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.functional.access.routes import METHODS, Route

Answers = dict[str, int]


@dataclass(frozen=True)
class Ask:
    """One request, and the status that each caller gets.

    :ivar changes: whoever is let through changes something; nobody else does.
    :ivar values: of the address's parameters, where they are not the usual ones; a name that the stage knows is an id.
    """

    method: str
    answers: Answers
    body: Any = None
    changes: bool = False
    values: Mapping[str, str] = field(default_factory=dict)
    query: str = ""

    def __str__(self) -> str:
        return " ".join(filter(None, (self.method, self.query, str(self.body or ""), str(dict(self.values) or ""))))


@dataclass(frozen=True)
class Rule:
    """All that is asked of one address: `asks`, and every other method, which is not allowed.

    :ivar others: what each caller gets for those.
    """

    asks: tuple[Ask, ...]
    others: Answers

    def all(self) -> Iterator[Ask]:
        yield from self.asks
        known = {ask.method for ask in self.asks}
        for method in METHODS:
            if method not in known:
                yield Ask(method, self.others)

    @property
    def cells(self) -> int:
        return sum(len(ask.answers) for ask in self.all())


def rule_of(route: Route, rules: Mapping[str, Rule]) -> Rule:
    """The rule of an address; with and without a slash at its end it is the same.

    :raises AssertionError: nobody has said yet who may do what there.
    """
    found = rules.get(str(route)) or rules.get(str(route).removesuffix("/"))
    assert found, (
        f"The address {route.pattern!r} ({route.kind}) has no rule: say in tests/functional/access/ "
        "which caller gets which answer from each of its methods."
    )
    return found
