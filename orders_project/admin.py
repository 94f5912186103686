"""Staff logins and roles: Django's admin pages for users and groups, in the backoffice's theme."""

import re
from http import HTTPStatus
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.core.exceptions import PermissionDenied
from django.db.models import ManyToManyField, QuerySet
from django.forms import ModelMultipleChoiceField
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from unfold.admin import ModelAdmin

from orders_project.staff import links, sign_ins
from orders_project.staff.admin_login_forms import LoginForm, NewLoginForm, OthersPasswordForm, RoleForm
from orders_project.staff.rights import may_do_as_much, permissions_of, permissions_of_group, signs_on

SEARCHABLE = re.compile(r"[\w.@+ -]{0,150}\Z")

admin.site.unregister(User)
admin.site.unregister(Group)


class PlainSearch(ModelAdmin):
    """A list that is searched for plain text, and filtered only by its own filters.

    The backend treats search terms as regular expressions, and a malformed one would be a database error.
    """

    filters: frozenset[str] = frozenset()

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        return lookup in self.filters

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        if not SEARCHABLE.match(search_term):
            self.message_user(request, _("Search for letters, digits and . @ + - _ only."), messages.WARNING)
            return queryset.none(), False
        found: tuple[QuerySet[Any], bool] = super().get_search_results(request, queryset, search_term.replace("+", "."))
        return found


class WithinOnesOwn(ModelAdmin):
    """Only superusers grant permissions that they lack, or change logins and roles that have more than they have.

    Otherwise setting the password of such a login, or activating it, would give them its permissions.
    """

    def permissions_of(self, obj: Any) -> set[Any]:
        """Ids of the permissions of the login, or of the members of the role, that is being changed."""
        raise NotImplementedError

    def is_within(self, request: HttpRequest, obj: Any) -> bool:
        login = _login_of(request)
        return login.is_superuser or self.permissions_of(obj) <= permissions_of(login)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and (obj is None or self.is_within(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and (obj is None or self.is_within(request, obj))

    def formfield_for_manytomany(
        self, db_field: "ManyToManyField[Any, Any]", request: HttpRequest, **kwargs: Any
    ) -> ModelMultipleChoiceField | None:
        """Offer, and accept, only permissions that the user has."""
        field = super().formfield_for_manytomany(db_field, request, **kwargs)
        login = _login_of(request)
        if field is not None and not login.is_superuser:
            own = permissions_of(login)
            if db_field.related_model is Group:
                own = {group.pk for group in Group.objects.all() if permissions_of_group(group) <= own}
            field.queryset = field.queryset.filter(pk__in=own)
        return field


def _login_of(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # noqa: S101 - the site lets nobody else in
    return request.user


@admin.register(User)
class LoginAdmin(PlainSearch, WithinOnesOwn, UserAdmin, ModelAdmin):
    filters = frozenset({"is_staff__exact", "is_superuser__exact", "is_active__exact", "groups__id__exact"})
    form = LoginForm
    add_form = NewLoginForm
    change_password_form = OthersPasswordForm

    def permissions_of(self, obj: User) -> set[Any]:
        return permissions_of(obj)

    def is_within(self, request: HttpRequest, obj: User) -> bool:
        return may_do_as_much(_login_of(request), obj)

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        """Only superusers create superusers. An account is switched off and on under *Colleagues* alone.

        Otherwise a page that was opened before an account was switched off would switch it on again.
        """
        own = tuple(super().get_readonly_fields(request, obj))
        if obj is not None:
            own = (*own, "is_active", "last_login")
        return own if _login_of(request).is_superuser else (*own, "is_superuser")

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        """Only superusers give a password to somebody who signs on: the provider may give them more rights later.

        :raises PermissionDenied:
        """
        user, login = self.get_object(request, unquote(id)), _login_of(request)
        if user is not None and signs_on(user) and not login.is_superuser:
            raise PermissionDenied
        answer: HttpResponse = super().user_change_password(request, id, form_url)
        if user is not None and answer.status_code == HTTPStatus.FOUND:
            sign_ins.end_all(user, by=login, but=sign_ins.current(request))
        return answer

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """Write what this page changes and nothing else: others may have changed the rest meanwhile."""
        if change:
            obj.save(update_fields={field.name for field in obj._meta.concrete_fields} & {*form.changed_data})
        else:
            super().save_model(request, obj, form, change)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Void the links and end the sessions of somebody who is kept out from now on, or whose rights are others."""
        super().save_related(request, form, formsets, change)
        if change and {"is_staff", "is_superuser", "groups", "user_permissions"} & {*form.changed_data}:
            links.void(form.instance)
            sign_ins.end_all(form.instance, by=_login_of(request), but=sign_ins.current(request))


@admin.register(Group)
class RoleAdmin(PlainSearch, WithinOnesOwn, GroupAdmin, ModelAdmin):  # type: ignore[misc]  # a stub's own argument
    form = RoleForm

    def permissions_of(self, obj: Group) -> set[Any]:
        return permissions_of_group(obj)
