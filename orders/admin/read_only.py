"""Pages of which nothing is saved by a form of Django's: what changes goes through the services."""

from http import HTTPStatus
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.functional import Promise
from unfold.admin import ModelAdmin

from orders.admin.staff_actions import actor_of, status_of, why_not
from orders.services.access import Actor
from orders.services.errors import OrderError


class ReadOnly(ModelAdmin):
    """Something that is looked at, and neither added, edited nor deleted here."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class Managed(ReadOnly):
    """Pages of our own about a model, for those who have its one permission.

    :cvar permission: that permission.
    :cvar look: where to look whether something was done that may have been, as an order for staff.
    """

    permission: str
    look: "str | Promise"

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return actor_of(request).has(self.permission)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def manager(self, request: HttpRequest) -> Actor:
        """:raises PermissionDenied: for whoever does not have the permission."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return actor_of(request)

    def refused(
        self, request: HttpRequest, error: OrderError | DatabaseError
    ) -> tuple[dict[str, list[str]], HTTPStatus]:
        """Say why; :returns: what is wrong by field, and the status."""
        self.message_user(request, why_not(error, self.look), messages.ERROR)
        if isinstance(error, OrderError):
            return error.members.get("errors", {}), status_of(error)
        return {}, HTTPStatus.SERVICE_UNAVAILABLE

    def answer(
        self, request: HttpRequest, name: str, context: dict[str, Any], status: HTTPStatus = HTTPStatus.OK
    ) -> HttpResponse:
        """The page made by the template of this name, among those of the model."""
        context = {**self.admin_site.each_context(request), "opts": self.opts, **context}
        return TemplateResponse(request, f"admin/orders/{self.opts.model_name}/{name}.html", context, status=status)
