"""The page on which staff change their own password."""

from functools import partial
from typing import Any

from django.contrib.admin import AdminSite
from django.contrib.auth.views import PasswordChangeView
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse
from django.views.decorators.debug import sensitive_variables
from unfold.forms import AdminOwnPasswordChangeForm

from orders_project.log_ins import reauthenticated
from orders_project.staff import sign_ins
from orders_project.staff.names_and_passwords import write_password


class OwnPasswordForm(AdminOwnPasswordChangeForm):
    """A wrong old password counts as a failed log-in, so that a hijacked session cannot be used to guess it."""

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.request = request

    @sensitive_variables("given")
    def clean_old_password(self) -> str:
        given = str(self.cleaned_data["old_password"])
        found = reauthenticated(self.user, given, self.request)
        if found is None:
            raise ValidationError(self.error_messages["password_incorrect"], code="password_incorrect")
        self.former = found.password
        return given

    def save(self, commit: bool = True) -> Any:
        """Django ends the other sessions; they are told of as ended, too.

        :raises PermissionDenied: they were kept out, or their password was changed, meanwhile.
        """
        saved = super().save(commit=False)
        write_password(self.user, self.former, is_active=True, is_staff=True)
        sign_ins.end_all(self.user, by=self.user, but=sign_ins.current(self.request))
        return saved


def page(request: HttpRequest, site: AdminSite, extra_context: dict[str, Any]) -> HttpResponseBase:
    """As Django's `AdminSite.password_change`, which takes no form of ours."""
    request.current_app = site.name
    view = PasswordChangeView.as_view(
        form_class=partial(OwnPasswordForm, request),
        success_url=reverse(f"{site.name}:password_change_done", current_app=site.name),
        extra_context={**site.each_context(request), **extra_context},
    )
    return view(request)
