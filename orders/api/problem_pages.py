"""The pages on the problems of this API, to which the `type` of each problem document leads."""

from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.views.decorators.csrf import csrf_exempt

from orders.api.problem_responses import refused
from orders.api.problems import PROBLEMS

KEPT = "public, max-age=300"
"""How long browsers and proxies may cache a page."""
METHODS = ("GET", "HEAD")


@csrf_exempt
def page(request: HttpRequest, code: str) -> HttpResponse:
    """GET /problems/{code}: the description of a code. :raises Http404: there is no such code."""
    if code not in PROBLEMS:
        raise Http404
    problem = PROBLEMS[code]
    words = {name: _marked(getattr(problem, name)) for name in ("what", "kept", "again")}
    return _shown(request, "orders/problem.html", code=code, problem=problem, **words)


@csrf_exempt
def index(request: HttpRequest) -> HttpResponse:
    """GET /problems: all codes, each with the address of its page."""
    return _shown(request, "orders/problems.html", problems=PROBLEMS)


def _shown(request: HttpRequest, template: str, **context: Any) -> HttpResponse:
    if request.method not in METHODS:
        response = refused(request, HTTPStatus.METHOD_NOT_ALLOWED, f'Method "{request.method}" not allowed.')
        response["Allow"] = ", ".join(METHODS)
        return response
    response = render(request, template, context | {"prefix": settings.API_PREFIX})
    response["Cache-Control"] = KEPT
    return response


def _marked(text: str) -> SafeString:
    """Text between backquotes as code."""
    parts = [format_html("<code>{}</code>", part) if index % 2 else part for index, part in enumerate(text.split("`"))]
    return format_html_join("", "{}", ((part,) for part in parts))
