"""Who may do what to whom among staff: the one place that decides it."""

from enum import StrEnum
from typing import Any

from django.contrib.auth.models import Group, Permission, User

from orders_project.models import StaffIdentity

MANAGE = "orders_project.manage_staff"


class Deed(StrEnum):
    """What is done to a colleague."""

    ADD = "add"
    SEE = "see"
    CHANGE_ROLE = "role"
    SWITCH_OFF = "switch_off"
    SWITCH_ON = "switch_on"
    RESET_PASSWORD = "password"  # noqa: S105
    RESET_SECOND_FACTOR = "second_factor"
    END_SESSIONS = "end_sessions"


def may(deed: Deed, manager: User, colleague: User | None = None, role: Group | None = None) -> bool:
    """Whether the manager may do this to the colleague, and give them this role.

    Nobody manages themselves, or anybody who may do more than they may, or gives a role that may do more; otherwise a
    colleague's new password, or a role of one's own making, would be a way to rights that one lacks.

    :param colleague: None for one who is to be added.
    :param role: for the deeds that give one.
    """
    if not manager.has_perm(MANAGE):
        return False
    if colleague is not None and not _is_within_reach(deed, manager, colleague):
        return False
    return role is None or manager.is_superuser or permissions_of_group(role) <= permissions_of(manager)


def roles_to_give(manager: User) -> list[Group]:
    """By name."""
    return [role for role in Group.objects.order_by("name") if may(Deed.ADD, manager, role=role)]


def _is_within_reach(deed: Deed, manager: User, colleague: User) -> bool:
    if colleague.pk == manager.pk:
        return False
    if manager.is_superuser:
        return True
    if deed is Deed.RESET_PASSWORD and signs_on(colleague):
        return False  # the provider may give them more rights later, which the password would open
    return may_do_as_much(manager, colleague)


def may_do_as_much(one: User, other: User) -> bool:
    """Whether somebody has all the rights of another, whether or not that account is switched on."""
    return one.is_superuser or (not other.is_superuser and permissions_of(other) <= permissions_of(one))


def signs_on(user: User) -> bool:
    """Whether an account is somebody's at the sign-on provider."""
    return StaffIdentity.objects.filter(user=user).exists()


def permissions_of(user: User) -> set[Any]:
    """Ids of somebody's permissions, those of their groups included, whether or not the account is active."""
    of_groups = Permission.objects.filter(group__in=user.groups.all())
    return {*user.user_permissions.values_list("pk", flat=True), *of_groups.values_list("pk", flat=True)}


def permissions_of_group(group: Group) -> set[Any]:
    return set(group.permissions.values_list("pk", flat=True))
