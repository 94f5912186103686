"""Logins and their groups, as Django has them, in the look of the backoffice."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.forms import ModelForm
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from orders.services.texts import line_problem

admin.site.unregister(User)
admin.site.unregister(Group)


class PlainNames(ModelForm):
    """Names are of one line, and read as they are written."""

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        for name in {"first_name", "last_name", "name"} & cleaned.keys():
            if problem := line_problem(cleaned[name]):
                self.add_error(name, problem)
        return cleaned


class LoginForm(PlainNames, UserChangeForm):
    pass


class NewLoginForm(PlainNames, UserCreationForm):
    pass


class RoleForm(PlainNames):
    pass


@admin.register(User)
class LoginAdmin(UserAdmin, ModelAdmin):
    form = LoginForm
    add_form = NewLoginForm
    change_password_form = AdminPasswordChangeForm


@admin.register(Group)
class RoleAdmin(GroupAdmin, ModelAdmin):
    form = RoleForm
