"""Queries and bodies are decoded as UTF-8, whatever charset a request names.

Django would take any codec of Python's, before the first middleware and outside of what turns errors into answers:
`Content-Type: text/plain; charset=hex` ends in a 500, `unicode_escape` smuggles in halves of characters. Here the
name is only noted; :class:`orders_project.strict.StrictMiddleware` refuses all but UTF-8.
"""

from typing import Any

from django.http import HttpRequest
from django.utils.http import parse_header_parameters


def install() -> None:
    """Have every request read its content type this way."""
    HttpRequest._set_content_type_params = _set_content_type_params  # type: ignore[attr-defined]


def _set_content_type_params(self: HttpRequest, meta: dict[str, Any]) -> None:
    try:
        self.content_type, self.content_params = parse_header_parameters(meta.get("CONTENT_TYPE", ""))
    except ValueError:  # a parameter of an encoding that there is not (RFC 2231)
        self.content_type, self.content_params = "", {"charset": "unknown"}
