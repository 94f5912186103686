"""The services that this one calls: one module each, `users`, `products`, `inventory`; `sandbox/` stands in for them.

What a peer is asked and what its answers mean is said by a backend that a setting names: `backends` has the protocols,
`published` the built-in ones, `contract` tests them, `backend_calls` asks what they say.

Beneath them: `peer_requests` (what may be repeated, what an answer means), `attempts` (one attempt, with
`circuit_breakers`, logged), `http_exchange` over `http_connections` (urllib3), `answer`. Nothing here knows what an
order is. Callers import the three modules and the names below from here.
For examining the peers there are `reachability` and `watching`.

The errors::

    PeerError               peer, detail, retry_after
    ├── PeerUnavailable     certainly nothing was done; for a read: no usable answer
    │   └── BreakerOpen     not even asked, since the peer has just failed repeatedly
    ├── PeerRefused         the peer refused a write for good; status
    └── OutcomeUnknown      a write that may or may not have been done: never guessed, see docs/peers.md
"""

from integrations.concurrent_calls import gather
from integrations.deadline import Deadline
from integrations.peer_errors import BreakerOpen, OutcomeUnknown, PeerError, PeerRefused, PeerUnavailable

__all__ = ["BreakerOpen", "Deadline", "OutcomeUnknown", "PeerError", "PeerRefused", "PeerUnavailable", "gather"]
