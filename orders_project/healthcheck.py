"""`python -m orders_project.healthcheck`: exit 0 if the web server in this container answers, else 1."""

import http.client
import os
import sys

TIMEOUT = 3.0
"""Seconds."""
EVERY_ADDRESS = {"", "0.0.0.0", "::"}  # noqa: S104 - compared, not bound
"""Values of BIND_HOST with which the server is reached on 127.0.0.1."""


def main() -> int:
    """Ask /health, by a name that ALLOWED_HOSTS lets through; print what is wrong, if anything."""
    host = os.environ.get("BIND_HOST", "")
    host = "127.0.0.1" if host in EVERY_ADDRESS else host
    connection = http.client.HTTPConnection(host, int(os.environ.get("PORT") or 8001), timeout=TIMEOUT)
    try:
        connection.request("GET", "/health", headers={"Host": allowed_name(os.environ.get("ALLOWED_HOSTS", ""))})
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        sys.stdout.write(f"no answer: {error}\n")
        return 1
    finally:
        connection.close()
    sys.stdout.write(f"/health answered {status}\n")
    return 0 if status == http.HTTPStatus.OK else 1


def allowed_name(allowed_hosts: str) -> str:
    """Return a host name that this value of ALLOWED_HOSTS (names, `.domain` or `*`, by commas) accepts."""
    first = allowed_hosts.split(",")[0].strip().removeprefix(".")
    return "localhost" if first in {"", "*"} else first


if __name__ == "__main__":
    sys.exit(main())
