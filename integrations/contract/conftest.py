import pytest

from integrations.contract.known import Known, from_environment


@pytest.fixture(scope="session")
def known() -> Known:
    return from_environment()
