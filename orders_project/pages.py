"""Django's middleware for pages, kept off the API: its callers bring a token with each request, and no session."""

from typing import Any

from django.conf import settings
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest
from django.middleware.csrf import CsrfViewMiddleware
from django.utils.deprecation import MiddlewareMixin


class PagesOnly(MiddlewareMixin):
    """Steps aside for what is under API_PREFIX. A view there that reads a session fails, in any test of it."""

    def __call__(self, request: HttpRequest) -> Any:
        if request.path_info.startswith(f"{settings.API_PREFIX}/"):
            return self.get_response(request)
        return super().__call__(request)


class Sessions(PagesOnly, SessionMiddleware):
    pass


class Csrf(PagesOnly, CsrfViewMiddleware):
    """Its check of each view stays on in the API, whose views are exempt one by one."""


class Logins(PagesOnly, AuthenticationMiddleware):
    pass


class Messages(PagesOnly, MessageMiddleware):
    pass
