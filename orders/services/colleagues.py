"""Colleagues: the people who can be given orders in the backoffice."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from bson import ObjectId
from django.contrib.auth.models import User
from django.db.models import QuerySet

from orders.services.access import VIEW

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

BACKEND = "django.contrib.auth.backends.ModelBackend"


@dataclass(frozen=True)
class Colleague:
    """Somebody on the staff. :ivar id: of their login, as text; :ivar name: their own, or else their login's."""

    id: str
    name: str

    @classmethod
    def of(cls, user: "User | AbstractBaseUser | AnonymousUser") -> Self:
        assert isinstance(user, User)  # noqa: S101 - whoever is in the backoffice has a login
        return cls(str(user.pk), user.get_full_name() or user.get_username())


def colleagues() -> list[Colleague]:
    """Everybody who can be given an order: active staff who may see orders, by name."""
    return sorted(map(Colleague.of, _who_see_orders()), key=lambda colleague: colleague.name.casefold())


def colleague(user_id: str) -> Colleague | None:
    """The colleague with this login, if they can be given an order."""
    found = _who_see_orders().filter(pk=ObjectId(user_id)).first() if ObjectId.is_valid(user_id) else None
    return Colleague.of(found) if found else None


def everybody_on_the_staff() -> list[tuple[Colleague, bool]]:
    """All logins of the backoffice, by name, and whether each is active: those who have left may still have orders."""
    found = [(Colleague.of(user), user.is_active) for user in User.objects.filter(is_staff=True)]
    return sorted(found, key=lambda one: one[0].name.casefold())


def _who_see_orders() -> QuerySet[User]:
    return User.objects.with_perm(VIEW, backend=BACKEND).filter(is_staff=True)
