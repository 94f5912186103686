"""The program `mongod`: where one can be found, how it is set up, and what its last words mean."""

import importlib.util
import os
import re
import shutil
import signal
import stat
from pathlib import Path
from typing import Any

from pymongo import MongoClient

REPLICA_SET = "rs0"
REMEDIES = (
    "Either install a mongod, or what the bundled one needs (apt-get install libcurl4 libssl3);"
    " name one with MONGOD_BINARY; name a running server with MONGODB_URI; or run it all with docker compose up"
)
_WHEEL = "fiftyone"
"""The package in requirements/dev.txt that carries mongod; it is looked for, never imported."""
_NEWER_DATA = re.compile(
    r"version of MongoDB is too recent|UPGRADE PROBLEM|unsupported WiredTiger file version"
    r"|[Ww]rong mongod version|invalid feature ?[Cc]ompatibility ?[Vv]ersion"
)
_DATA_TOO_NEW_OR_OLD = 62
"""mongod's exit code for data of a version that it cannot read."""
_DATA_IN_USE = 100


class EmbeddedMongoError(Exception):
    """The embedded MongoDB cannot be used; the message is one line for people, with what can be done."""


def find_mongod() -> Path:
    """Return the mongod to run: MONGOD_BINARY, else the one on the PATH, else the one from the wheel.

    :raises EmbeddedMongoError: if there is none, or MONGOD_BINARY names none.
    """
    if named := os.environ.get("MONGOD_BINARY", "").strip():
        if not (found := shutil.which(named)):
            raise EmbeddedMongoError(f"MONGOD_BINARY={named} is not a program that can be run. {REMEDIES}")
        return Path(found)
    if found := shutil.which("mongod"):
        return Path(found)
    for binary in _in_wheel():
        _make_runnable(binary)
        return binary
    raise EmbeddedMongoError(f"No mongod was found, and MONGODB_URI is not set. {REMEDIES}")


def _in_wheel() -> list[Path]:
    spec = importlib.util.find_spec(_WHEEL)
    folders = (spec.submodule_search_locations or []) if spec else []
    candidates = [Path(folder) / "db" / "bin" / "mongod" for folder in folders]
    return [binary for binary in candidates if binary.is_file()]


def _make_runnable(binary: Path) -> None:
    if os.access(binary, os.X_OK):
        return
    try:
        binary.chmod(binary.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    except OSError as error:
        raise EmbeddedMongoError(f"{binary} cannot be made runnable: {error.strerror}. {REMEDIES}") from error


def frugal_options(cache_gb: float) -> list[str]:
    """Return the options of a server for one developer: a small cache (GB) and oplog, no files in /tmp."""
    options = ["--wiredTigerCacheSizeGB", str(cache_gb), "--oplogSize", "256", "--nounixsocket", "--quiet"]
    return [*options, "--setParameter", "diagnosticDataCollectionEnabled=false"]


def make_replica_set(client: MongoClient[dict[str, Any]], address: str) -> None:
    """Make a new server a replica set of one; tell one whose port has changed its new address (host:port).

    :raises pymongo.errors.PyMongoError: if it is not ready for that.
    """
    config = client.local["system.replset"].find_one()
    if config is None:
        config = {"_id": REPLICA_SET, "members": [{"_id": 0, "host": address}]}
        client.admin.command("replSetInitiate", config)
    elif config["members"][0]["host"] != address:
        config["members"][0]["host"] = address
        config["version"] += 1
        client.admin.command("replSetReconfig", config, force=True)


def cause_of_death(code: int, log: Path, db: Path) -> EmbeddedMongoError:
    """Return what a mongod died of, from its exit code (negative: the signal) and its log."""
    words = log.read_text(errors="replace") if log.exists() else ""
    if missing := re.search(r"error while loading shared libraries: ([^:\s]+)", words):
        return EmbeddedMongoError(f"mongod cannot start: the library {missing[1]} is missing. {REMEDIES}")
    if missing := re.search(r"version `([^']+)' not found", words):
        return EmbeddedMongoError(f"mongod cannot start: this system lacks {missing[1]}. {REMEDIES}")
    if code == -signal.SIGILL:
        return EmbeddedMongoError(
            "mongod cannot start: this processor lacks AVX, which MongoDB needs since 5.0. Set MONGODB_URI."
        )
    if code == _DATA_TOO_NEW_OR_OLD or _NEWER_DATA.search(words):
        return EmbeddedMongoError(
            f"The data in {db} were written by another, probably newer, version of MongoDB than this mongod."
            f" Name that one with MONGOD_BINARY, or set DATA_DIR to another directory. Its log: {log}"
        )
    if code == _DATA_IN_USE:
        return EmbeddedMongoError(
            f"mongod cannot use {db}: another one uses it, or it may not write there; its log says which: {log}."
            " Set DATA_DIR to another directory, or MONGODB_URI to a server of yours."
        )
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    return EmbeddedMongoError(f"mongod ended at once ({how}); its log says why: {log}. {REMEDIES}")
