"""The public keys at JWT_JWKS_URL, kept by each process: a token whose key is known waits for nobody.

PyJWT's client fetches under a lock, and again at once after each failure: a few tokens with made-up key ids would keep
every request waiting for a user service that is slow. Here it only fetches.
"""

import logging
import math
import threading
import time

import jwt
from rest_framework.exceptions import APIException

logger = logging.getLogger(__name__)

TIMEOUT = 3
"""Seconds to wait for the key set."""
LIFESPAN = 300
"""Seconds after which it is fetched anew, while the one at hand still serves."""
COOL_DOWN = 30
"""Seconds between two tries, failed ones included, however many keys nobody knows are named meanwhile."""
RETRY = 5
"""Seconds between two tries as long as there is no set at all."""
OLDEST = 24 * 3600
"""Seconds for which a set serves that cannot be fetched anew: an outage of a day, or a key withdrawn during one."""


class KeysUnavailable(APIException):
    """The keys that tokens are verified with cannot be fetched."""

    status_code = 503
    default_code = "keys_unavailable"
    default_detail = "The keys that verify tokens cannot be fetched right now. Try again."
    wait = RETRY
    """Seconds after which to try again."""


class KeySet:
    """Keys by their ids, looked up without a lock; one thread of its own fetches them."""

    def __init__(self, url: str) -> None:
        self._client = jwt.PyJWKClient(url, cache_jwk_set=False, timeout=TIMEOUT)
        self._starting = threading.Lock()
        self._over = threading.Event()
        self._keys: dict[str, jwt.PyJWK] = {}
        self._tried_at = self._fetched_at = -math.inf

    def key(self, kid: object) -> jwt.PyJWK:
        """The key of this id.

        :raises KeysUnavailable: nobody can tell at the moment whether there is one.
        :raises jwt.PyJWKClientError: there is none.
        """
        age = time.monotonic() - self._fetched_at
        keys = self._keys if age < OLDEST else {}
        if found := keys.get(str(kid)):
            if age >= LIFESPAN:
                self._refresh(COOL_DOWN)
            return found
        started = self._refresh(COOL_DOWN if keys else RETRY)
        if started or not keys:  # with a set at hand, one request waits for the next, not all that name no key of it
            self._over.wait(TIMEOUT)
        if self._fetched_at < self._tried_at:
            raise KeysUnavailable
        if found := self._keys.get(str(kid)):
            return found
        raise jwt.PyJWKClientError("it names no key that is known here")

    def _refresh(self, pause: float) -> bool:
        """Start fetching, unless somebody did so within `pause`, which is more than a fetch takes."""
        with self._starting:
            if time.monotonic() - self._tried_at < pause:
                return False
            self._tried_at, self._over = time.monotonic(), threading.Event()
            threading.Thread(target=self._fetch, args=(self._over,), name="key-set", daemon=True).start()
            return True

    def _fetch(self, over: threading.Event) -> None:
        try:
            fetched = jwt.PyJWKSet.from_dict(self._client.fetch_data())
            keys = {str(key.key_id): key for key in fetched if key.key_id and key.public_key_use in ("sig", None)}
            if not keys:
                raise jwt.PyJWKSetError("it has no key with an id for signatures")
            self._keys, self._fetched_at = keys, time.monotonic()
        except Exception as error:
            logger.warning("the key set cannot be fetched: %s: %s", type(error).__name__, error)
        finally:
            over.set()
