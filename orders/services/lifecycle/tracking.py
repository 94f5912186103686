"""Where a parcel is: its carrier, and the carrier's number and page of it."""

import re
from dataclasses import asdict, dataclass
from urllib.parse import quote, urlsplit

from django.conf import settings

from orders.services.errors import OrderError
from orders.services.text_rules import one_line, problem_of

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
            raise InvalidTracking("Check the tracking.", errors=errors)
        known = {name.casefold(): name for name in carriers()}
        carrier = known.get(given["carrier"].casefold(), given["carrier"])
        pattern, number = carriers().get(carrier, ""), given["tracking_number"]
        url = given["tracking_url"] or (pattern.replace("{number}", quote(number, safe="")) if number else "")
        return {"carrier": carrier, "tracking_number": number, "tracking_url": url}


def carriers() -> dict[str, str]:
    """Every carrier that is known, by name, with the pattern of its address."""
    return CARRIERS | settings.CARRIERS


def _problem(name: str, text: str) -> str | None:
    if len(text) > LONGEST[name]:
        return f"At most {LONGEST[name]} characters, please: it has {len(text)}."
    if name == "tracking_url" and text and not is_address(text):
        return "Give an address that begins with https:// or http://."
    return problem_of(text)


def is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in ("https", "http") and bool(parts.hostname) and not re.search(r"\s", text)
