"""The user service: does this user exist, and may they order?

Ids come in three formats, and all are passed on unchanged: integers as strings ("17", the published service), ObjectIds
(24 hexadecimal digits) and UUIDs (other services of the family). The peer answers 422 to an id that is not in its own
format, and such a user does not exist there (docs/peers.md).
"""

from integrations import peer_requests
from integrations.peer_requests import Answer, Deadline, PeerRequest, Unexpected

PEER = peer_requests.Peer("users", "USER_SERVICE_URL")


def verify(user_id: str, *, deadline: Deadline, retries: bool = True) -> bool:
    """Tell whether the user exists and is active.

    :raises PeerUnavailable: if the peer does not say.
    """
    segment = peer_requests.path_segment(user_id)
    if segment is None:
        return False
    request = PeerRequest(PEER, "verify", "GET", f"/users/{segment}/verify", accepted=(404, 422))
    return peer_requests.read(request, _valid, deadline=deadline, retries=retries)


def _valid(answer: Answer) -> bool:
    if not answer.succeeded:
        return False
    valid = answer.json_object().get("valid")
    if not isinstance(valid, bool):
        raise Unexpected("answered something unexpected: no true or false in `valid`")
    return valid
