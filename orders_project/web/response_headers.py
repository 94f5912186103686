"""What browsers are told about our answers, besides what Django tells them: security policies and CORS."""

from collections.abc import Callable

from corsheaders.middleware import CorsMiddleware
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers

HEADER = "Content-Security-Policy"

NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""For everything but pages: JSON, CSV, files. If a browser ever displays one, it loads and runs nothing."""

_PAGE = (
    "default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; connect-src 'self'; "
    "font-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'"
)
"""Inline styles: unfold and the two API documentation pages write theirs into the page."""

BACKOFFICE = f"{_PAGE}; script-src 'self' 'unsafe-eval'"
"""No inline scripts, only our files. Alpine, which unfold uses, compiles its attributes with eval."""

SWAGGER = f"{_PAGE}; script-src 'self'"
REDOC = f"{_PAGE}; script-src 'self'; worker-src blob:"
"""ReDoc's search runs in a worker that it creates from a blob."""

PROBLEM = f"{NOTHING}; style-src 'self'"
"""The pages about the API's problem codes have a style sheet and nothing else."""

OF_PAGES = {"docs": SWAGGER, "redoc": REDOC, "problems": PROBLEM, "problem": PROBLEM}

PERMISSIONS = ", ".join(
    f"{feature}=()"
    for feature in (
        "accelerometer",
        "camera",
        "display-capture",
        "geolocation",
        "gyroscope",
        "microphone",
        "payment",
        "usb",
    )
)


class SecurityHeadersMiddleware:
    """Give each answer the strictest content security policy under which it works, and deny pages all devices."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Permissions-Policy", PERMISSIONS)
        if not (settings.DEBUG and response.status_code in (404, 500)):  # Django's debug pages have inline scripts
            response.headers.setdefault(HEADER, policy_of(request))
        return response


def policy_of(request: HttpRequest) -> str:
    """The policy for what a request asks for; for unknown addresses, the strictest."""
    match = request.resolver_match
    if match is None:
        return NOTHING
    if match.app_name == "admin":
        return BACKOFFICE
    return OF_PAGES.get(match.url_name or "", NOTHING)


class CrossOriginMiddleware(CorsMiddleware):
    """django-cors-headers, skipped where there is no Origin (docs/adr/0008-what-an-api-request-skips.md)."""

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if "HTTP_ORIGIN" in request.META:
            return super().__call__(request)  # type: ignore[return-value]
        response: HttpResponse = self.get_response(request)  # type: ignore[assignment]
        patch_vary_headers(response, ("origin",))
        return response
