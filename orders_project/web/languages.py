"""The language of the backoffice: that which a person has chosen, else the first that their browser asks for."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.utils import translation
from django.utils.cache import patch_vary_headers

from orders_project.web.error_pages import in_backoffice


class LanguageMiddleware:
    """Have a page of the backoffice made in its reader's language; API, commands and workers speak English.

    The language is left again with the request: the same thread may answer the API next, which Django's own
    `LocaleMiddleware` does not care about. Around all that answers with a page, refusals included.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not in_backoffice(request):
            return self.get_response(request)
        with translation.override(translation.get_language_from_request(request)):
            response = self.get_response(request)
            if not response.streaming:  # what is streamed, such as files, is made after the language was left
                response.headers.setdefault("Content-Language", translation.get_language() or "")
        patch_vary_headers(response, ["Accept-Language", "Cookie"])
        return response
