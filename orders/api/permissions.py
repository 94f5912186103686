"""Who gets in at all."""

from typing import TYPE_CHECKING

from rest_framework.permissions import BasePermission

from orders.services.access import Actor

if TYPE_CHECKING:
    from rest_framework.request import Request
    from rest_framework.views import APIView


class Authenticated(BasePermission):
    """Somebody must be known; what he may see and do is decided in `orders.services.access`."""

    def has_permission(self, request: "Request", view: "APIView") -> bool:
        return isinstance(request.user, Actor)
