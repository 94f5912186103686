"""What forms of the backoffice post, read: versions, numbers, lines, amounts and answers."""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING

from babel.numbers import format_decimal
from django.db import DatabaseError
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from orders.admin.local_formats import reader_locale
from orders.services.errors import OrderError
from orders.services.fulfilment.parts import LineRequest

if TYPE_CHECKING:
    from django.http import QueryDict

VERSION = re.compile(r"[0-9]{1,18}\Z")
SMALL = re.compile(r"[0-9]{1,9}\Z")
ANSWERS = {"yes": True, "no": False}
"""What two buttons, or two choices, say."""
QUANTITY = re.compile(r"quantity_([0-9]{1,9})\Z")
"""The name of the field that says how many units of a line are meant."""
AMOUNT = re.compile(
    r"([0-9]{1,12}|[0-9]{1,3}(?:\.[0-9]{3}){1,3}(?=,)|[0-9]{1,3}(?:,[0-9]{3}){1,3}(?=\.))(?:[.,]([0-9]{1,2}))?\Z"
)
"""Its whole part, with or without groups of three digits, and its cents. `1.234` is none: it has two meanings."""
INCOMPLETE = gettext_lazy("The form is incomplete. Reload the page and try again.")


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
        raise OrderError(str(INCOMPLETE))
    return version


def lines_chosen(post: "QueryDict", *, required: bool = True) -> list[LineRequest]:
    """The lines of an order of which somebody said how many units are meant.

    :param required: at least one of them.
    :raises OrderError:
    """
    found = []
    for name, given in post.items():
        if (line := QUANTITY.match(name)) and (text := str(given).strip()):
            if not SMALL.match(text):
                raise OrderError(_("Enter quantities as whole numbers."))
            if int(text):
                found.append(LineRequest(int(line[1]), int(text)))
    if required and not found:
        raise OrderError(_("Enter how many units of at least one item."))
    return found


def amount_typed(text: str) -> Decimal:
    """An amount of money as people write it, in whichever language: `12.50`, `12,5`, `1,234.50` and `1.234,50`.

    :raises OrderError: it is none, or not above 0.
    """
    match = AMOUNT.match(text.strip())
    amount = Decimal(f"{re.sub('[.,]', '', match[1])}.{match[2] or 0}") if match else Decimal(0)
    if not amount:
        raise OrderError(_("Enter an amount above 0, such as %(amount)s.") % {"amount": as_typed(Decimal("12.50"))})
    return amount


def as_typed(amount: Decimal) -> str:
    """An amount in cents as its reader would type it, e.g. `1234.50`; :func:`amount_typed` understands it."""
    return format_decimal(amount, format="0.00", locale=reader_locale())


def unsent(error: OrderError | DatabaseError) -> str:
    """What the address of a page says, so that unsent_form.js gives back what was typed into the form that failed."""
    return f"?unsent={'refused' if isinstance(error, OrderError) else 'perhaps'}"
