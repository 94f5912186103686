"""Which systems are real: the database and the peers that a setting names. The others are stand-ins, started here.

Demo orders, demo logins and printed tokens exist only where none is real. Whoever fills in the address of a stand-in
first hands on, in REAL_SYSTEMS, which were real: for the processes that it starts, to which all are named. This knows
nothing of Django.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path

DATABASE = "MONGODB_URI"
PEERS = ("USER_SERVICE_URL", "PRODUCT_SERVICE_URL", "INVENTORY_SERVICE_URL")
SIGNING = ("JWT_SHARED_KEY", "JWT_JWKS_URL", "SECRET_KEY")
"""Settings that each make tokens real: what is signed with the key of a real service is let in there."""
HANDED_ON = "REAL_SYSTEMS"


def named(environment: Mapping[str, str], names: tuple[str, ...] = (DATABASE, *PEERS)) -> list[str]:
    """Return those of the settings that are set."""
    return [name for name in names if environment.get(name, "").strip()]


def real_systems(environment: Mapping[str, str]) -> list[str]:
    """Return the settings that name something real: as they were handed on, else as they are."""
    handed_on = environment.get(HANDED_ON)
    return named(environment) if handed_on is None else handed_on.split()


def mongo_directory(data: Path, environment: Mapping[str, str]) -> Path:
    """Return where the embedded MongoDB keeps its data: `mongo`, or a place for this set of real systems alone.

    No order is ever settled with another inventory than the one it was placed with, be it a demo order or one that was
    tried out beside other peers.
    """
    real = [f"{name}={environment[name].strip()}" for name in named(environment)]
    mark = hashlib.sha256("\n".join(real).encode()).hexdigest()[:8]
    return data / (f"mongo-{mark}" if real else "mongo")
