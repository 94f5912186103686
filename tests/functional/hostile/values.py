"""What attackers, broken clients and careless scripts send."""

import json
from dataclasses import dataclass
from typing import Any

UNREADABLE = {
    "NUL": "a\x00b",
    "escape": "a\x1b[31mb",
    "backspace": "a\x08b",
    "C1 control": "a\x9bb",
}
"""Texts that no field takes."""

UNSEEN = {
    "override": "a\u202eb",
    "embedding": "a\u202ab",
    "isolate": "a\u2066b",
    "no width": "a\u200bb\ufeff",
    "tags": "a\U000e0041\U000e007fb",
}
"""Texts of which fields of text keep the letters; no other field takes them."""

PLAIN = {
    "operator as text": '{"$ne": null}',
    "where": "$where: 'sleep(10000)'",
    "dotted": "a.$b.c",
    "expression": "{{7*7}}${7*7}",
    "markup": "<script>alert(1)</script>",
    "quotes": "'\"; return true; //",
    "percent": "%00%ff%u202e",
    "path": "../../../../etc/passwd",
}
"""Texts that are nothing but texts."""

NUMBERS = {
    "beyond 64 bits": str(2**63),
    "below 64 bits": str(-(2**63) - 1),
    "400 digits": "1" + "0" * 400,
    "5000 digits": "9" * 5000,
    "negative": "-1",
    "NaN": "NaN",
    "Infinity": "Infinity",
    "1e999": "1e999",
    "1e-999": "1e-999",
    "nothing, with a huge exponent": "0e99999999999999999999",
    "an exponent beyond Decimal's": "1e99999999999999999999",
    "a negative one beyond Decimal's": "1e-99999999999999999999",
    "Arabic digit": "\u0663",
    "underscore": "1_0",
    "hexadecimal": "0x10",
}
"""Numbers, or what passes for them, as they stand in an address or a form."""

LONG = {"long": "x" * 100_000}
BROKEN = [b"\xff\xfe", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf5\x80\x80\x80", b"a\xe2\x80\xaeb", b"\x80"]
"""What is no UTF-8, surrogates and overlong forms among it; and an override that is."""
TEXTS = UNREADABLE | UNSEEN | PLAIN | NUMBERS | LONG


@dataclass(frozen=True)
class Json:
    """A value as it stands in a JSON body, which Python's own writer might refuse to write."""

    name: str
    text: str


def _written(values: dict[str, Any]) -> list[Json]:
    return [Json(name, json.dumps(value)) for name, value in values.items()]


STRUCTURES = {
    "$ne": {"$ne": None},
    "$gt": {"$gt": ""},
    "$where": {"$where": "sleep(10000)"},
    "$in": {"$in": [None, ""]},
    "dotted key": {"a.b": 1, "$set.x": 2},
    "list of operators": [{"$ne": None}],
    "empty object": {},
    "empty list": [],
    "nested list": [[[[]]]],
}
RAW = [
    Json("NaN", "NaN"),
    Json("Infinity", "Infinity"),
    Json("-Infinity", "-Infinity"),
    Json("1e999", "1e999"),
    Json("-1e999", "-1e999"),
    Json("nothing, with a huge exponent", "0e99999999999999999999"),
    Json("nothing, with an exponent that Decimal takes", "0e9999999"),
    Json("an exponent beyond Decimal's", "1e99999999999999999999"),
    Json("a negative one beyond Decimal's", "-1e-99999999999999999999"),
    Json("a long fraction", "0." + "1" * 5000),
    Json("400 digits", "1" + "0" * 400),
    Json("5000 digits", "9" * 5000),
    Json("lone surrogate", '"a\\ud800b"'),
    Json("lone low surrogate", '"\\udc00"'),
    Json("100,000 lists deep", "[" * 100_000 + "]" * 100_000),
    Json("100,000 objects deep", '{"a":' * 100_000 + "1" + "}" * 100_000),
    Json("open end", "[" * 100_000),
    Json("same name twice", '{"a": 1, "a": 2}'),
    Json("invalid escape", '"\\x"'),
    Json("bare word", "undefined"),
    Json("raw control character", '"a\x01b"'),
]
WITHOUT = _written(UNSEEN)
NEVER = [*_written(STRUCTURES), *RAW, *_written(UNREADABLE), *_written(LONG)]
"""What no field of any body takes."""
