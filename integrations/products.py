"""The product service: what a product is called, and its current price. Asked as PRODUCT_BACKEND says."""

from collections.abc import Callable, Collection, Sequence
from functools import partial
from types import NoneType
from typing import cast

from integrations import peer_requests
from integrations.backend_calls import kind_of, look_up
from integrations.backend_loading import offers_many, offers_search, product_backend
from integrations.backends import BulkProductBackend, Product, SearchableProductBackend
from integrations.peer_requests import Deadline, Unexpected

__all__ = ["PEER", "Product", "can_search", "fetch", "look_ups", "search"]

PEER = peer_requests.Peer("products", "PRODUCT_SERVICE_URL")

Found = dict[str, Product | None]
"""By the ids that were asked for; None: there is no such product."""


def fetch(product_id: str, *, deadline: Deadline, retries: bool = True) -> Product | None:
    """Return the product, or None if the peer has none with that id.

    :raises PeerUnavailable: if the peer does not say, or gives no valid price.
    """
    if peer_requests.path_segment(product_id) is None:
        return None
    question = partial(product_backend().fetch, product_id)

    def is_it(found: object) -> None:
        kind_of(Product, NoneType)(found)
        if isinstance(found, Product) and found.product_id.lower() != product_id.lower():
            raise Unexpected("answered with another product than was asked for")

    return look_up(PEER, "product", question, is_it, deadline=deadline, retries=retries)


def look_ups(product_ids: Sequence[str], *, deadline: Deadline) -> list[Callable[[], Found]]:
    """Return the calls that it takes to know these products, to be made side by side; each id is in one of them.

    That is one for each product, or, where the peer can be asked for many at once, as few as it lets be.

    :raises PeerUnavailable: (a call) if the peer does not say.
    """
    backend = product_backend()
    if not offers_many(backend):
        return [partial(_one, product_id, deadline) for product_id in product_ids]
    most = cast(BulkProductBackend, backend).most_at_once
    parts = (product_ids[start : start + most] for start in range(0, len(product_ids), most))
    return [partial(_many, part, deadline) for part in parts]


def can_search() -> bool:
    """Tell whether products can be found by what somebody typed."""
    return offers_search(product_backend())


def search(text: str, limit: int, *, deadline: Deadline) -> list[Product]:
    """Return the products that the peer finds by a text, the best first; asked once, since somebody is typing.

    :raises PeerUnavailable: if the peer does not say.
    """
    question = partial(cast(SearchableProductBackend, product_backend()).search, text, limit)
    found = look_up(PEER, "product_search", question, _are_listed, deadline=deadline, retries=False)
    return list(found[:limit])


def _are_listed(found: object) -> None:
    kind_of(list, tuple)(found)
    for one in cast("Sequence[Product]", found):
        kind_of(Product)(one)


def _one(product_id: str, deadline: Deadline) -> Found:
    return {product_id: fetch(product_id, deadline=deadline)}


def _many(product_ids: Sequence[str], deadline: Deadline) -> Found:
    askable = [one for one in product_ids if peer_requests.path_segment(one) is not None]
    products: Collection[Product] = ()
    if askable:
        question = partial(cast(BulkProductBackend, product_backend()).fetch_many, askable)
        products = look_up(PEER, "products", question, _are_products, deadline=deadline)
    return _by_id(product_ids, products)


def _are_products(found: object) -> None:
    kind_of(Collection)(found)
    answered = cast("Collection[Product]", found)
    for one in answered:
        kind_of(Product)(one)
    if len({one.product_id for one in answered}) < len(set(answered)):
        raise Unexpected("answered with one product twice, and differently")


def _by_id(product_ids: Sequence[str], products: Collection[Product]) -> Found:
    """Find each product by its id, or by the same in other capitals if nobody asked for that one."""
    exactly = {product.product_id: product for product in products}
    otherwise = {name.lower(): product for name, product in exactly.items() if name not in set(product_ids)}
    return {one: exactly.get(one) or otherwise.get(one.lower()) for one in product_ids}
