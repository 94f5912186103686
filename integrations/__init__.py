"""What other services are asked: one module a peer, `users`, `products`, `inventory`; `sandbox/` stands in
for them.

`http` says what may be repeated and what an answer means. Beneath it: `calls` (one attempt, behind its
breaker, logged), `retry`, `breaker`, `transport` (what HTTP brought), `connections` (sockets). `parallel`
asks side by side. Nothing here knows what an order is.

The errors (`integrations.errors`)::

    PeerError               peer, detail, retry_after
    ├── PeerUnavailable     surely nothing was done; for a read: no usable answer
    │   └── BreakerOpen     not even asked, since the peer has just failed repeatedly
    ├── PeerRefused         the peer's final no to a write; status
    └── OutcomeUnknown      a write that may or may not have acted: never guessed, see docs/peers.md
"""
