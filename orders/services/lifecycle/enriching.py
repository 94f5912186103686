"""Filling in what orders do not say: products' names, contacts and the currency, from the peers, afterwards."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from django.conf import settings

from integrations import Deadline, PeerError, gather, products, users
from orders.models import Document
from orders.services.access import Actor
from orders.services.lifecycle.frozen_facts import product_facts, user_facts
from orders.services.search_index import index_these
from orders.storage import unnamed_orders

T = TypeVar("T")

AT_ONCE = 5
"""Calls side by side: the peers have customers to serve."""
MOST_KEPT = 50_000
"""Answers about products, and about customers, that are kept: of more than these some are asked for again."""
Facts = dict[str, str]


@dataclass
class Enriched:
    """How far a run is.

    :ivar filled: orders into which something was written.
    :ivar left: orders of which the peers do not know what is missing, or that were changed meanwhile.
    """

    filled: int = 0
    left: int = 0


class _Asked:
    """What a peer said of each id: nobody is asked twice about one."""

    def __init__(self, ask: Callable[..., T | None], facts: Callable[[T], Facts]) -> None:
        self._ask, self._facts = ask, facts
        self._known: dict[str, Facts] = {}

    def about(self, ids: Iterable[str]) -> dict[str, Facts]:
        """Facts by id; none of what the peer does not know. :raises PeerError: it does not answer."""
        wanted = list(dict.fromkeys(ids))
        new = [one for one in wanted if one not in self._known]
        found = {one: self._known[one] for one in wanted if one in self._known}
        for start in range(0, len(new), AT_ONCE):
            found |= self._answers(new[start : start + AT_ONCE])
        self._known |= found
        for oldest in list(self._known)[: max(0, len(self._known) - MOST_KEPT)]:
            del self._known[oldest]
        return {one: facts for one, facts in found.items() if facts}

    def _answers(self, ids: Sequence[str]) -> dict[str, Facts]:
        deadline = Deadline.after(settings.REQUEST_DEADLINE)
        answers = gather(*(partial(self._ask, one, deadline=deadline) for one in ids))
        found: dict[str, Facts] = {}
        for one, answer in zip(ids, answers, strict=True):
            if isinstance(answer, PeerError):
                raise answer
            found[one] = {name: text for name, text in self._facts(answer).items() if text} if answer else {}
        return found


def count_unnamed(*, actor: Actor) -> int:
    """How many orders lack a name, an email address or the currency. :raises NotPermitted, DatabaseError:"""
    actor.require_process("fill in names")
    return unnamed_orders.count_unnamed()


def enrich(
    *,
    actor: Actor,
    oldest_first: bool = False,
    limit: int | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> Enriched:
    """Fill in what is missing of each order, from what the peers say today.

    :param limit: fill in so many at most.
    :param progress: told how many more were looked at, each time.
    :raises NotPermitted: it is for operators' commands alone.
    :raises PeerError, DatabaseError: what is filled in stays; the next call finds the rest.
    """
    actor.require_process("fill in names")
    peers = _Asked(products.fetch, product_facts), _Asked(users.verify, user_facts)
    done = Enriched()
    for batch in unnamed_orders.unnamed(oldest_first=oldest_first):
        while batch and done.filled != limit:
            room = len(batch) if limit is None else limit - done.filled
            some, batch = batch[:room], batch[room:]
            filled = _fill_in(some, *peers)
            done.filled, done.left = done.filled + filled, done.left + len(some) - filled
            progress(len(some))
        if done.filled == limit:
            break
    return done


def _fill_in(some: Sequence[Document], asked_products: _Asked, asked_users: _Asked) -> int:
    called = asked_products.about(product_id for order in some for product_id in _nameless(order))
    known = asked_users.about(order["user_id"] for order in some if _lacks_contact(order))
    filled = [
        order["_id"]
        for order in some
        if unnamed_orders.fill_in(
            order,
            products={product_id: called[product_id] for product_id in _nameless(order) if product_id in called},
            contact=known.get(order["user_id"], {}) if _lacks_contact(order) else {},
            currency=settings.CURRENCY,
        )
    ]
    index_these(filled)  # by these names they are found, too
    return len(filled)


def _nameless(order: Document) -> list[str]:
    return [item["product_id"] for item in order["items"] if not item.get("name")]


def _lacks_contact(order: Document) -> bool:
    contact = order.get("contact") or {}
    return not (contact.get("name") and contact.get("email"))
