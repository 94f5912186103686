"""A USER_BACKEND and its peer."""

import pytest

from integrations import Deadline, users
from integrations.backend_loading import user_backend
from integrations.contract.canned import require_no_answer
from integrations.contract.known import Known

PATIENCE = 30.0
STRANGE = ("no such id", "a/b?c=d#e", "..%2f..", "\N{LATIN SMALL LETTER U WITH DIAERESIS}", "x" * 128)
"""Ids that the API or an import lets pass, and that nobody has."""


def verify(user_id: str) -> users.User | None:
    return users.verify(user_id, deadline=Deadline.after(PATIENCE))


def test_a_user_who_may_order_is_found(known: Known) -> None:
    assert known.user_id, "CONTRACT_USER_ID must name a user who may order"
    assert isinstance(verify(known.user_id), users.User)


def test_a_user_who_does_not_exist_is_none(known: Known) -> None:
    assert verify(known.unknown_user_id) is None


@pytest.mark.parametrize("user_id", STRANGE)
def test_an_id_of_another_format_is_nobodys(user_id: str) -> None:
    assert verify(user_id) is None


def test_what_says_nothing_about_a_user_is_no_answer(known: Known) -> None:
    require_no_answer(user_backend().verify(known.user_id or known.unknown_user_id))
