"""Where a session that began at the provider is ended there, too."""

import logging
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse

from orders_project.sign_on import ID_TOKEN, SignOnRefused
from orders_project.sign_on.provider import provider

logger = logging.getLogger(__name__)


def address_at_the_provider(request: HttpRequest) -> str:
    """Where the page goes on to after logging out here; empty if the session began here, or the provider has no such.

    By OpenID Connect RP-Initiated Logout 1.0.
    """
    hint = request.session.get(ID_TOKEN)
    if not (hint and settings.OIDC_ISSUER):
        return ""
    try:
        address = provider().end_session
    except SignOnRefused as refused:
        logger.warning("not logged out at the provider: %s", refused.why)
        return ""
    back = request.build_absolute_uri(reverse("admin:login"))
    query = {"id_token_hint": hint, "client_id": settings.OIDC_CLIENT_ID, "post_logout_redirect_uri": back}
    return f"{address}{'&' if '?' in address else '?'}{urlencode(query)}" if address else ""
