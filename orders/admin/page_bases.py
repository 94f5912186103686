"""What pages of the backoffice share: who may see them, how they answer, and how they say what came of a change.

Nothing is saved by a form of Django's: what changes goes through the services.
"""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.decorators import method_decorator
from django.utils.functional import Promise
from django.views.decorators.http import require_http_methods, require_safe
from unfold.admin import ModelAdmin

from orders.admin.staff_actions import actor_of, status_of, why_not
from orders.services.access import Actor
from orders.services.errors import OrderError

only_read = method_decorator(require_safe)
"""Refuse all but GET and HEAD."""
read_or_posted = method_decorator(require_http_methods(["GET", "HEAD", "POST"]))
"""Refuse all but the two ways to ask for a page with a form that posts to its own address."""


class OwnPages(ModelAdmin):
    """Pages of our own about a model."""

    def require_view(self, request: HttpRequest) -> None:
        """:raises PermissionDenied: for whoever may not see these pages."""
        if not self.has_view_permission(request):
            raise PermissionDenied

    def answer(self, request: HttpRequest, name: str, context: dict[str, Any], status: int = 200) -> HttpResponse:
        """The page made by the template of this name, among those of the model."""
        context = {**self.admin_site.each_context(request), **context}
        return TemplateResponse(request, f"admin/orders/{self.opts.model_name}/{name}.html", context, status=status)

    def carry_out(
        self, request: HttpRequest, change: Callable[[], str], look: str = ""
    ) -> OrderError | DatabaseError | None:
        """Make a change, and say what it did, or why nothing was done.

        :param change: returns what it did, in words.
        :param look: see :func:`why_not`.
        :returns: why it failed, if it did.
        """
        try:
            self.message_user(request, change(), messages.SUCCESS)
        except (OrderError, DatabaseError) as error:
            self.message_user(request, why_not(error, look), messages.ERROR)
            return error
        return None


class ReadOnly(OwnPages):
    """Something that is looked at, and neither added, edited nor deleted here."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class Managed(ReadOnly):
    """Pages about a model, for those who have its one permission.

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
        self.require_view(request)
        return actor_of(request)

    def refused(
        self, request: HttpRequest, error: OrderError | DatabaseError
    ) -> tuple[dict[str, list[str]], HTTPStatus]:
        """Say why; :returns: what is wrong by field, and the status."""
        self.message_user(request, why_not(error, str(self.look)), messages.ERROR)
        errors = error.members.get("errors", {}) if isinstance(error, OrderError) else {}
        return errors, status_of(error)

    def answer(self, request: HttpRequest, name: str, context: dict[str, Any], status: int = 200) -> HttpResponse:
        return super().answer(request, name, {"opts": self.opts, **context}, status)
