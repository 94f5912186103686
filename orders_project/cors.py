"""What pages of other sites may read."""

from corsheaders.middleware import CorsMiddleware
from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers


class CrossOriginMiddleware(CorsMiddleware):
    """django-cors-headers, which reads every header of each request to find that most come from no page at all."""

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if "HTTP_ORIGIN" in request.META:
            return super().__call__(request)  # type: ignore[return-value]
        response: HttpResponse = self.get_response(request)  # type: ignore[assignment]
        patch_vary_headers(response, ("origin",))
        return response
