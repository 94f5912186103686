"""Providers to sign on at: a real one (npm's oidc-provider), and one that says whatever a test has it say."""

import json
import os
import re
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urljoin

import jwt
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import rsa
from pytest_django import Settings

from devtools.localhost import ROOT
from orders_project.settings.sign_on import backends
from orders_project.sign_on import provider

SCRIPT = ROOT / "tests" / "clients" / "oidc_provider.mjs"
PACKAGES = Path(os.environ.get("CLIENT_PACKAGES", ROOT / ".data" / "clients"))
"""Where `make test` has installed what tests/clients/package.json lists."""
CLIENT_ID, SECRET = "order-service", "a secret/of our own+"
GROUPS = {"shop-support": "Support", "shop-finance": "Finance", "shop-gone": "No such group"}
ACTION = re.compile(r'<form[^>]* action="([^"]+)"')
KEY, STRANGER = rsa.generate_private_key(65537, 2048), rsa.generate_private_key(65537, 2048)
PUBLIC: dict[str, Any] = jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key(), as_dict=True)


def switch_on(settings: Settings, issuer: str, *, local: bool = True) -> None:
    """As the settings of sign-on at this provider would."""
    settings.OIDC_ISSUER, settings.OIDC_CLIENT_ID, settings.OIDC_CLIENT_SECRET = issuer, CLIENT_ID, SECRET
    settings.OIDC_GROUPS, settings.LOCAL_LOGIN = GROUPS, local
    settings.AUTHENTICATION_BACKENDS = backends(by_provider=True, by_password=local)
    provider.forget()


class RealProvider:
    """Whoever logs in there is who they say."""

    def __init__(self, process: "subprocess.Popen[str]", issuer: str) -> None:
        self.process, self.issuer = process, issuer

    def says(self, **people: dict[str, Any]) -> None:
        """From now on these are the claims of its people, by subject."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(people) + "\n")
        self.process.stdin.flush()
        self.waits_for("heard")

    def waits_for(self, word: str) -> None:
        assert self.process.stdout is not None
        assert word in (line.strip() for line in self.process.stdout), "the provider has ended"

    def log_in(self, session: requests.Session, form: requests.Response, subject: str) -> requests.Response:
        """Fill in its form. :returns: what the browser sees in the end."""
        action = ACTION.search(form.text)
        assert action, form.text
        filled = {"prompt": "login", "login": subject, "password": "any"}
        return session.post(urljoin(form.url, action[1]), data=filled, timeout=60)


@contextmanager
def real_provider(site: str, at: Path) -> Iterator[RealProvider]:
    """A provider that knows the site as its client."""
    if not (PACKAGES / "node_modules" / "oidc-provider").is_dir():
        pytest.fail("The packages of tests/clients are not installed: `make test` does that", pytrace=False)
    (at / "node_modules").symlink_to(PACKAGES / "node_modules")
    (at / SCRIPT.name).write_text(SCRIPT.read_text())
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        issuer = f"http://127.0.0.1:{free.getsockname()[1]}"
    command = ["node", SCRIPT.name, issuer, f"{site}/admin/sign-on/callback/", f"{site}/admin/login/"]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, cwd=at, text=True, **pipes) as process:
        try:
            provider_ = RealProvider(process, issuer)
            provider_.waits_for("ready")
            yield provider_
        finally:
            process.terminate()


class StandIn:
    """A provider that signs what it is told to.

    :ivar id_token: the token that it gives for a code that is none of `id_tokens`.
    :ivar userinfo: what it says besides; None: it has no such endpoint.
    :ivar status: of its answer to a code.
    :ivar kind: what it says that its answers are.
    :ivar asked: the forms that came with codes, and their Authorization headers.
    """

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer
        self.id_token: Any = ""
        self.id_tokens: dict[str, str] = {}
        self.userinfo: Any = None
        self.status, self.kind = 200, "application/json"
        self.asked: list[dict[str, str]] = []
        self.announced: dict[str, Any] = {
            "issuer": issuer,
            "authorization_endpoint": f"{issuer}/authorize",
            "token_endpoint": f"{issuer}/token",
            "jwks_uri": f"{issuer}/keys",
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
        }

    def answer(self, path: str, code: str = "") -> tuple[int, Any]:
        if path == "/token":
            id_token = self.id_tokens.get(code, self.id_token)
            return self.status, {"access_token": "opaque", "token_type": "Bearer", "id_token": id_token}
        known = {
            "/.well-known/openid-configuration": self.announced,
            "/keys": {"keys": [PUBLIC | {"kid": "k", "use": "sig", "alg": "RS256"}]},
            "/userinfo": self.userinfo,
        }
        return (200, known[path]) if path in known else (404, {})

    def claims(self, nonce: str, **more: Any) -> dict[str, Any]:
        """Those of somebody who may come in; None leaves one out."""
        now = int(time.time())
        all_of_them = {
            "iss": self.issuer,
            "sub": "248289761001",
            "aud": CLIENT_ID,
            "exp": now + 300,
            "iat": now,
            "nonce": nonce,
            "preferred_username": "alice",
            "groups": ["shop-support"],
        } | more
        return {name: value for name, value in all_of_them.items() if value is not None}


def signed(claims: dict[str, Any], key: Any = KEY, kid: str = "k") -> str:
    return jwt.encode(claims, key, algorithm="RS256", headers={"kid": kid})


@contextmanager
def stand_in() -> Iterator[StandIn]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._give(*told.answer(self.path))

        def do_POST(self) -> None:
            form = self.rfile.read(int(self.headers["Content-Length"])).decode()
            told.asked.append(dict(parse_qsl(form)) | {"header": self.headers.get("Authorization", "")})
            self._give(*told.answer(self.path, told.asked[-1].get("code", "")))

        def _give(self, status: int, content: Any) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", told.kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        told = StandIn(f"http://127.0.0.1:{server.server_port}")
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        try:
            yield told
        finally:
            server.shutdown()
