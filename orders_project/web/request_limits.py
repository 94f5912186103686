"""What a request may be, and how long it may use the database: all else is refused before it reaches a view."""

import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, NoReturn

from django.conf import settings
from django.core.files.uploadhandler import FileUploadHandler
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from django.utils.http import parse_header_parameters
from django.utils.translation import gettext as _

from orders.api.problem_responses import refused
from orders.storage import time_limit

CHARSETS = {"utf-8", "utf8", "us-ascii", "ascii"}
UNCODED = {"", "identity"}
PAGE_METHODS = ["GET", "HEAD", "POST"]
READS = ("GET", "HEAD", "OPTIONS")


class DatabaseDeadlineMiddleware:
    """Bound the time that all of an API request's database operations take together.

    However many of them a lost node leaves unanswered, the request is answered in time and its thread is free for the
    next one. Reads get less time: they never have to record what a peer answered.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path.startswith(f"{settings.API_PREFIX}/"):
            return self.get_response(request)
        request.began = time.monotonic()  # type: ignore[attr-defined]
        with time_limit(settings.REQUEST_DEADLINE if request.method in READS else settings.DATABASE_DEADLINE):
            return self.get_response(request)


def read_all_as_utf8() -> None:
    """Have every request decoded as UTF-8, whatever charset its Content-Type names.

    Django would use any codec that Python has, before the first middleware and outside its error handling:
    `Content-Type: text/plain; charset=hex` ends in a 500, and `unicode_escape` smuggles in half characters. Here the
    name is only recorded; :class:`RequestLimitsMiddleware` refuses all but UTF-8.
    """
    HttpRequest._set_content_type_params = _set_content_type_params  # type: ignore[attr-defined]


def _set_content_type_params(self: HttpRequest, meta: dict[str, Any]) -> None:
    try:
        self.content_type, self.content_params = parse_header_parameters(meta.get("CONTENT_TYPE", ""))
    except ValueError:  # a parameter in an unknown encoding (RFC 2231)
        self.content_type, self.content_params = "", {"charset": "unknown"}


class UploadRefused(MultiPartParserError):
    """This service takes no files."""


class NoUploads(FileUploadHandler):
    """Refuse each file in a form as soon as it begins."""

    def new_file(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise UploadRefused(_("Files cannot be uploaded here."))

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        """Never called: no file gets this far."""

    def file_complete(self, file_size: int) -> None:
        """Never called: no file gets this far."""


class RequestLimitsMiddleware:
    """Refuse encodings other than plain UTF-8, bodies that are too large, cut off or without a length, and, in the
    backoffice, methods that no page supports."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = _refusal_of_head(request) or _refusal_of_body(request) or self.get_response(request)
        request._body = b""  # else it stays in memory until the request is garbage-collected
        return response

    def process_view(self, request: HttpRequest, *args: Any) -> HttpResponse | None:
        """Refuse, in the backoffice, unknown methods, which Django treats as GET, and "view on site" links."""
        match = request.resolver_match
        if match is None or "admin" not in match.namespaces:
            return None
        if request.method not in PAGE_METHODS:
            return HttpResponseNotAllowed(PAGE_METHODS)
        if match.url_name == "view_on_site":
            raise Http404("Nothing here has a page elsewhere.")
        return None


def _refusal_of_head(request: HttpRequest) -> HttpResponse | None:
    charset = (request.content_params or {}).get("charset", "utf-8")
    if charset.strip("\"'").lower() not in CHARSETS:
        return refused(request, HTTPStatus.UNSUPPORTED_MEDIA_TYPE, _("Bodies must be encoded as UTF-8."))
    if request.META.get("HTTP_CONTENT_ENCODING", "").strip().lower() not in UNCODED:
        told = _("Bodies are read as they are, not compressed.")
        answer = refused(request, HTTPStatus.UNSUPPORTED_MEDIA_TYPE, told)
        answer["Accept-Encoding"] = "identity"  # RFC 9110, 15.5.16
        return answer
    # WSGI does not say where such a body ends: Django would treat it as empty.
    if request.META.get("HTTP_TRANSFER_ENCODING") and not request.META.get("CONTENT_LENGTH"):
        return refused(request, HTTPStatus.LENGTH_REQUIRED, _("Say how long the body is: Content-Length is missing."))
    return None


def _refusal_of_body(request: HttpRequest) -> HttpResponse | None:
    """Read the whole body, unless it is too large, so that everything after this finds it complete and in memory."""
    length = _length(request)
    is_api = request.path.startswith(settings.API_PREFIX)
    most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE if is_api else settings.LARGEST_FORM
    if length == 0:
        return None
    if length > most:
        detail = _("The request body is larger than %(most)d bytes.") % {"most": most}
        return refused(request, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail, code="body_too_large")
    try:
        came = len(request.body)
    except UnreadablePostError:  # the connection broke: nobody will read the answer
        came = 0
    if came < length:
        told = _("The body ended after %(came)d of %(length)d bytes. Nothing was done; send the request again.")
        detail = told % {"came": came, "length": length}
        return refused(request, HTTPStatus.BAD_REQUEST, detail, code="body_cut_off")
    if request.content_type == "multipart/form-data" and not is_api:  # the API takes no forms
        try:
            bool(request.POST)
        except UploadRefused as error:
            return refused(request, HTTPStatus.BAD_REQUEST, str(error), code="upload_refused")
    return None


def _length(request: HttpRequest) -> int:
    """As Django's WSGIRequest reads it."""
    try:
        return max(0, int(request.META.get("CONTENT_LENGTH") or 0))
    except ValueError:
        return 0
