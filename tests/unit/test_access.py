"""Who may see and do what."""

from collections.abc import Callable

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


# --- services ---


def service(*scopes: str) -> Actor:
    return access.service("payments", access.permissions_of(scopes))


@pytest.mark.parametrize("scope", access.scopes())
def test_a_scope_permits_one_thing_and_nothing_else(scope: str) -> None:
    actor = service(scope)
    assert actor.permissions == {access.scopes()[scope]}
    assert actor.sees_all == actor.sees("17") == (scope == "read_orders")
    assert actor.follows_all == (scope == "read_events")
    assert [name for name in transition_names() if actor.may(name, "17")] == [
        name for name in transition_names() if scope == f"{name}_order"
    ]
    assert not any(actor.may_bulk(name) for name in transition_names()), "that takes read_orders as well"
    changes = scope.endswith("_order")
    assert actor.finds("17") == (changes or scope == "read_orders"), "what it changes, it need not read"
    for other in access.scopes():
        if other == scope:
            actor.require_one_of([other])
            continue
        with pytest.raises(NotPermitted, match=f"needs the scope {other}") as refused:
            actor.require_one_of([other])
        assert refused.value.members == {"scopes": [other]}


def test_a_service_named_like_a_customer_is_not_that_customer() -> None:
    nobody = access.service("17", frozenset())
    assert not nobody.sees("17")
    assert not nobody.finds("17")
    assert not nobody.may("cancel", "17")
    with pytest.raises(NotPermitted):
        nobody.require_placing_for("17")
    with pytest.raises(NotPermitted):
        nobody.require_following()


def test_only_services_are_asked_for_scopes() -> None:
    for actor in (CUSTOMER, ADMIN, SYSTEM, staff()):
        actor.require_one_of(["pay_order"])


@pytest.mark.parametrize(
    ("ask", "needed"),
    [
        (lambda actor: actor.require_transition("pay", "17"), ["pay_order"]),
        (lambda actor: actor.require_bulk("pay"), ["read_orders"]),
        (lambda actor: actor.require_seeing_runs(), ["read_orders"]),
        (lambda actor: actor.require(access.HOLD), ["hold_order"]),
        (lambda actor: actor.require(access.MANAGE_WEBHOOKS), ["manage_webhooks"]),
        (lambda actor: actor.require_placing_for("17"), ["place_orders"]),
        (lambda actor: actor.require_reading_of("17"), ["read_orders"]),
        (lambda actor: actor.require_searching(), ["read_orders"]),
        (lambda actor: actor.require_following(), ["read_events"]),
        (lambda actor: actor.require_one_of(["pay_order", "ship_order"]), ["pay_order", "ship_order"]),
    ],
)
def test_a_service_is_told_which_scope_it_lacks(ask: Callable[[Actor], None], needed: list[str]) -> None:
    with pytest.raises(NotPermitted) as refused:
        ask(service())
    assert refused.value.members == {"scopes": needed}
    assert ", ".join(needed) in refused.value.detail
    ask(service(*access.scopes()))


def test_a_service_that_sees_all_orders_is_told_which_transition_it_lacks() -> None:
    with pytest.raises(NotPermitted, match="the scope pay_order"):
        service("read_orders").require_bulk("pay")


def test_no_scope_permits_what_the_api_does_not_offer() -> None:
    actor = service(*access.scopes())
    assert not actor.permissions & {access.ERASE, access.RESOLVE, access.EXPORT, access.MANAGE_TOKENS}
    for permission in (access.ERASE, access.MANAGE_TOKENS):
        with pytest.raises(NotPermitted) as refused:
            actor.require(permission)
        assert refused.value.members == {}
    with pytest.raises(NotPermitted):
        actor.require_process("import orders")


def test_every_scope_is_told_in_words() -> None:
    assert list(access.SCOPE_WORDS) == list(access.scopes())


def test_scopes_are_read_with_and_without_their_namespace() -> None:
    typed = ["orders.ship_order", "pay_order", " orders.pay_order ", "read_orders"]
    assert access.scopes_typed(typed) == ["read_orders", "pay_order", "ship_order"]
    for unknown in ("pay", "orders.erase_customer", "", "PAY_ORDER", "orders.orders.pay_order"):
        with pytest.raises(access.UnknownScope) as refused:
            access.scopes_typed(["pay_order", unknown])
        assert all(scope in refused.value.detail for scope in access.scopes())


@pytest.mark.parametrize(
    ("claim", "scopes"),
    [
        ("orders.pay_order", ["pay_order"]),
        ("openid orders.pay_order orders.read_orders", ["pay_order", "read_orders"]),
        (["openid", "orders.pay_order"], ["pay_order"]),
        ("openid profile email", []),
        ("read_orders pay_order", []),
        ("orders. orders.pay orders.everything orders.manage_service_tokens orders.erase_customer", []),
        ("ORDERS.pay_order,orders.pay_order", []),
        ("orders.pay_order\torders.ship_order", []),
        ([["orders.pay_order"], 1, None, True], []),
        ({"orders.pay_order": True}, []),
        (True, []),
        (None, []),
        ("", []),
    ],
    ids=str,
)
def test_of_the_scopes_in_a_jwt_those_count_that_are_spelt_in_full(claim: object, scopes: list[str]) -> None:
    assert access.permissions_in(claim) == access.permissions_of(scopes)
