"""One user has one spelling here, whatever format their id has."""

import pytest

from orders.services.user_ids import MalformedUserId, canonical

UUID = "0d5f1c7e-3b2a-4c8e-9a10-5b6c7d8e9f00"


TEXTS = (
    "auth0|5f7c8ec7c33c6c004bbafe82", "google-oauth2|103547991597142817347", "user_2NNEqL2nrIRdJ194ndJqAHwEfxC",
    "Alice@Example.com", "alice+shop@example.com", "\u00e9milie", "田中", "ACME / 17", "a", "0x10", "a" * 128,
    "12345678901234567890a", "665f1c0a9b1e8a0012a4000g", UUID[:-1], "$ne", "a.b", "%2f", "..a",
)  # fmt: skip
"""Ids of other user services: each is its own spelling, capitals included."""


@pytest.mark.parametrize(
    ("given", "spelt"),
    [
        ("1", "1"),
        ("017", "17"),
        ("0", "0"),
        ("0000000000000000001", "1"),
        ("9223372036854775807", "9223372036854775807"),
        ("665F1C0A9B1E8A0012A40001", "665f1c0a9b1e8a0012a40001"),
        ("665f1c0a9b1e8a0012a40001", "665f1c0a9b1e8a0012a40001"),
        ("000000000000000000000017", "000000000000000000000017"),
        (UUID, UUID),
        (UUID.upper(), UUID),
        (UUID.replace("-", ""), UUID),
        *((text, text) for text in TEXTS),
    ],
)
def test_an_id_has_one_spelling(given: str, spelt: str) -> None:
    assert canonical(given) == spelt
    assert canonical(spelt) == spelt


@pytest.mark.parametrize(
    "given",
    [
        "", " ", "a" * 129, "a" * 10_000,
        # other spellings of a number
        "-1", "+1", "1.0", " 17", "17\n", "17 ", "1_000", "\u0663", "\u00b2", "12345678901234567890", "1,000", "1|7",
        # other spellings of a UUID
        UUID.replace("-", "", 1), f"{{{UUID}}}", f"urn:uuid:{UUID}", UUID + "\n",
        # other spellings of a text, or what looks like one
        " auth0|1", "auth0|1 ", "auth0|1\n", "auth0|\u00a01", "e\u0301milie", "\u212bngstr\u00f6m", "a\u200bb",
        "a\u202eb", "a\tb", "a\x00b", "a\ud800", "\ufeffa", "a\u00adb",
    ],
)  # fmt: skip
def test_what_is_no_id_or_not_in_its_one_spelling_is_refused(given: str) -> None:
    with pytest.raises(MalformedUserId) as refused:
        canonical(given)
    assert refused.value.code == "malformed_user_id"
    assert "integer" in refused.value.detail
