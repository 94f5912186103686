"""Every address of the service, taken from the URL conf itself, so that no new one is forgotten."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from django.conf import settings
from django.urls import URLPattern, URLResolver, get_resolver

API, ADMIN, PLAIN = "api", "admin", "plain"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")
REGULAR = re.compile(r"\(\?P<(\w+)>[^)]*\)")
"""A parameter in an address that is given as a regular expression."""


@dataclass(frozen=True)
class Route:
    """One address.

    :ivar kind: API, ADMIN, or PLAIN for what lies beside them.
    :ivar pattern: as the URL conf writes it, without what the kind begins with.
    """

    kind: str
    pattern: str
    prefix: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.pattern}"

    @property
    def parameters(self) -> list[str]:
        return PARAMETER.findall(self.pattern)

    def address(self, values: dict[str, str]) -> str:
        """The path with these values for its parameters."""
        plain = REGULAR.sub(r"<\1>", self.pattern).removeprefix("^").removesuffix("$")
        return f"/{self.prefix}{PARAMETER.sub(lambda found: values[found[1]], plain)}"


@cache
def routes() -> tuple[Route, ...]:
    """All of them, in the order in which they are tried."""
    return tuple(_routes(get_resolver(), "", ""))


def _routes(resolver: URLResolver, path: str, admin: str) -> Iterator[Route]:
    api = f"{settings.API_PREFIX.strip('/')}/"
    for entry in resolver.url_patterns:
        here = path + str(entry.pattern)
        if isinstance(entry, URLPattern):
            kind = ADMIN if admin else API if here.startswith(api) else PLAIN
            prefix = {ADMIN: admin, API: api, PLAIN: ""}[kind]
            yield Route(kind, here.removeprefix(prefix), prefix)
        else:
            yield from _routes(entry, here, admin or (here if entry.namespace == "admin" else ""))
