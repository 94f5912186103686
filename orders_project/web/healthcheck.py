"""`python -m orders_project.web.healthcheck`: exit 0 if the web server in this container answers, else 1."""

import http.client
import os
import sys

from orders_project.web.environment import whole_number

TIMEOUT = 3.0
"""Seconds."""


def main() -> int:
    """Ask /health under a host name that ALLOWED_HOSTS accepts; print the outcome."""
    host = os.environ.get("BIND_HOST") or "127.0.0.1"
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - looked up, not bound
    connection = http.client.HTTPConnection(host, whole_number("PORT", 8001), timeout=TIMEOUT)
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
