"""Who may see and do what."""

import pytest

from orders.models import permission_of, transition_names
from orders.services import access
from orders.services.access import VIEW, Actor, Kind, NotPermitted

CUSTOMER = access.customer("17", request_id="r-1")
ADMIN = access.admin("boss")
SYSTEM = access.system("settle_stock", via="worker")


class Login:
    """As much of a Django user as an actor is made of."""

    def __init__(self, *permissions: str) -> None:
        self.permissions = set(permissions)

    def get_username(self) -> str:
        return "maria"

    def get_all_permissions(self) -> set[str]:
        return self.permissions


def staff(*permissions: str) -> Actor:
    return access.staff(Login(*permissions))  # type: ignore[arg-type]


def test_a_customer_sees_and_cancels_his_own_orders_and_nothing_else() -> None:
    assert CUSTOMER.sees("17")
    assert not CUSTOMER.sees("18")
    assert not CUSTOMER.sees_all
    assert [name for name in transition_names() if CUSTOMER.may(name, "17")] == ["cancel"]
    assert [name for name in transition_names() if CUSTOMER.may(name, "18")] == []


@pytest.mark.parametrize("actor", [ADMIN, SYSTEM], ids=["admin", "process"])
def test_admins_and_processes_see_and_do_everything(actor: Actor) -> None:
    assert actor.sees("17")
    assert all(actor.may(name, "17") for name in transition_names())


@pytest.mark.parametrize("name", transition_names())
def test_staff_may_do_what_their_groups_permit_and_no_more(name: str) -> None:
    actor = staff(VIEW, permission_of(name))
    assert actor.sees("17")
    assert [other for other in transition_names() if actor.may(other, "17")] == [name]


def test_staff_without_permissions_see_nothing() -> None:
    assert not staff().sees("17")
    assert not staff().may("cancel", "maria"), "a staff login is no customer, whatever it is called"


def test_an_admin_named_like_a_customer_is_not_that_customer() -> None:
    nobody = Actor(Kind.ADMIN, "17", "api")
    assert not nobody.sees("17")
    assert not nobody.may("cancel", "17")


@pytest.mark.parametrize("name", ["pay", "start_processing", "ship", "deliver", "refund"])
def test_what_is_not_permitted_is_refused_by_name(name: str) -> None:
    with pytest.raises(NotPermitted, match=name.replace("_", " ")):
        CUSTOMER.require_transition(name, "17")
    ADMIN.require_transition(name, "17")


def test_orders_are_placed_for_oneself_or_by_an_admin() -> None:
    CUSTOMER.require_placing_for("17")
    ADMIN.require_placing_for("17")
    for actor in (access.customer("18"), staff(VIEW), SYSTEM, Actor(Kind.ADMIN, "boss", "api")):
        with pytest.raises(NotPermitted):
            actor.require_placing_for("17")


def test_another_users_orders_are_not_listed() -> None:
    CUSTOMER.require_reading_of("17")
    ADMIN.require_reading_of("17")
    with pytest.raises(NotPermitted):
        CUSTOMER.require_reading_of("18")


def test_the_history_names_actors_by_kind_and_id() -> None:
    assert [actor.label for actor in (CUSTOMER, ADMIN, SYSTEM, staff())] == [
        "customer:17", "admin:boss", "system:settle_stock", "staff:maria",
    ]  # fmt: skip
    assert (CUSTOMER.via, SYSTEM.via, staff().via, CUSTOMER.request_id) == ("api", "worker", "admin", "r-1")
