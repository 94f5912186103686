"""One user has one spelling here, whichever of the three formats his id has."""

import pytest

from orders.services.user_ids import MalformedUserId, canonical

UUID = "0d5f1c7e-3b2a-4c8e-9a10-5b6c7d8e9f00"


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
    ],
)
def test_an_id_has_one_spelling(given: str, spelt: str) -> None:
    assert canonical(given) == spelt
    assert canonical(spelt) == spelt


@pytest.mark.parametrize(
    "given",
    [
        "", " ", "-1", "+1", "1.0", "1e3", " 17", "17\n", "17 ", "1_000", "٣", "²", "0x10", "abc", "null",
        "12345678901234567890",  # 20 digits: neither an integer of any service nor an ObjectId
        "665f1c0a9b1e8a0012a4000", "665f1c0a9b1e8a0012a4000g", "665f1c0a9b1e8a0012a40001\n",
        UUID[:-1], UUID.replace("-", "", 1), f"{{{UUID}}}", f"urn:uuid:{UUID}", UUID + "\n",
        "1; drop table orders", "$ne", "a" * 10_000,
    ],
)  # fmt: skip
def test_what_is_none_of_the_formats_is_refused(given: str) -> None:
    with pytest.raises(MalformedUserId) as refused:
        canonical(given)
    assert refused.value.code == "malformed_user_id"
    assert "integer" in refused.value.detail
