"""The user service: does this user exist, and may he order?

Ids come in three formats, and all are passed on as they are: integers as strings ("17", the published
service), 24-digit hexadecimal ObjectIds and UUIDs (other services of the family). What the peer cannot read
as an id of its own format it answers with 422, and such a user does not exist there (docs/peers.md).
"""

from integrations import http
from integrations.http import Deadline, Reply, Unexpected

PEER = http.Peer("users", "USER_SERVICE_URL")


def verify(user_id: str, *, deadline: Deadline, retries: bool = True) -> bool:
    """Tell whether the user exists and is active.

    :raises PeerUnavailable: if the peer does not say.
    """
    segment = http.segment(user_id)
    if segment is None:
        return False
    call = http.Call(PEER, "verify", "GET", f"/users/{segment}/verify", known=(404, 422))
    return http.read(call, _valid, deadline=deadline, retries=retries)


def _valid(reply: Reply) -> bool:
    if not reply.succeeded:
        return False
    valid = reply.json_object().get("valid")
    if not isinstance(valid, bool):
        raise Unexpected("answered something unexpected: no true or false in `valid`")
    return valid
