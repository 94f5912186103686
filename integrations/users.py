"""The user service: does this user exist, may they order, and what are they called? Asked as USER_BACKEND says."""

from functools import partial
from types import NoneType

from integrations import peer_requests
from integrations.backend_calls import kind_of, look_up
from integrations.backend_loading import user_backend
from integrations.backends import User
from integrations.peer_requests import Deadline

__all__ = ["PEER", "User", "verify"]

PEER = peer_requests.Peer("users", "USER_SERVICE_URL")


def verify(user_id: str, *, deadline: Deadline, retries: bool = True) -> User | None:
    """Return the user, or None if there is no active user with that id.

    :raises PeerUnavailable: if the peer does not say.
    """
    if peer_requests.path_segment(user_id) is None:
        return None
    question = partial(user_backend().verify, user_id)
    return look_up(PEER, "verify", question, kind_of(User, NoneType), deadline=deadline, retries=retries)
