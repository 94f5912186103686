"""The user service: does this user exist, may they order, and what are they called?

Ids come in three formats, and all are passed on unchanged: integers as strings ("17", the published service), ObjectIds
(24 hexadecimal digits) and UUIDs (other services of the family). The peer answers 422 to an id that is not in its own
format, and such a user does not exist there (docs/peers.md).
"""

from dataclasses import dataclass

from integrations import peer_requests
from integrations.peer_requests import Answer, Deadline, PeerRequest, Unexpected, text_in

PEER = peer_requests.Peer("users", "USER_SERVICE_URL")


@dataclass(frozen=True, slots=True)
class User:
    """An active user as the peer knows them; what it does not say is empty."""

    name: str
    email: str


def verify(user_id: str, *, deadline: Deadline, retries: bool = True) -> User | None:
    """Return the user, or None if there is no active user with that id.

    :raises PeerUnavailable: if the peer does not say.
    """
    segment = peer_requests.path_segment(user_id)
    if segment is None:
        return None
    request = PeerRequest(PEER, "verify", "GET", f"/users/{segment}/verify", accepted=(404, 422))
    return peer_requests.read(request, _user, deadline=deadline, retries=retries)


def _user(answer: Answer) -> User | None:
    if not answer.succeeded:
        return None
    body = answer.json_object()
    valid = body.get("valid")
    if not isinstance(valid, bool):
        raise Unexpected("answered something unexpected: no true or false in `valid`")
    return User(name=text_in(body, "full_name"), email=text_in(body, "email")) if valid else None
