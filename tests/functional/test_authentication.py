"""Who gets in, over real HTTP: bearer tokens, the key set at JWT_JWKS_URL, and the development stub."""

import time
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.conf import settings as django_settings
from pytest_django import Settings

from integrations.sandbox import Sandbox
from tests.api_client import token
from tests.factories import OrderFactory
from tests.functional.helpers import (
    TWO_TOWELS,
    Api,
    Documents,
    dead_url,
    outage,
    problem,
    visitor_fixture,  # noqa: F401
)
from tests.functional.tokens import handmade
from tests.raw_server import RawServer, abort, answer, cut

RSA, EC, STRANGER = (
    rsa.generate_private_key(65537, 2048),
    ec.generate_private_key(ec.SECP256R1()),
    rsa.generate_private_key(65537, 2048),
)
KEY_SET = {
    "keys": [
        jwt.algorithms.RSAAlgorithm.to_jwk(RSA.public_key(), as_dict=True) | {"kid": "r", "use": "sig", "alg": "RS256"},
        jwt.algorithms.ECAlgorithm.to_jwk(EC.public_key(), as_dict=True) | {"kid": "e", "use": "sig", "alg": "ES256"},
    ]
}
REALM = f'Bearer realm="{django_settings.PROJECT_NAME}"'
CHALLENGES = {
    "not_authenticated": REALM,
    "token_invalid": f'{REALM}, error="invalid_token", error_description="The token is not valid."',
    "token_expired": f'{REALM}, error="invalid_token", error_description="The token has expired."',
}
ANOTHER_KEY = "another-key-another-key-another-key-another-key"
CLOSED = [
    "orders/",
    f"orders/{'0' * 24}",
    f"orders/{'0' * 24}/history",
    f"orders/{'0' * 24}/transitions",
    "orders/user/1",
]


@pytest.fixture
def key_server(settings: Settings) -> Iterator[RawServer]:
    with RawServer(answer(200, KEY_SET)) as server:
        settings.JWT_JWKS_URL = f"{server.url}/jwks.json"
        yield server


def signed(algorithm: str, key: Any, kid: str | None, subject: str = "1", **claims: Any) -> str:
    payload = {"sub": subject, "exp": int(time.time()) + 86_400, "type": "access"} | claims
    return jwt.encode(payload, key, algorithm=algorithm, headers={"kid": kid} if kid else None)


def claims_of(subject: object = "1") -> dict[str, Any]:
    return {"sub": subject, "exp": int(time.time()) + 86_400, "type": "access"}


def kept_out(answered: requests.Response, code: str = "token_invalid") -> dict[str, Any]:
    """Return the problem document of a 401, whose challenge must say the same as its code (RFC 6750 section 3)."""
    document = problem(answered, 401, code)
    assert answered.headers["WWW-Authenticate"] == CHALLENGES[code]
    return document


# --- the Authorization header ---


@pytest.mark.parametrize("path", CLOSED)
def test_nobody_gets_in_without_a_token(visitor: Api, path: str) -> None:
    kept_out(visitor().get(path, headers={"Authorization": None}), "not_authenticated")


def test_nothing_is_placed_changed_or_cancelled_without_a_token(
    visitor: Api, running_sandbox: Sandbox, database: Documents
) -> None:
    order, client = OrderFactory(), visitor()
    del client.headers["Authorization"]
    asked = running_sandbox.control.counts()
    kept_out(client.place(TWO_TOWELS), "not_authenticated")
    kept_out(client.put(f"orders/{order.pk}/status", json={"status": "cancelled"}), "not_authenticated")
    kept_out(client.delete(f"orders/{order.pk}"), "not_authenticated")
    assert [found["status"] for found in database["orders"].find()] == ["pending"]
    assert running_sandbox.control.counts() == asked


@pytest.mark.parametrize(
    "header",
    ["Bearer", "Bearer ", "Bearer a b", "Bearer x", "Bearer a.b.c", "Bearer ...", "Bearer \xfc",
     "Bearer " + "a" * 10_000, "Bearer eyJhbGciOiJIUzI1NiJ9"],
)  # fmt: skip
def test_a_header_that_holds_no_token_is_refused(visitor: Api, header: str) -> None:
    kept_out(visitor().get("orders/", headers={"Authorization": header.encode("latin-1")}))


@pytest.mark.parametrize("header", ["", "Basic YTpi", "Token x", "Bearerx"])
def test_another_way_of_authenticating_is_none_here(visitor: Api, header: str) -> None:
    kept_out(visitor().get("orders/", headers={"Authorization": header}), "not_authenticated")


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_may_be_written_in_any_case(visitor: Api, scheme: str) -> None:
    answered = visitor().get("orders/", headers={"Authorization": f"{scheme} {token('1')}"})
    assert answered.status_code == 200


# --- the claims ---


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": None},
        {"exp": "never"},
        {"nbf": 32_503_680_000},
        {"iat": 32_503_680_000},
        {"type": "refresh"},
        {"type": None},
        {"type": ["access"]},
        {"sub": None},
        {"sub": ""},
        {"sub": 1},
        {"sub": ["1"]},
        {"sub": "amara "},
        {"sub": "-1"},
        {"sub": "a" * 129},
    ],
    ids=str,
)
def test_a_token_with_wrong_or_missing_claims_is_refused(visitor: Api, claims: dict[str, Any]) -> None:
    kept_out(visitor(token=token(**({"subject": "1"} | {"sub": "1"} | claims))).get("orders/"))


@pytest.mark.parametrize(
    "made",
    [
        token("1", key=ANOTHER_KEY),
        jwt.encode(claims_of(), None, algorithm="none"),
        handmade({"alg": "none"}, claims_of(), b""),
        handmade({"alg": "None"}, claims_of(), b""),
        handmade({}, claims_of(), b""),
        handmade({"alg": None}, claims_of(), b""),
        handmade({"alg": ["HS256"]}, claims_of(), b"x"),
        handmade({"alg": {"a": 1}}, claims_of(), b"x"),
        handmade({"alg": 256}, claims_of(), b"x"),
        handmade([], claims_of(), b"x"),
        handmade({"alg": "HS256", "kid": 1}, claims_of(), b"x"),
        handmade({"alg": "HS256", "crit": ["x"]}, claims_of(), django_settings.SECRET_KEY.encode()),
        handmade({"alg": "HS256"}, [], django_settings.SECRET_KEY.encode()),
        handmade({"alg": "HS384"}, claims_of(), django_settings.SECRET_KEY.encode(), "sha384"),
        jwt.encode(claims_of(), RSA, algorithm="RS256"),
        jwt.encode(claims_of(), EC, algorithm="ES256"),
    ],
    ids=[
        "another-key", "alg-none", "alg-none-by-hand", "alg-None", "no-alg", "alg-null", "alg-list", "alg-object",
        "alg-number", "header-list", "kid-number", "crit", "claims-list", "HS384", "RS256-without-key-set",
        "ES256-without-key-set",
    ],
)  # fmt: skip
def test_a_token_that_nobody_here_signed_is_refused(visitor: Api, made: str) -> None:
    kept_out(visitor(token=made).get("orders/"))


@pytest.mark.parametrize(
    ("subject", "stored"),
    [("7", "7"), ("007", "7"), ("665F1C0A9B1E8A0012A4FFFF", "665f1c0a9b1e8a0012a4ffff"),
     ("7D9F3A521F0E4A539A530C8F0B5F7A11", "7d9f3a52-1f0e-4a53-9a53-0c8f0b5f7a11")],
)  # fmt: skip
def test_a_customer_is_who_the_subject_says_in_any_spelling(visitor: Api, subject: str, stored: str) -> None:
    order = OrderFactory(user_id=stored)
    assert [found["id"] for found in visitor(subject).get("orders/").json()] == [str(order.pk)]


def test_a_token_that_has_just_expired_is_let_in_for_the_leeway(visitor: Api, settings: Settings) -> None:
    settings.JWT_LEEWAY = 30
    late = token("1", exp=int(time.time()) - 20)
    assert visitor(token=late).get("orders/").status_code == 200
    settings.JWT_LEEWAY = 10
    assert "expired" in kept_out(visitor(token=late).get("orders/"), "token_expired")["detail"]


@pytest.mark.parametrize("claims", [{}, {"role": "admin"}, {"type": "refresh"}])
def test_an_expired_token_is_told_from_a_forged_one(visitor: Api, claims: dict[str, Any]) -> None:
    kept_out(visitor(token=token("1", exp=1_000_000_000, **claims)).get("orders/"), "token_expired")
    kept_out(visitor(token=token("1", exp=1_000_000_000, key=ANOTHER_KEY, **claims)).get("orders/"), "token_invalid")


@pytest.mark.parametrize(("setting", "claim"), [("JWT_ISSUER", "iss"), ("JWT_AUDIENCE", "aud")])
def test_issuer_and_audience_are_checked_where_the_settings_say_so(
    visitor: Api, settings: Settings, setting: str, claim: str
) -> None:
    assert visitor(token=token("1", **{claim: "elsewhere"})).get("orders/").status_code == 200
    setattr(settings, setting, "shop")
    assert visitor(token=token("1", **{claim: "shop"})).get("orders/").status_code == 200
    kept_out(visitor(token=token("1", **{claim: "elsewhere"})).get("orders/"))
    kept_out(visitor().get("orders/"))


# --- admins ---


@pytest.mark.parametrize(
    ("claim", "values", "given", "admin"),
    [
        ("role", ["admin"], "admin", True),
        ("role", ["admin"], ["customer", "admin"], True),
        ("role", ["admin"], "Admin", False),
        ("role", ["admin"], "administrator", False),
        ("role", ["admin"], ["customer"], False),
        ("role", ["admin"], [["admin"]], False),
        ("role", ["admin"], {"admin": True}, False),
        ("role", ["admin"], True, False),
        ("role", ["admin"], None, False),
        ("groups", ["shop-admins", "ops"], ["ops"], True),
        ("groups", ["shop-admins", "ops"], "shop-admins", True),
        ("groups", ["shop-admins", "ops"], "admin", False),
    ],
)
def test_an_admin_is_who_carries_the_claim_of_the_setting(
    visitor: Api, settings: Settings, claim: str, values: list[str], given: object, admin: bool
) -> None:
    settings.JWT_ADMIN_CLAIM, settings.JWT_ADMIN_VALUES = claim, values
    OrderFactory(user_id="2")
    found = visitor(token=token("1", **{claim: given})).get("orders/")
    assert len(found.json()) == (1 if admin else 0)


def test_an_admins_subject_need_be_no_user_id(visitor: Api) -> None:
    assert visitor(token=token("amara@example.com", role="admin")).get("orders/").status_code == 200


def test_a_token_that_was_let_in_is_kept_out_once_its_time_is_over(visitor: Api, settings: Settings) -> None:
    settings.JWT_LEEWAY = 0
    client = visitor(token=token("1", exp=int(time.time()) + 4))
    assert client.get("orders/").status_code == 200
    assert client.get("orders/").status_code == 200
    time.sleep(4.1)
    kept_out(client.get("orders/"), "token_expired")


def test_a_token_that_was_let_in_is_kept_out_once_its_key_is_another(visitor: Api, settings: Settings) -> None:
    settings.JWT_SHARED_KEY = ANOTHER_KEY
    client = visitor(token=token("1", key=ANOTHER_KEY))
    assert client.get("orders/").status_code == 200
    settings.JWT_SHARED_KEY = ANOTHER_KEY[::-1]
    kept_out(client.get("orders/"))


@pytest.mark.parametrize("header", [{"alg": "HS256", "crit": ["\ud800"]}, {"alg": "HS256", "kid": "\ud800"}])
def test_a_token_that_is_no_text_is_refused_in_text(visitor: Api, header: dict[str, Any]) -> None:
    kept_out(visitor(token=handmade({"typ": "JWT"} | header, claims_of(), b"k" * 32)).get("orders/"))


# --- a key set ---


@pytest.mark.parametrize(("algorithm", "key", "kid"), [("RS256", RSA, "r"), ("ES256", EC, "e")])
def test_a_token_signed_by_a_key_of_the_set_is_let_in(
    visitor: Api, key_server: RawServer, algorithm: str, key: Any, kid: str
) -> None:
    order = OrderFactory(user_id="7")
    found = visitor(token=signed(algorithm, key, kid, "7")).get(f"orders/{order.pk}")
    assert found.status_code == 200, found.text
    visitor(token=signed(algorithm, key, kid, "7")).get("orders/")
    assert len(key_server.requests) == 1


@pytest.mark.parametrize(
    "made",
    [
        signed("RS256", STRANGER, "r"),
        signed("RS256", RSA, "e"),
        signed("ES256", EC, "r"),
        signed("RS256", RSA, "unknown"),
        signed("RS256", RSA, None),
        signed("RS256", RSA, "r", type="refresh"),
        signed("RS512", RSA, "r"),
        signed("PS256", RSA, "r"),
    ],
    ids=[
        "stranger",
        "kid-of-another",
        "alg-of-another",
        "unknown-kid",
        "no-kid",
        "refresh",
        "RS512",
        "PS256",
    ],
)
def test_a_token_that_the_key_set_does_not_vouch_for_is_refused(visitor: Api, key_server: RawServer, made: str) -> None:
    kept_out(visitor(token=made).get("orders/"))


def test_an_expired_token_of_the_key_set_is_told_from_others(visitor: Api, key_server: RawServer) -> None:
    past = int(time.time()) - 60
    kept_out(visitor(token=signed("RS256", RSA, "r", exp=past)).get("orders/"), "token_expired")
    kept_out(visitor(token=signed("RS256", STRANGER, "r", exp=past)).get("orders/"), "token_invalid")


@pytest.mark.parametrize("shared", ["", ANOTHER_KEY])
@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
def test_a_public_key_is_never_taken_for_a_shared_one(
    visitor: Api, key_server: RawServer, settings: Settings, shared: str, encoding: Encoding
) -> None:
    settings.JWT_SHARED_KEY = shared
    public = RSA.public_key().public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo)
    for kid in ("r", "e"):
        forged = handmade({"alg": "HS256", "typ": "JWT", "kid": kid}, claims_of() | {"role": "admin"}, public)
        kept_out(visitor(token=forged).get("orders/"))


def test_the_secret_key_signs_no_tokens_where_only_a_key_set_is_configured(
    visitor: Api, key_server: RawServer, settings: Settings
) -> None:
    kept_out(visitor().get("orders/"))
    settings.JWT_SHARED_KEY = ANOTHER_KEY
    assert visitor(token=token("1", key=ANOTHER_KEY)).get("orders/").status_code == 200
    assert visitor(token=signed("RS256", RSA, "r")).get("orders/").status_code == 200
    kept_out(visitor().get("orders/"))


@pytest.mark.parametrize(
    "act",
    [None, answer(500, {}), answer(503, {}), answer(200, b"<html>"), answer(200, []), cut(), abort],
    ids=["down", "500", "503", "garbage", "list", "hangs-up", "resets"],
)
def test_tokens_are_not_judged_while_the_key_set_cannot_be_had(visitor: Api, settings: Settings, act: Any) -> None:
    made = signed("RS256", RSA, "r")
    if act is None:
        settings.JWT_JWKS_URL = dead_url()
        outage(visitor(token=made).get("orders/"))
        return
    with RawServer(act) as server:
        settings.JWT_JWKS_URL = f"{server.url}/jwks.json"
        outage(visitor(token=made).get("orders/"))


# --- the stub ---


def test_the_stub_takes_the_token_for_the_user(visitor: Api, settings: Settings) -> None:
    order = OrderFactory(user_id="7")
    settings.AUTH_STUB = True
    assert visitor(token="7").get(f"orders/{order.pk}").status_code == 200
    assert visitor(token="admin").get(f"orders/{order.pk}").status_code == 200
    problem(visitor(token="8").get(f"orders/{order.pk}"), 404)
    kept_out(visitor(token="-7").get("orders/"))
    kept_out(visitor().get("orders/", headers={"Authorization": None}), "not_authenticated")


@pytest.mark.parametrize("made", ["7", "admin"])
def test_without_the_setting_there_is_no_stub(visitor: Api, made: str) -> None:
    kept_out(visitor(token=made).get("orders/"))
