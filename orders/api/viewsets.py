"""What the API's view sets have in common."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from orders.api.throttling import headers_of
from orders.models.rate_limits import Allowance


class LimitedViewSet(ViewSet):
    """A view set whose answers to writes say what is left of the caller's allowance."""

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        allowance: Allowance | None = getattr(request, "allowance", None)
        if allowance is not None:
            for name, value in headers_of(allowance).items():
                response[name] = value
        return super().finalize_response(request, response, *args, **kwargs)
