"""What a peer is known to have, as the environment says it."""

import os
from dataclasses import dataclass
from decimal import Decimal

import pytest


@dataclass(frozen=True, kw_only=True)
class Known:
    """What the tests ask about.

    :ivar price: of the product, if it is to be compared.
    :ivar writes: whether stock of the product may be changed; nobody else may change it meanwhile.
    """

    user_id: str = ""
    unknown_user_id: str = "2147483646"
    product_id: str = ""
    unknown_product_id: str = "f" * 24
    price: Decimal | None = None
    writes: bool = False

    def require_product(self) -> str:
        assert self.product_id, "CONTRACT_PRODUCT_ID must name a product"
        return self.product_id

    def require_writes(self) -> None:
        if not self.writes:
            pytest.skip("CONTRACT_WRITES=1 lets stock of the product be changed, and given back")


def from_environment() -> Known:
    """Read `CONTRACT_USER_ID`, `CONTRACT_PRODUCT_ID`, …, by the names above."""
    given = {name: os.environ.get(f"CONTRACT_{name.upper()}", "") for name in Known.__dataclass_fields__}
    price, writes = given.pop("price"), given.pop("writes")
    texts = {name: text for name, text in given.items() if text}
    return Known(**texts, price=Decimal(price) if price else None, writes=writes not in ("", "0"))
