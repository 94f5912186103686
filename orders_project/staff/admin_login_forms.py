"""Forms of Django's admin pages for logins and roles: a login, a new one, somebody else's password, and a role."""

from typing import Any

from django.core.exceptions import ValidationError
from django.forms import ModelForm
from django.utils.translation import gettext as _
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from orders.services.text_rules import one_line, problem_of
from orders_project.staff.names_and_passwords import is_taken, write_password


class PlainNames(ModelForm):
    """User names are one line of readable text."""

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
        """User names are unique whatever their case."""
        username = str(self.cleaned_data["username"])
        if is_taken(username):
            raise ValidationError(_("A user with that username already exists."))
        return username


class OthersPasswordForm(AdminPasswordChangeForm):
    def save(self, commit: bool = True) -> Any:
        """:raises PermissionDenied: their password was changed meanwhile, or the account deleted."""
        former = self.user.password
        saved = super().save(commit=False)
        write_password(self.user, former)
        return saved


class RoleForm(PlainNames):
    pass
