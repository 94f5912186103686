"""What browsers are told about our pages, beside what Django tells them."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

HEADER = "Content-Security-Policy"

NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""For what is no page: JSON, CSV, files. Should a browser ever show such an answer, it loads and runs nothing."""

_PAGE = (
    "default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; connect-src 'self'; "
    "font-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'"
)
"""Styles: unfold writes its colours, and the two pages that show the API theirs, into the page."""

BACKOFFICE = f"{_PAGE}; script-src 'self' 'unsafe-eval'"
"""No script in a page ever runs, only our files. Alpine, on which unfold rests, compiles its attributes (eval)."""

SWAGGER = f"{_PAGE}; script-src 'self'"
REDOC = f"{_PAGE}; script-src 'self'; worker-src blob:"
"""ReDoc's search runs in a worker that it makes itself."""

PROBLEM = f"{NOTHING}; style-src 'self'"
"""The pages on the API's problems have a style sheet and nothing else."""

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
    """A content security policy for each answer, the tightest under which it works, and no devices for any page."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Permissions-Policy", PERMISSIONS)
        if not (settings.DEBUG and response.status_code in (404, 500)):  # a developer's error pages bring their scripts
            response.headers.setdefault(HEADER, policy_of(request))
        return response


def policy_of(request: HttpRequest) -> str:
    """The policy of what a request asks for; of addresses that are not known, the strictest."""
    match = request.resolver_match
    if match is None:
        return NOTHING
    if match.app_name == "admin":
        return BACKOFFICE
    return OF_PAGES.get(match.url_name or "", NOTHING)
