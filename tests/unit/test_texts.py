"""What texts may hold."""

import pytest

from orders.services.access import customer
from orders.services.acts import Act, InvalidReason
from orders.services.texts import cleaned, line_problem, lines_problem
from tests.functional.hostile.values import UNREADABLE


@pytest.mark.parametrize("text", [*UNREADABLE.values(), "\ud800", "\x7f", "a\u2069", "\u202c"], ids=ascii)
def test_what_cannot_be_seen_or_turns_the_text_round_is_refused(text: str) -> None:
    assert "not allowed" in str(line_problem(text))
    assert "not allowed" in str(lines_problem(text))
    with pytest.raises(InvalidReason) as refused:
        Act(customer("1"), None, text)  # type: ignore[arg-type]
    assert refused.value.members["errors"] == {"reason": [lines_problem(text)]}


@pytest.mark.parametrize("text", ["a\nb", "a\r\nb", "a\tb", "a\u2028b", "a\u2029b"], ids=ascii)
def test_line_breaks_and_tabs_are_for_texts_of_several_lines(text: str) -> None:
    assert line_problem(text)
    assert lines_problem(text) is None


@pytest.mark.parametrize(
    "text",
    ["רחוב הרצל 1", "شارع الملك ١", "می\u200cخواهم", "क्\u200dष", "Łódź", "東京都", "👩\u200d🌾", "1\u200e-2", ""],
)
def test_letters_of_every_script_are_welcome_with_what_joins_them(text: str) -> None:
    assert line_problem(text) is None
    assert lines_problem(text) is None


def test_a_name_of_a_file_is_told_with_question_marks() -> None:
    assert cleaned("or\x1bders\u202e\udcff.csv") == "or?ders??.csv"
