"""What is refused before any view has to make sense of it: no client of ours sends it."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, NoReturn

from django.conf import settings
from django.core.files.uploadhandler import FileUploadHandler
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, UnreadablePostError
from django.http.multipartparser import MultiPartParserError

from orders.api.errors import refused

CHARSETS = {"utf-8", "utf8", "us-ascii", "ascii"}
UNCODED = {"", "identity"}
PAGE_METHODS = ["GET", "HEAD", "POST"]


class UploadRefused(MultiPartParserError):
    """Nobody has a file to give to this service."""


class NoUploads(FileUploadHandler):
    """Refuse each file part of a form where it begins."""

    def new_file(self, *_: Any, **__: Any) -> NoReturn:
        raise UploadRefused("Files cannot be uploaded here.")

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        """Never called: no file gets as far."""

    def file_complete(self, file_size: int) -> None:
        """Never called: no file gets as far."""


class StrictMiddleware:
    """Refuse strange encodings, bodies that are too large, cut off or without a length, and methods that nothing here
    is made for."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = _refusal_of_head(request) or _refusal_of_body(request) or self.get_response(request)
        request._body = b""  # which would wait with the request for the collector
        return response

    def process_view(self, request: HttpRequest, *_: Any) -> HttpResponse | None:
        """In the backoffice Django takes every unknown method for a GET, and looks for pages that a site may have."""
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
        return refused(request, HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Bodies must be encoded as UTF-8.")
    if request.META.get("HTTP_CONTENT_ENCODING", "").strip().lower() not in UNCODED:
        answer = refused(request, HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Bodies are read as they are, not compressed.")
        answer["Accept-Encoding"] = "identity"  # RFC 9110, 15.5.16
        return answer
    # WSGI tells of no end of such a body: Django would take it for an empty one.
    if request.META.get("HTTP_TRANSFER_ENCODING") and not request.META.get("CONTENT_LENGTH"):
        return refused(request, HTTPStatus.LENGTH_REQUIRED, "Say how long the body is: Content-Length is missing.")
    return None


def _refusal_of_body(request: HttpRequest) -> HttpResponse | None:
    """Read the whole body, unless it is too large: what follows finds it in memory, and whole."""
    length = _length(request)
    is_api = request.path.startswith(settings.API_PREFIX)
    most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE if is_api else settings.LARGEST_FORM
    if length == 0:
        return None
    if length > most:
        detail = f"The request body is larger than {most} bytes."
        return refused(request, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail, code="body_too_large")
    try:
        came = len(request.body)
    except UnreadablePostError:  # the connection broke: nobody reads the answer
        came = 0
    if came < length:
        detail = f"The body ended after {came} of {length} bytes. Nothing was done; send the request again."
        return refused(request, HTTPStatus.BAD_REQUEST, detail, code="body_cut_off")
    if request.content_type == "multipart/form-data" and not is_api:  # which takes no form at all
        try:
            _ = request.POST
        except UploadRefused as error:
            return refused(request, HTTPStatus.BAD_REQUEST, str(error), code="upload_refused")
    return None


def _length(request: HttpRequest) -> int:
    """As Django's own request has it."""
    try:
        return max(0, int(request.META.get("CONTENT_LENGTH") or 0))
    except ValueError:
        return 0
