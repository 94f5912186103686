"""A product backend for the sandbox, which can be searched, as the published product service cannot."""

from collections.abc import Sequence

from integrations import published
from integrations.backends import Answer, HttpCall, LookUp, Product, Unexpected


class Products(published.Products):
    """`GET /products?search=mug&limit=10` answers `{"products": [...]}`, each as a look-up by its id answers it."""

    def search(self, text: str, limit: int) -> LookUp[Sequence[Product]]:
        return HttpCall("GET", "/products", _products, params={"search": text, "limit": str(limit)})


def _products(answer: Answer) -> list[Product]:
    found = answer.json_object().get("products")
    if not isinstance(found, list):
        raise Unexpected("answered something unexpected: no list in `products`")
    return [published.product_in(one["_id"], one) for one in found]
