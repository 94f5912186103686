"""What `If-Match` and `If-None-Match` are read as: RFC 9110 sections 8.8.3, 13.1.1 and 13.1.2."""

import re
import time
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from orders.api.parameters import expected_versions, none_match

LONGEST = 8190
"""Bytes of a header line that gunicorn takes."""
PIECES = ['"', "W/", "w/", ",", " ", "\t", "*", "3", "0", "-gzip", ";br", "\\", "\x7f", "\x80", "\xff", "é", "x", "\n"]
texts = st.text(st.characters(max_codepoint=0xFF)) | st.lists(st.sampled_from(PIECES)).map("".join)


def request(**headers: str) -> Request:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    meta = {f"HTTP_{name.upper()}": value for name, value in headers.items()}
    return cast("Request", SimpleNamespace(headers=named, META=meta))


def named(given: str) -> Any:
    """The versions that `If-Match` names, "any", or "malformed"."""
    try:
        found = expected_versions(request(If_Match=given))
    except ValidationError:
        return "malformed"
    return "any" if found is None else set(found)


@pytest.mark.parametrize(
    ("given", "versions"),
    [
        ('"3"', {3}),
        ('W/"3"', {3}),
        ('"3", "5"', {3, 5}),
        ('"3",W/"5"', {3, 5}),
        (' \t"3" \t,\t "5" ', {3, 5}),
        (',, "3" , ,"5",', {3, 5}),
        ('"0"', {0}),
        ('"999999999"', {999_999_999}),
        ("*", "any"),
        (" * ", "any"),
        ("", set()),
        (" , ,", set()),
    ],
)
def test_lists_of_strong_and_weak_tags_are_read(given: str, versions: object) -> None:
    assert named(given) == versions


@pytest.mark.parametrize("coding", ["-gzip", "--gzip", ";gzip", "-br", "-zstd", "--deflate"])
def test_a_tag_to_which_an_intermediary_added_its_coding_is_ours(coding: str) -> None:
    assert named(f'"3{coding}"') == named(f'W/"3{coding}"') == {3}


@pytest.mark.parametrize(
    "foreign",
    [
        *('""', '"one"', '"-1"', '"03"', '"+3"', '"1.0"', '"*"', '"W/3"', '"3,5"', '"\xe9"', '"\xb3"', '"3-"', '"3-x"'),
        *('"-gzip"', '"3-gzip-gzip"', '"3\\"', f'"{"1" * 10}"', f'"{"1" * 5000}"'),
    ],
    ids=lambda tag: tag[:9],
)
def test_a_tag_that_is_none_of_ours_names_no_version(foreign: str) -> None:
    assert named(foreign) == set()
    assert named(f'{foreign}, "7"') == {7}


@pytest.mark.parametrize(
    "malformed",
    [
        *("3", '"3', '3"', '"3" "5"', '"3";"5"', 'w/"3"', 'W/ "3"', "W/3", 'W"3"', '*, "3"', '"3", *', "**", "'3'"),
        *('"a\x7f"', '"3 -gzip"', '"3"\n', '"3"\n,"5"', '"3"x', 'x"3"', "\xff\xfe", "\xa0"),
    ],
)
def test_what_is_no_list_of_tags_is_refused_by_if_match_and_names_nothing_in_if_none_match(malformed: str) -> None:
    assert named(malformed) == "malformed"
    assert not any(none_match(request(IF_NONE_MATCH=malformed), version) for version in (3, 5))


def test_without_the_header_any_version_will_do_and_none_is_known() -> None:
    assert expected_versions(request()) is None
    assert not none_match(request(), 3)


def by_hand(text: str) -> Any:
    """Read a list of entity tags one character after another; the opaque parts, "any" or "malformed"."""
    if text.strip(" \t") == "*":
        return "any"
    tags: list[str] = []
    rest, separated = text, True
    while rest:
        if rest[0] in " \t,":
            separated |= rest[0] == ","
            rest = rest[1:]
            continue
        rest = rest.removeprefix("W/")
        opaque, closed, after = rest[1:].partition('"')
        if not (separated and rest.startswith('"') and closed) or any(c <= " " or c == "\x7f" for c in opaque):
            return "malformed"
        tags.append(opaque)
        rest, separated = after, False
    return tags


@settings(derandomize=True, deadline=None, max_examples=500)
@given(texts)
@example('"3" "5"')
@example('W/"3-gzip" ,')
def test_any_header_is_read_as_the_grammar_has_it(text: str) -> None:
    read, found = by_hand(text), named(text)
    if isinstance(read, str):
        assert found == read
    else:
        assert found <= {int(tag) for tag in map(without_coding, read) if tag.isdecimal()}
        assert found >= {number for number in range(100) if str(number) in read}
    known = {version for version in range(100) if none_match(request(IF_NONE_MATCH=text), version)}
    assert known == (
        set(range(100)) if read == "any" else set(found) & set(range(100)) if read != "malformed" else set()
    )


def without_coding(opaque: str) -> str:
    return re.split("[-;]", opaque, maxsplit=1)[0]


@pytest.mark.parametrize(
    "long",
    ['"1"{ }', "{, }", '{"}', '{W/"}', '{"1",}', '"1"{\t ,}', '"{1}', '{"1" , }', '"1"{\t}"2"'],
)
def test_a_long_header_takes_no_time(long: str) -> None:
    """What stands in braces comes as often as there is room."""
    before, repeated, after = re.split("[{}]", long)
    began = time.process_time()
    for end in ("", "x", '"', '"1"x'):
        named(before + repeated * (LONGEST // len(repeated)) + after + end)
    assert time.process_time() - began < 0.1
