"""Examining what the peers answer, without changing anything: what is good, what will do, which field is wrong."""

import ssl
import uuid
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId
from pytest_django import Settings

from integrations import peer_requests
from integrations.answer import Answer
from integrations.sandbox import Sandbox
from orders.services.examination import reads
from orders.services.examination.findings import Finding, Verdict, beside, exit_code
from orders.services.examination.questions import CALLS
from orders.services.examination.suggestions import suggestions
from tests.certificates import self_signed
from tests.integration.builders import A
from tests.raw_server import RawServer, answer, deaf_server

OK, NOTE, WRONG, OPEN, SKIPPED = Verdict
PEERS = ("USER", "PRODUCT", "INVENTORY")


def examined(user_id: str | None = "1", product_id: str | None = A) -> list[Finding]:
    return list(reads.examine(reads.reaches(), user_id=user_id, product_id=product_id))


def one(findings: list[Finding], call: str, case: str) -> Finding:
    """The finding of a call in a case that begins so."""
    [found] = [finding for finding in findings if finding.call == call and finding.case.startswith(case)]
    return found


def test_peers_as_they_should_be_are_found_so(sandbox: Sandbox) -> None:
    findings = examined()
    assert {finding.verdict for finding in findings} == {OK}
    assert exit_code(findings) == 0
    told = [(finding.peer, finding.call, finding.statuses, len(finding.seconds)) for finding in findings]
    assert told == [
        *((peer, "connect", (), 0) for peer in ("users", "products", "inventory")),
        ("users", "verify", (200,), CALLS),
        ("users", "verify", (200,), CALLS),
        ("products", "product", (200,), CALLS),
        ("products", "product", (404,), CALLS),
        ("products", "product", (500,), CALLS),
        ("inventory", "check", (200,), CALLS),
        ("inventory", "stock", (200,), CALLS),
        ("inventory", "check", (200,), CALLS),
        ("inventory", "stock", (404,), CALLS),
    ]
    assert one(findings, "verify", "user 1").found == "an active user; with name, email"
    assert (
        one(findings, "product", f"product {A}").found
        == "price 14.90, exact; with name, sku; without image_url, currency"
    )
    assert one(findings, "stock", "product").found == "1800 available, 0 reserved"
    assert 0 < one(findings, "check", "product").median_ms <= one(findings, "check", "product").slowest_ms  # type: ignore[operator]
    assert set(sandbox.control.counts()) == {"verify", "product", "check", "stock"}, "nothing was changed"


def test_without_ids_it_is_said_what_could_not_be_asked(sandbox: Sandbox) -> None:
    findings = examined(None, None)
    left_out = [(finding.call, finding.found) for finding in findings if finding.verdict is SKIPPED]
    assert [call for call, _ in left_out] == ["verify", "product", "check", "stock"]
    assert ["--user" in told or "--product" in told for _, told in left_out] == [True] * 4
    assert exit_code(findings) == 0


def test_who_or_what_was_named_must_exist(sandbox: Sandbox) -> None:
    findings = examined("12", str(ObjectId()))  # the user is not active
    wrong = [(finding.call, finding.found) for finding in findings if finding.verdict is WRONG]
    assert wrong == [
        ("verify", "no active user of that id"),
        ("product", "no such product"),
        ("stock", "no such product"),
    ]
    assert one(findings, "verify", "user 12").came == "{valid: false}"


@pytest.mark.parametrize(
    ("fault", "told", "came"),
    [
        ({"kind": "status", "status": 418}, "2 of 2 calls: answered 418", "{detail: text}"),
        ({"kind": "garbage"}, "something that is not JSON", "25 bytes; it answered something that is not JSON"),
        ({"kind": "wrong"}, "answered something unexpected", "{status: text, data: list}"),
        ({"kind": "drop_before"}, "no complete answer", ""),
        ({"kind": "wrong", "times": 1}, "1 of 5 calls: answered something unexpected", None),
    ],
)
@pytest.mark.parametrize(
    ("call", "case", "member"),
    [
        ("verify", "user 1", "`valid`: true or false"),
        ("product", f"product {A}", "`price`: above 0"),
        ("check", "product", "`available`: true or false"),
        ("stock", "product", "`available_quantity`"),
    ],
)
def test_of_a_wrong_answer_it_is_told_what_was_expected_and_what_came(
    sandbox: Sandbox,
    settings: Settings,
    call: str,
    case: str,
    member: str,
    fault: dict[str, Any],
    told: str,
    came: str | None,
) -> None:
    settings.BREAKER_THRESHOLD = 1  # which keeps nothing from being asked
    sandbox.control.fault(call, **fault)
    findings = examined()
    found = one(findings, call, case)
    assert found.verdict is WRONG
    assert told in found.found
    assert exit_code(findings) == 1
    if came is not None:
        assert found.came == came
    if found.came:
        assert member in found.expected


@pytest.mark.parametrize(
    ("known", "verdict", "told"),
    [
        ({"price": "0.30000000000000004"}, NOTE, "not exact: a floating-point number, taken as 0.30"),
        ({"price": "19.995"}, NOTE, "more than two decimals: orders must be placed at 20.00"),
        ({"price": "20.000"}, OK, "price 20.000, exact"),
        ({"currency": "USD"}, WRONG, "its currency, USD, is not one of CURRENCIES"),
        ({"currency": "EUR", "sku": "S", "image_url": "http://a.example/1"}, OK, "with name, sku, image_url, currency"),
        ({"image_url": "javascript:alert(1)"}, OK, "image_url (not usable)"),
    ],
)  # fmt: skip
def test_of_a_product_it_is_told_what_becomes_of_it(
    sandbox: Sandbox, known: dict[str, str], verdict: Verdict, told: str
) -> None:
    sandbox.control.put_product(A, **{"name": "Thing", "price": "1.00", **known}, available=1)  # type: ignore[arg-type]
    found = one(examined(), "product", f"product {A}")
    assert found.verdict is verdict
    assert told in found.found


EVERYTHING = {"valid": True, "full_name": "A", "email": "not an address", "price": 1, "available": True}
EVERYTHING |= {"available_quantity": 5, "reserved_quantity": 0}


def test_a_peer_that_knows_whatever_it_is_asked_for_is_no_peer(settings: Settings) -> None:
    with RawServer(answer(200, EVERYTHING)) as server:
        for peer in PEERS:
            setattr(settings, f"{peer}_SERVICE_URL", server.url)
        findings = examined("auth0|5f7c8ec7", A)
    verdicts = [(finding.call, finding.verdict) for finding in findings if finding.call != "connect"]
    assert verdicts == [
        ("verify", OK), ("verify", WRONG), ("product", OK), ("product", WRONG), ("product", WRONG),
        ("check", NOTE), ("stock", OK), ("check", WRONG), ("stock", WRONG),
    ]  # fmt: skip
    assert "email (not usable)" in one(findings, "verify", "user").found


def test_no_units_of_an_unknown_product_will_do(settings: Settings, sandbox: Sandbox) -> None:
    with RawServer(answer(200, {"available": False, "available_quantity": 0, "reserved_quantity": 0})) as server:
        settings.INVENTORY_SERVICE_URL = server.url
        assert one(examined(product_id=None), "stock", "unknown").verdict is NOTE


@pytest.mark.parametrize(
    "like", [None, "17", "665f1c0a9b1e8a0012a40001", "7c9e6679-7425-40de-944b-e07fc1f90ae7", "auth0|5f7c8ec7"]
)
def test_an_unknown_user_is_one_of_the_format_of_a_known_one(like: str | None) -> None:
    unknown = reads.unknown_user(like)
    assert unknown != like
    if like is None or like.isdecimal():
        assert 2**30 < int(unknown) < 2**31
    elif ObjectId.is_valid(like):
        assert ObjectId.is_valid(unknown)
    else:
        uuid.UUID(unknown)


def test_only_the_kinds_of_members_are_shown_and_not_too_many(settings: Settings, sandbox: Sandbox) -> None:
    body = {"a": None, "b": True, "c": 1, "d": 1.5, "e": "secret@example.com", "f": {}, "\x1b[31m": []}
    with RawServer(answer(200, body | {f"more {number}": 0 for number in range(8)})) as server:
        settings.USER_SERVICE_URL = server.url
        found = one(examined(), "verify", "user 1")
    assert found.came.startswith("{a: null, b: true, c: integer, d: number, e: text, f: object, [31m: list, more 0")
    assert found.came.endswith(", and 3 more}")


def test_a_backend_of_ones_own_is_not_told_which_members_to_have(settings: Settings) -> None:
    settings.USER_BACKEND = "shop.peers.Users"
    wrong = Finding("users", "verify", "user 1", WRONG, "no active user of that id", "an active user")
    assert beside([Answer(200, {}, b"{}")], wrong).expected == "an active user"


# --- reaching them ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("", "USER_SERVICE_URL is not set"),
        ("ftp://users.example", "USER_SERVICE_URL holds no usable URL"),
        ("http://127.0.0.1:1/api/v1", "not reached: [Errno 111] Connection refused"),
        ("https://name:secret@nowhere.invalid/api", "not reached: "),
    ],
)
def test_a_peer_that_is_not_reached_is_asked_nothing(settings: Settings, sandbox: Sandbox, url: str, told: str) -> None:
    settings.USER_SERVICE_URL = url
    findings = examined()
    found = (
        one(findings, "connect", url.replace("name:secret@", "") or "USER_SERVICE_URL")
        if "ftp" not in url
        else findings[0]
    )
    assert (found.verdict, exit_code(findings)) == (OPEN, 2)
    assert told in found.found
    assert "secret" not in repr(findings)
    assert "verify" not in sandbox.control.counts()
    for allowed, told in ((True, "would be placed unverified"), (False, "no order could be placed")):
        settings.ALLOW_UNVERIFIED_USERS = allowed
        [unverified] = [each for each in suggestions(findings) if each.setting == "ALLOW_UNVERIFIED_USERS"]
        assert told in unverified.because


def test_a_peer_that_does_not_accept_a_connection_is_not_reached(settings: Settings, sandbox: Sandbox) -> None:
    settings.PEER_CONNECT_TIMEOUT = 0.3
    with deaf_server() as url:
        settings.PRODUCT_SERVICE_URL = url
        assert one(examined(), "connect", url).found == "not reached: timed out"


def test_plain_http_to_another_machine_is_noted(settings: Settings, sandbox: Sandbox) -> None:
    settings.USER_SERVICE_URL = sandbox.url.replace("127.0.0.1", "0.0.0.0")  # noqa: S104 - to which one can connect
    found = one(examined(), "connect", "http://0.0.0.0")
    assert (found.verdict, found.found) == (NOTE, "reached over plain HTTP")


@pytest.mark.parametrize(
    ("days", "trusted", "verdict", "told"),
    [
        (90, True, OK, "TLSv1.3, certificate of CN=127.0.0.1 by CN=127.0.0.1, until 20"),
        (3, True, NOTE, "until"),
        (90, False, WRONG, "its certificate is not accepted: self-signed certificate; certificate of CN=127.0.0.1"),
    ],
)
def test_of_tls_it_is_told_which_certificate_answers(
    settings: Settings,
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    days: int,
    trusted: bool,
    verdict: Verdict,
    told: str,
) -> None:
    file = self_signed(tmp_path, days)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with RawServer(answer(200, {"valid": True}), tls=context) as server:
        settings.USER_SERVICE_URL = server.url
        findings = examined()
        peer_requests.reset()  # it hangs up last
    found = one(findings, "connect", server.url)
    assert found.verdict is verdict
    assert told in found.found
    assert bool(server.requests) is trusted, "nothing is sent to who is not who they say"
