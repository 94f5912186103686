"""GET /openapi.json, generated once in each process: that takes 50 to 160 ms of processor time."""

import threading
from functools import cache
from hashlib import sha256
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.cache import get_conditional_response
from drf_spectacular.settings import spectacular_settings
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularJSONAPIView
from rest_framework.request import Request

from orders.api.rendering import written

KEPT = "public, max-age=300"
"""How long browsers and proxies may cache it; after that they are told that it has not changed (304)."""

_making = threading.Lock()


class OpenApiView(SpectacularJSONAPIView):
    """The view of drf-spectacular; the document is the same for everybody until the next release."""

    @extend_schema(exclude=True)
    def get(self, request: Request, *_arguments: Any, **_named: Any) -> HttpResponseBase:
        with _making:
            content, etag = document()
        found = HttpResponse(content, content_type=request.accepted_renderer.media_type)
        found["ETag"], found["Cache-Control"] = etag, KEPT
        found["Content-Disposition"] = 'inline; filename="openapi.json"'
        django_request: HttpRequest = request._request
        return get_conditional_response(django_request, etag=etag, response=found) or found


@cache
def document() -> tuple[bytes, str]:
    """The document and its entity tag."""
    generator = spectacular_settings.DEFAULT_GENERATOR_CLASS()
    content = written(generator.get_schema(request=None, public=True))
    return content, f'"{sha256(content).hexdigest()[:32]}"'
