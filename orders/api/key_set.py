"""The public keys that verify tokens: cached, and refreshed now and then by one request at a time."""

import logging
import threading
import time
from functools import cache

import jwt

logger = logging.getLogger(__name__)

TIMEOUT = 3
"""Seconds to wait for the document."""
LIFESPAN = 300.0
"""Seconds after which it is fetched again. If that fails, the cached keys remain valid."""
STALE = 24 * 3600.0
"""Seconds after which cached keys are no longer used."""
PAUSE = 30.0
"""Seconds between two fetches, whatever came of the first: for a key that is not in it (anybody can name one), or after
a failure."""
PAUSE_AT_FIRST = 1.0
"""The same, before any key is known."""


class KeysUnknownError(Exception):
    """The key is not known, and the key set cannot be fetched."""


class KeySet:
    """The key set at an address. A request whose key is cached never waits for another request's fetch."""

    def __init__(self, url: str) -> None:
        self._client = jwt.PyJWKClient(url, cache_jwk_set=False, timeout=TIMEOUT)
        self._keys: dict[str | None, jwt.PyJWK] = {}
        self._tried_at = self._fetched_at = float("-inf")
        self._failed = False
        self._fetching = threading.Lock()

    def key(self, kid: str | None) -> jwt.PyJWK:
        """The key of that id.

        :raises jwt.InvalidKeyError: the set has no such key.
        :raises KeysUnknownError:
        """
        if time.monotonic() - self._fetched_at > STALE:
            self._keys = {}
        is_told = True
        if kid not in self._keys or time.monotonic() - self._fetched_at > LIFESPAN:
            is_told = self._fetch(wait=not self._keys)
        if (wanted := self._keys.get(kid)) is not None:
            return wanted
        if not is_told or not self._keys:
            raise KeysUnknownError
        raise jwt.InvalidKeyError("the key set has no such key")

    def _fetch(self, *, wait: bool) -> bool:
        """:returns: False if it failed just now, or if another request is still fetching it."""
        if not self._fetching.acquire(blocking=wait, timeout=TIMEOUT if wait else -1):
            return False
        try:
            if time.monotonic() - self._tried_at < (PAUSE if self._keys else PAUSE_AT_FIRST):
                return not self._failed
            self._keys = {key.key_id: key for key in self._client.get_signing_keys()}
            self._fetched_at = time.monotonic()
            self._failed = False
        except Exception as error:  # the answer was not a key set
            self._failed = True
            logger.warning("the key set cannot be fetched: %s: %s", type(error).__name__, str(error)[:200])
        finally:
            self._tried_at = time.monotonic()
            self._fetching.release()
        return not self._failed


@cache
def key_set(url: str) -> KeySet:
    """The key set at an address, one for the whole process."""
    return KeySet(url)
