"""Where a parcel is: its carrier, and the carrier's number and page of it."""

from collections.abc import Collection
from dataclasses import asdict, dataclass
from urllib.parse import quote

from django.conf import settings
from django.utils.translation import gettext as _

from orders.models import Shipment
from orders.services.errors import OrderError, RefusalKind
from orders.services.text_rules import SHAPES, one_line, problem_within

CARRIERS: dict[str, str] = {
    "Canada Post": "https://www.canadapost-postescanada.ca/track-reperage/en#/search?searchFor={number}",
    "Colissimo": "https://www.laposte.fr/outils/suivre-vos-envois?code={number}",
    "DHL": "https://www.dhl.com/en/express/tracking.html?AWB={number}",
    "DHL Paket": "https://www.dhl.de/de/privatkunden/dhl-sendungsverfolgung.html?piececode={number}",
    "DPD": "https://tracking.dpd.de/status/en_US/parcel/{number}",
    "Evri": "https://www.evri.com/track/parcel/{number}",
    "FedEx": "https://www.fedex.com/fedextrack/?trknbr={number}",
    "GLS": "https://gls-group.eu/EU/en/parcel-tracking?match={number}",
    "PostNL": "https://jouw.postnl.nl/track-and-trace/{number}",
    "Royal Mail": "https://www.royalmail.com/track-your-item#/tracking-results/{number}",
    "UPS": "https://www.ups.com/track?tracknum={number}",
    "USPS": "https://tools.usps.com/go/TrackConfirmAction?tLabels={number}",
}
"""Common carriers, each with the address of its page on a parcel; the setting CARRIERS adds more."""
LONGEST = {"carrier": 40, "tracking_number": 64, "tracking_url": 500}


class InvalidTracking(OrderError):
    """A member of the tracking cannot be kept; `errors` says which."""

    code = "invalid_tracking"
    kind = RefusalKind.INVALID


@dataclass(frozen=True)
class Tracking:
    """As somebody gave it; every member may be empty."""

    carrier: str = ""
    tracking_number: str = ""
    tracking_url: str = ""

    def shown(self) -> dict[str, str]:
        """As it is kept: tidied, a known carrier by its name, and its page of the parcel where no address was given.

        :raises InvalidTracking:
        """
        given = {name: one_line(text) for name, text in asdict(self).items()}
        errors = {name: [problem] for name, text in given.items() if (problem := _problem(name, text))}
        if errors:
            raise InvalidTracking(_("Check the tracking."), errors=errors)
        known = {name.casefold(): name for name in carriers()}
        carrier = known.get(given["carrier"].casefold(), given["carrier"])
        number = given["tracking_number"]
        return {
            "carrier": carrier,
            "tracking_number": number,
            "tracking_url": given["tracking_url"] or _page_of(carrier, number),
        }


def corrected(known: Shipment, tracking: Tracking, members: Collection[str]) -> Tracking:
    """The tracking of a shipment with some members of it said anew.

    The page of a parcel by another number or carrier is another one: it is derived again unless it is given, too.
    """
    kept = {name: getattr(known, name) for name in LONGEST if name not in members}
    given = {name: text for name, text in asdict(tracking).items() if name in members}
    if given.keys() - {"tracking_url"}:
        kept["tracking_url"] = ""
    return Tracking(**kept | given)


def carriers() -> dict[str, str]:
    """Every carrier that is known, by name, with the pattern of its address."""
    return CARRIERS | settings.CARRIERS


def _page_of(carrier: str, number: str) -> str:
    """The address of a known carrier's page on a parcel; empty where there is none, or it is too long to be kept."""
    pattern = carriers().get(carrier)
    page = pattern.replace("{number}", quote(number, safe="")) if pattern and number else ""
    return page if len(page) <= LONGEST["tracking_url"] else ""


def _problem(name: str, text: str) -> str | None:
    if name == "tracking_url" and 0 < len(text) <= LONGEST[name] and not is_address(text):
        return str(SHAPES[name][1])
    return problem_within(text, LONGEST[name])


def is_address(text: str) -> bool:
    """Tell whether it can be the address of a page."""
    return bool(SHAPES["tracking_url"][0].fullmatch(text))
