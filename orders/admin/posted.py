"""What forms of the backoffice post, read: versions, numbers and answers."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from django.db import DatabaseError
from django.http import HttpResponse
from django.views.decorators.http import require_POST

from orders.services.errors import OrderError

if TYPE_CHECKING:
    from django.http import QueryDict

VERSION = re.compile(r"[0-9]{1,18}\Z")
SMALL = re.compile(r"[0-9]{1,9}\Z")
ANSWERS = {"yes": True, "no": False}
"""What two buttons, or two choices, say."""
INCOMPLETE = "The form is incomplete. Reload the page and try again."


def only_posted(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Refuse all but POST. The form is on the page beside the address, where whoever comes otherwise is led."""
    posting = require_POST(view)
    posting.form_beside = "change/"  # type: ignore[attr-defined]
    return posting


def seen_version(post: "QueryDict") -> int | None:
    """The version that the page was showing; None where that is not said."""
    given = post.get("version", "")
    return int(given) if VERSION.match(given) else None


def required_version(post: "QueryDict") -> int:
    """:raises OrderError: the form does not say which version the page was showing."""
    version = seen_version(post)
    if version is None:
        raise OrderError(INCOMPLETE)
    return version


def unsent(error: OrderError | DatabaseError) -> str:
    """What the address of a page says, so that unsent_form.js gives back what was typed into the form that failed."""
    return f"?unsent={'refused' if isinstance(error, OrderError) else 'perhaps'}"
