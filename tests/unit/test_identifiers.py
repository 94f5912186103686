"""One user has one spelling here, whatever format their id has; of what people type, much is forgiven."""

import pytest
from bson import ObjectId

from orders.services.identifiers import MalformedUserId, canonical, object_id, order_typed, user_typed

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


AN_ID = ObjectId("665f1c0a9b1e8a0012a40001")


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("7KQF-2M9D-XW3H", "7KQF-2M9D-XW3H"),
        ("SO-2024-000123", "SO-2024-000123"),
        ("so-2024-000123", "so-2024-000123"),
        ("#1042", "1042"),
        ("  7KQF 2M9D\u00a0XW3H\r\n", "7KQF2M9DXW3H"),
        *((f"7KQF{dash}2M9D{dash}XW3H", "7KQF-2M9D-XW3H") for dash in "-\u2010\u2011\u2012\u2013\u2014\u2212\uff0d"),
        *((f"{prefix}7KQF-2M9D-XW3H", "7KQF-2M9D-XW3H") for prefix in (
            "order ", "Order: ", "ORDER #", "Order no. ", "order no.", "order nr ", "Order number: #", "order id ",
        )),
        *((f"{mark}7KQF{mark}-2M9D-XW3H{mark}", "7KQF-2M9D-XW3H") for mark in
          "\u200b\u200c\u200d\u200e\u200f\u2060\u202a\u202c\u2066\u2069\u061c\ufeff\u00ad"),
        ("ORDER-12", "ORDER-12"),
        ("no-12", "no-12"),
        ("7-K-Q-F-2-M-9-D-X-W-3-H", "7-K-Q-F-2-M-9-D-X-W-3-H"),
        (str(AN_ID), AN_ID),
        (str(AN_ID).upper(), AN_ID),
        (f" order id: \u200e{AN_ID}\u200f ", AN_ID),
        (f"#{AN_ID}", AN_ID),
    ],
)  # fmt: skip
def test_what_people_type_is_read_as_the_order_that_they_mean(typed: str, read: ObjectId | str) -> None:
    assert order_typed(typed) == read


@pytest.mark.parametrize(
    "typed",
    [
        "", " ", "#", "-", "order", "Order no.", "nonsense", "order_id", "one\x002", "1\x1b[2J", "1\ud800",
        str(AN_ID)[:-1], f"{AN_ID}0", f"{AN_ID} {AN_ID}", UUID, "1" * 15, "1 " * 101, "1" + " " * 200,
    ],
)  # fmt: skip
def test_what_can_be_no_order_is_not_guessed(typed: str) -> None:
    assert order_typed(typed) is None


def test_ids_are_read_with_blanks_and_marks() -> None:
    assert object_id(f" \u200e{str(AN_ID).upper()}\u200f\n") == AN_ID
    assert (object_id(str(AN_ID)[1:]), object_id(f"{AN_ID}!"), object_id("")) == (None, None, None)
    assert (user_typed(" \u200f0017\u200e "), user_typed("\ufeffAlice@Example.com ")) == ("17", "Alice@Example.com")


def test_a_number_of_our_own_without_a_digit_is_read_too() -> None:
    assert order_typed("ZNYD-XYCF-TFCY") == "ZNYD-XYCF-TFCY"
    assert order_typed("order no. znydxycftfcy") == "znydxycftfcy"
    assert order_typed("znyd xycf tfc") is None
