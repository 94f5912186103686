"""Calls to addresses that others named: one POST, bounded in time and size, to the public internet alone.

A name is resolved once, all its addresses are checked, and the connection goes to one of those: a name that changes
its address afterwards changes nothing. No redirect is followed.
"""

import http.client
import ipaddress
import queue
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, LocationParseError
from urllib3.util import Url, parse_url

from integrations.answer import one_line
from integrations.http_connections import Response
from integrations.retry import parse_retry_after

NOT_PUBLIC = tuple(
    map(
        ipaddress.ip_network,
        ("192.0.0.0/24", "::/96", "64:ff9b::/96", "64:ff9b:1::/48", "2001::/32", "2002::/16", "3fff::/20", "fec0::/10"),
    )
)
"""Networks that lead to others, private ones included, though `is_global` says otherwise."""
NO_PUBLIC_ADDRESS = gettext_noop("%(address)s is not a public address.")
LEADS_TO_NO_PUBLIC_ADDRESS = gettext_noop("%(host)s has the address %(address)s, which is not public.")
TIMEOUT = 10.0
READ = 16 * 1024
"""Bytes of an answer that are read; what it says does not matter."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Forbidden(ValueError):
    """Nothing may be sent to this address."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of one call. Without a complete answer `status` is None, and `error` says why."""

    status: int | None
    milliseconds: int
    error: str = ""
    retry_after: float | None = None
    """Seconds, if the answer names them."""

    @property
    def succeeded(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


class _Connection(HTTPConnection):
    response_class = Response


class _TLSConnection(HTTPSConnection):
    response_class = Response


def checked(url: str, *, insecure: bool = False) -> Url:
    """The parts of an address to which webhooks may be sent, as far as that can be told without asking for its name.

    :param insecure: also over plain HTTP and to private addresses.
    :raises Forbidden:
    """
    try:
        parts = parse_url(url)
    except LocationParseError as error:
        raise Forbidden(_("This is not a URL.")) from error
    if parts.scheme not in ("https", *(("http",) if insecure else ())) or not parts.host:
        raise Forbidden(_("A URL that begins with https:// is expected."))
    if parts.auth or parts.fragment:
        raise Forbidden(_("The URL must have no user name, password or fragment."))
    literal = parts.host.strip("[]")
    if not insecure and _is_address(literal) and not is_public(literal):
        raise Forbidden(_(NO_PUBLIC_ADDRESS) % {"address": literal})
    return parts


def post(
    url: str, *, headers: Mapping[str, str], body: bytes, insecure: bool = False, timeout: float = TIMEOUT
) -> Delivery:
    """Send a POST and wait for its answer, `timeout` seconds in all but for resolving the name. It is not repeated."""
    began = time.monotonic()

    def ended(status: int | None = None, error: object = "", retry_after: float | None = None) -> Delivery:
        passed = round(1000 * (time.monotonic() - began))
        return Delivery(status, passed, one_line(str(error)), retry_after)

    try:
        parts = checked(url, insecure=insecure)
        address = _address_of(parts, insecure)
        with _pool(parts, address, timeout) as pool:
            response: Any = pool.urlopen(
                "POST",
                parts.request_uri,
                body=body,
                headers={**headers, "Host": parts.netloc or ""},
                redirect=False,
                preload_content=False,
            )
            response.read(READ, decode_content=False)
            return ended(response.status, retry_after=parse_retry_after(response.headers.get("Retry-After")))
    except (Forbidden, HTTPError, http.client.HTTPException, OSError, ValueError) as error:
        return ended(error=error)


def post_for_someone_waiting(seconds: float, url: str, **request: Any) -> Delivery:
    """As :func:`post`, but answer after so many seconds at the latest, whatever is slow: a resolver, or the other end.

    What has not ended by then ends in a thread of its own, and nobody hears of it.
    """
    done: queue.SimpleQueue[Delivery] = queue.SimpleQueue()

    def send() -> None:
        done.put(post(url, **request, timeout=seconds))

    threading.Thread(target=send, name="webhook-test", daemon=True).start()
    try:
        return done.get(timeout=seconds)
    except queue.Empty:
        return Delivery(None, round(1000 * seconds), f"no answer within {seconds:g} seconds")


def is_public(address: str) -> bool:
    """Tell whether an IP address is one of the public internet."""
    found: Address = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped:
        found = found.ipv4_mapped
    return found.is_global and not found.is_multicast and not any(found in network for network in NOT_PUBLIC)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return True


def _address_of(parts: Url, insecure: bool) -> str:
    """One of the addresses of a host, all of which are public. :raises Forbidden: one is not. :raises OSError:"""
    host = (parts.host or "").strip("[]")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        addresses = [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    except socket.gaierror as error:
        raise OSError(f"The name {host} could not be resolved: {error.strerror}.") from error
    if not insecure and (private := [address for address in addresses if not is_public(address)]):
        raise Forbidden(_(LEADS_TO_NO_PUBLIC_ADDRESS) % {"host": host, "address": private[0]})
    return addresses[0]


def _pool(parts: Url, address: str, timeout: float) -> HTTPConnectionPool:
    host = (parts.host or "").strip("[]")
    limits = Timeout(total=timeout)
    if parts.scheme == "http":
        pool = HTTPConnectionPool(address, parts.port, timeout=limits, retries=False)
        pool.ConnectionCls = _Connection
        return pool
    secure = HTTPSConnectionPool(
        address,
        parts.port,
        timeout=limits,
        retries=False,
        server_hostname=host,
        assert_hostname=host,
        ssl_context=ssl.create_default_context(),
    )
    secure.ConnectionCls = _TLSConnection
    return secure
