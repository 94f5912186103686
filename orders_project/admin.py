"""Logins and their groups, as Django has them, in the look of the backoffice."""

import re
from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from orders.services.texts import one_line, problem_of

SEARCHABLE = re.compile(r"[\w.@+ -]{0,150}\Z")

admin.site.unregister(User)
admin.site.unregister(Group)


class PlainNames(ModelForm):
    """Names are of one line, and read as they are written."""

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        for name in {"first_name", "last_name", "name"} & cleaned.keys():
            cleaned[name] = one_line(cleaned[name])
            if problem := problem_of(cleaned[name]):
                self.add_error(name, problem)
        return cleaned


class LoginForm(PlainNames, UserChangeForm):
    pass


class NewLoginForm(PlainNames, UserCreationForm):
    def clean_username(self) -> str:
        """Nobody may have a name like it in other letters. The backend takes `iexact` for a pattern unescaped."""
        username = str(self.cleaned_data["username"])
        if User.objects.filter(username__iregex=rf"^{re.escape(username)}$").exists():
            raise ValidationError("A user with that username already exists.")
        return username


class RoleForm(PlainNames):
    pass


class PlainSearch(ModelAdmin):
    """A list that is searched for plain text, and filtered by its own filters alone.

    The backend takes what is searched for as a regular expression; a broken one would be an error of the database.
    """

    filters: frozenset[str] = frozenset()

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        return lookup in self.filters

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        if not SEARCHABLE.match(search_term):
            self.message_user(request, "Search for letters, digits and . @ + - _ only.", messages.WARNING)
            return queryset.none(), False
        found: tuple[QuerySet[Any], bool] = super().get_search_results(request, queryset, search_term.replace("+", "."))
        return found


@admin.register(User)
class LoginAdmin(PlainSearch, UserAdmin, ModelAdmin):
    filters = frozenset({"is_staff__exact", "is_superuser__exact", "is_active__exact", "groups__id__exact"})
    form = LoginForm
    add_form = NewLoginForm
    change_password_form = AdminPasswordChangeForm


@admin.register(Group)
class RoleAdmin(PlainSearch, GroupAdmin, ModelAdmin):
    form = RoleForm
