"""integrations.contract passes with the built-in backends and the sandbox, and with the example and its peers."""

import pytest
from pytest_django import Settings

from integrations.contract.known import Known
from integrations.contract.test_inventory import *  # noqa: F403 - the contract's tests become tests of this module
from integrations.contract.test_products import *  # noqa: F403
from integrations.contract.test_users import *  # noqa: F403
from tests.integration.builders import PRICES, A
from tests.other_shop import KNOWN, other_fixture, shop_fixture  # noqa: F401


@pytest.fixture(params=["published", "searchable", "other"], autouse=True)
def known(request: pytest.FixtureRequest, settings: Settings) -> Known:
    if request.param == "searchable":
        settings.PRODUCT_BACKEND = "integrations.sandbox.searchable.Products"
    if request.param == "other":
        request.getfixturevalue("other")
        return KNOWN
    request.getfixturevalue("sandbox")
    return Known(user_id="1", product_id=A, price=PRICES[A], writes=True)
