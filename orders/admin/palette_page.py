"""The answer of the palette (Ctrl+K) to what somebody types."""

from collections.abc import Iterable, Mapping
from time import monotonic
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from orders.admin import command_palette


def results(request: HttpRequest, navigation: Iterable[Mapping[str, Any]]) -> HttpResponse:
    """What is found for `s`.

    :param navigation: see :func:`command_palette.found`.
    """
    text = request.GET.get("s", "").strip()
    if not text:
        return HttpResponse()
    began = monotonic()
    found = command_palette.found(request, text, navigation)
    context = {
        "results": found,
        "page_obj": {"count": len(found)},
        "page_counter": 0,
        "execution_time": monotonic() - began,
    }
    template = "unfold/helpers/command_results.html"
    return TemplateResponse(request, template, context, headers={"HX-Trigger": "search"})
