"""Sign-on for staff by OpenID Connect. Why it is made this way: docs/adr/0011-staff-sign-on.md."""

from django.utils.translation import gettext as _

ID_TOKEN = "oidc_id_token"  # noqa: S105
"""What a session keeps of a sign-on: a hint for logging out at the provider, too."""


class SignOnRefused(Exception):
    """Somebody does not get in.

    :ivar told: what the page says to them.
    :ivar why: what the log says besides; never a token or a code.
    :ivar status: of the page.
    :ivar is_personal: somebody else might get in.
    """

    def __init__(self, told: str, *, why: str, status: int = 403, is_personal: bool = False) -> None:
        super().__init__(told)
        self.told, self.why, self.status, self.is_personal = told, why, status, is_personal


def no_access(told: str, *, why: str) -> SignOnRefused:
    return SignOnRefused(told, why=why, is_personal=True)


def unavailable(why: object) -> SignOnRefused:
    return SignOnRefused(_("The sign-on service does not answer. Try again in a moment."), why=str(why), status=503)


def unverified(why: object) -> SignOnRefused:
    told = _("The answer of the sign-on service could not be verified. Nobody was logged in.")
    return SignOnRefused(told, why=str(why))


def expired() -> SignOnRefused:
    told = _("This log-in has expired, or was begun in another browser. Start again.")
    return SignOnRefused(told, why="no such state in this session", status=400)
