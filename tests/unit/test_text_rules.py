"""What texts may hold, and as what they are kept."""

import sys

import pytest

from orders.models import Address, BulkRun
from orders.services.access import customer
from orders.services.audit import Act, InvalidReason
from orders.services.bulk.jobs import job_of
from orders.services.text_rules import (
    BLANKS,
    DROPPED,
    REFUSED,
    cleaned,
    line_problem,
    one_line,
    part_problems,
    problem_of,
    several_lines,
)
from tests.functional.hostile.values import UNREADABLE, UNSEEN

WALES = "\U0001f3f4\U000e0067\U000e0062\U000e0077\U000e006c\U000e0073\U000e007f"


@pytest.mark.parametrize("text", [*UNREADABLE.values(), "\ud800", "\x7f", "a\x0c", "\x1f"], ids=ascii)
def test_control_characters_and_halves_are_refused(text: str) -> None:
    for tidied in (one_line(text), several_lines(text)):
        assert "not allowed" in str(problem_of(tidied)), "at the ends too"
    with pytest.raises(InvalidReason) as refused:
        Act(customer("1"), None, text)  # type: ignore[arg-type]
    assert refused.value.members["errors"] == {"reason": [problem_of(text)]}


@pytest.mark.parametrize("text", UNSEEN.values(), ids=ascii)
def test_what_cannot_be_seen_or_turns_the_text_round_is_left_out(text: str) -> None:
    assert one_line(text) == several_lines(text) == "ab"
    assert Act(customer("1"), None, text).reason == "ab"  # type: ignore[arg-type]
    assert line_problem(text), "of a name by which somebody is known nothing is left out"


def test_no_character_at_all_is_kept_that_turns_the_text_round_or_is_refused() -> None:
    for first in range(0, sys.maxunicode + 1, 256):
        text = "".join(f"a{char}b" for char in map(chr, range(first, first + 256)) if problem_of(char) is None)
        for kept in (one_line(text), several_lines(text)):
            assert not REFUSED.search(kept), hex(first)
            assert not DROPPED.search(kept), hex(first)
    assert not any(char in one_line(f"a{char}b") for char in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@pytest.mark.parametrize("space", ["\n", "\r\n", "\t", "\x85", "\u2028", "\u2029", "\n\t\n"], ids=ascii)
def test_in_one_line_tabs_and_line_breaks_become_a_blank(space: str) -> None:
    assert one_line(f"{space}1 Way{space}Flat 2{space}") == "1 Way Flat 2"
    assert line_problem(f"a{space}b")


def test_no_blank_is_kept_at_the_ends() -> None:
    assert {" ", "\t", "\u00a0", "\u3000"} <= set(BLANKS)
    for blank in BLANKS:
        assert one_line(f"{blank}a{blank}") == several_lines(f"{blank} a {blank}") == "a", hex(ord(blank))


@pytest.mark.parametrize("text", ["\u200e", " \u200f\u00a0\u061c\n", "\u200d\u202e", "\u180e"], ids=ascii)
def test_of_joiners_and_marks_alone_nothing_is_kept(text: str) -> None:
    assert one_line(text) == several_lines(text) == ""
    assert line_problem(text)
    address = Address(name="Amara", line1="1 Way", city=text, country="PT")
    assert part_problems(address).keys() == {"city"}


def test_in_several_lines_they_stay() -> None:
    assert several_lines(" \na\r\nb\u2028c\td\u200b\n") == "a\nb\nc\td"


@pytest.mark.parametrize(
    "text",
    [
        *("רחוב הרצל 1", "شارع الملك ١", "می\u200cخواهم", "क्\u200dष", "Łódź", "東京都", "👩\u200d🌾", "1\u200e-2", ""),
        *(f"{WALES}!", "ᠬᠠᠷ\u180eᠠ", "\u0600\u0661"),
    ],
)
def test_letters_of_every_script_are_welcome_with_what_joins_them(text: str) -> None:
    assert one_line(text) == several_lines(text) == text
    assert problem_of(text) is None
    assert line_problem(text) is None


def test_what_a_telephone_puts_around_an_address_does_not_keep_it_from_being_shipped_to() -> None:
    address = Address(
        line1="\u2067רחוב הרצל 1\u2069", city="\u202bتل\tأبيب\u202c", postal_code="1\u200b", country="IL\n"
    )
    assert part_problems(address) == {}
    assert (address.line1, address.city, address.postal_code, address.country) == ("רחוב הרצל 1", "تل أبيب", "1", "IL")


def test_a_field_of_nothing_but_such_characters_is_empty() -> None:
    assert set(part_problems(Address(line1="\u2067\u2069", city="b", postal_code="1", country="IL"))) == {"line1"}


def test_a_name_of_a_file_is_told_with_question_marks() -> None:
    assert cleaned(one_line("or\x1bders\u202e\udcff\n.csv")) == "or?ders? .csv"


def test_a_run_that_was_stored_with_a_reason_of_before_these_rules_can_go_on() -> None:
    run = BulkRun(transition="pay", actor_kind="staff", actor_id="1", via="api", reason="wave\x1b 12\u202e\nsoon")
    assert job_of(run).act().reason == "wave? 12\nsoon"
