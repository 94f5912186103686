"""mozilla-django-oidc's client, with every decision about trust made by ours.

Its views make state, nonce and PKCE verifier, keep them in the session, take each state once, and exchange the code.
What it would decide by itself is replaced: see docs/adr/0011-staff-sign-on.md. Imported only where OIDC_ISSUER is set.
"""

from typing import Any
from urllib.parse import quote, unquote

import requests
from django.conf import settings
from django.contrib import auth
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from mozilla_django_oidc.auth import OIDCAuthenticationBackend
from mozilla_django_oidc.views import OIDCAuthenticationCallbackView, OIDCAuthenticationRequestView

from orders_project.sign_on import ID_TOKEN, accounts, expired, no_access, unavailable, unverified
from orders_project.sign_on.provider import TIMEOUT, provider, verified

NEXT = "oidc_login_next"
"""Where to go after the log-in: the library's place for it in the session."""


def option(name: str, *default: Any) -> Any:
    """A setting of the library."""
    fixed = {
        "OIDC_RP_CLIENT_ID": settings.OIDC_CLIENT_ID,
        "OIDC_RP_CLIENT_SECRET": settings.OIDC_CLIENT_SECRET,
        "OIDC_RP_SCOPES": settings.OIDC_SCOPES,
        "OIDC_USE_NONCE": True,
        "OIDC_USE_PKCE": True,
        "OIDC_TIMEOUT": TIMEOUT,
        "OIDC_AUTHENTICATION_CALLBACK_URL": "admin:sign_on_callback",
    }
    announced = {"OIDC_OP_AUTHORIZATION_ENDPOINT": "authorization", "OIDC_TOKEN_USE_BASIC_AUTH": "takes_basic"}
    if name in announced:
        return getattr(provider(), announced[name])
    return fixed[name] if name in fixed else default[0]


class SignOnBackend(OIDCAuthenticationBackend):
    """Logs in whom the provider vouches for."""

    get_settings = staticmethod(option)
    get_user = ModelBackend.get_user
    """The library's would keep those logged in whose account was disabled."""

    def __init__(self) -> None:
        """Django makes one for each check of a permission: nothing is asked here."""

    def authenticate(self, request: HttpRequest, *, nonce: str, code_verifier: str) -> User | None:
        """Take the code that came with the callback. Nothing but the callback can call it: it alone knows the nonce."""
        known = provider()
        self.OIDC_OP_TOKEN_ENDPOINT, self.OIDC_OP_USER_ENDPOINT = known.token, known.userinfo
        self.OIDC_RP_CLIENT_ID, self.OIDC_RP_CLIENT_SECRET = settings.OIDC_CLIENT_ID, settings.OIDC_CLIENT_SECRET
        found: User | None = super().authenticate(request, nonce=nonce, code_verifier=code_verifier)
        return found

    def get_token(self, payload: dict[str, Any]) -> dict[str, Any]:
        if provider().takes_basic:
            payload["client_secret"] = quote(payload["client_secret"], safe="")  # RFC 6749, section 2.3.1
        answer = super().get_token(payload)
        if not isinstance(answer, dict):
            raise unverified("no tokens came for the code")
        return answer

    def verify_token(self, token: object, **kwargs: Any) -> dict[str, Any]:
        """The library also passes on user info that is a JWT, without the nonce that no such has."""
        if "nonce" not in kwargs:
            raise unverified("the user info is a JWT, which is not supported: have it answered as JSON")
        return verified(token, nonce=kwargs["nonce"])

    def get_userinfo(self, access_token: str, id_token: str, payload: dict[str, Any]) -> dict[str, Any]:
        """The signed claims, and what else the provider says of the same person."""
        if not self.OIDC_OP_USER_ENDPOINT:
            return payload
        more = super().get_userinfo(access_token, id_token, payload)
        if not isinstance(more, dict) or more.get("sub") != payload["sub"]:
            raise unverified("the user info is of somebody else")
        return more | payload

    def get_or_create_user(self, access_token: str, id_token: str, payload: dict[str, Any]) -> User:
        return accounts.account_for(self.get_userinfo(access_token, id_token, payload))

    def store_tokens(self, access_token: str, id_token: str) -> None:
        self.request.id_token = id_token


class SignOn(OIDCAuthenticationRequestView):
    """Send somebody to the provider."""

    get_settings = staticmethod(option)

    def get(self, request: HttpRequest) -> HttpResponse:
        answer: HttpResponse = super().get(request)
        request.session[NEXT] = within_backoffice(request)
        return answer

    def get_extra_params(self, request: HttpRequest) -> dict[str, str]:
        """`again` has the provider ask who they are, though it knows somebody."""
        return {"prompt": "login"} if "again" in request.GET else {}


class Callback(OIDCAuthenticationCallbackView):
    """Log in whom the provider sends back."""

    get_settings = staticmethod(option)

    def get(self, request: HttpRequest) -> HttpResponse:
        """The library would log out whoever is logged in here as soon as an `error` comes, wherever that is from.

        :raises SignOnRefused: nobody is logged in; whoever was logged in before still is.
        """
        if said := request.GET.get("error"):
            raise no_access(_("The sign-on service did not let you in."), why=f"the provider said {said[:100]!r}")
        if not request.GET.get("code"):  # else the failure would count as one of a password
            raise expired()
        try:
            answer: HttpResponse = super().get(request)
        except requests.HTTPError as error:
            failed = unavailable if error.response.status_code >= 500 else unverified
            raise failed(str(error)[:300]) from error
        except requests.RequestException as error:
            raise unavailable(error) from error
        return answer

    def login_success(self) -> HttpResponse:
        goes_on = self.request.session.get(NEXT) or reverse("admin:index")
        auth.login(self.request, self.user)  # which changes the session's id
        self.request.session[ID_TOKEN] = self.request.id_token
        self.request.session.pop(NEXT, None)
        return HttpResponseRedirect(goes_on)

    def login_failure(self) -> HttpResponse:
        raise expired()


def within_backoffice(request: HttpRequest) -> str | None:
    """Where to go after the log-in: a page of the backoffice, or None."""
    given = request.GET.get("next", "")
    return given if given.startswith(reverse("admin:index")) and ".." not in unquote(given) else None
