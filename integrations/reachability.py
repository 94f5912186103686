"""Whether a peer's address can be reached, and what certificate answers there."""

import socket
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from django.conf import settings
from urllib3.util import Url, parse_url

from integrations.answer import one_line
from integrations.http_connections import Server, UnusableURL
from integrations.peer_requests import Peer


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a server shows of itself over TLS.

    :ivar refused: why it is not accepted; empty if it is.
    :ivar version: of TLS, where it is accepted.
    """

    subject: str
    issuer: str
    ends: datetime
    refused: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True)
class Reach:
    """How far one gets at a peer's address.

    :ivar url: without what it holds of a login.
    :ivar problem: why nothing can be asked there; empty if it can.
    """

    peer: str
    setting: str
    url: str
    problem: str = ""
    certificate: Certificate | None = None


def reach(peer: Peer) -> Reach:
    """Connect to a peer, over TLS where its address says so, and hang up again without asking it anything."""
    if not peer.url:
        return Reach(peer.name, peer.setting, "", f"{peer.setting} is not set")
    try:
        Server.at(peer.url)
    except UnusableURL:
        return Reach(peer.name, peer.setting, "", f"{peer.setting} holds no usable URL")
    parts = parse_url(peer.url)
    url = parts._replace(auth=None).url
    try:
        with _connected(parts) as connection:
            certificate = _certificate(connection, parts) if parts.scheme == "https" else None
    except (OSError, ValueError) as error:  # a name may also be none at all
        return Reach(peer.name, peer.setting, url, f"not reached: {one_line(str(error)) or type(error).__name__}")
    problem = f"its certificate is not accepted: {certificate.refused}" if certificate and certificate.refused else ""
    return Reach(peer.name, peer.setting, url, problem, certificate)


def _connected(parts: Url) -> socket.socket:
    """:raises OSError:"""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return socket.create_connection((_host(parts), port), timeout=settings.PEER_CONNECT_TIMEOUT)


def _host(parts: Url) -> str:
    return (parts.host or "").strip("[]")


def _certificate(connection: socket.socket, parts: Url) -> Certificate:
    """What is shown, accepted or not. :raises OSError: there is no TLS, or no answer."""
    trusting = ssl.create_default_context()
    try:
        with trusting.wrap_socket(connection, server_hostname=_host(parts)) as secure:
            return _read(secure)
    except ssl.SSLCertVerificationError as error:
        refused = error.verify_message or str(error)
    looking = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    looking.check_hostname, looking.verify_mode = False, ssl.CERT_NONE  # to say which one it is; nothing is sent
    with _connected(parts) as again, looking.wrap_socket(again, server_hostname=_host(parts)) as secure:
        return _read(secure, refused)


def _read(secure: ssl.SSLSocket, refused: str = "") -> Certificate:
    found = x509.load_der_x509_certificate(secure.getpeercert(binary_form=True) or b"")
    subject, issuer = (one_line(name.rfc4514_string()) for name in (found.subject, found.issuer))
    ends = found.not_valid_after_utc.astimezone(UTC)
    return Certificate(subject, issuer, ends, refused, "" if refused else secure.version() or "")
