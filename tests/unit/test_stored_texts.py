"""What the database keeps in English, in the language of whoever reads it; and the words of refusals."""

import re

import pytest
from django.utils.translation import override

from orders.models import BulkState, Status, transition_names
from orders.services.stored_texts import KEPT, LONGEST, for_reader
from orders.services.words import (
    RUN_STATES,
    STATUSES,
    TRANSITIONS,
    in_english,
    run_state_word,
    status_word,
    transition_word,
)
from tests.marked_language import BEGIN, marked_german  # noqa: F401

REFUSED = "Cannot start processing an order that is shipped. It can become: delivered, refunded."


def in_german(text: str) -> str:
    with override("de"):
        return for_reader(text)


@pytest.mark.parametrize("text", [REFUSED, "Stopped by staff:anna.", "Rang at noon"])
def test_a_reader_of_english_sees_what_is_kept(text: str) -> None:
    assert for_reader(text) == text
    with override("en-gb"):
        assert for_reader(text) == text
    with override(None):
        assert for_reader(text) == text


@pytest.mark.usefixtures("marked_german")
@pytest.mark.parametrize("kept", [*map(str, KEPT)])
def test_every_sentence_that_is_kept_is_known_again_with_its_values(kept: str) -> None:
    values = {
        "items": "2 × Mug",
        "moment": "2026-03-29 14:05",
        "statuses": "paid",
        "status": "paid",
        "transition": "ship",
    }
    names = set(re.findall(r"%\((\w+)\)s", kept))
    assert in_german(kept % {name: values.get(name, "7") for name in names}).startswith(BEGIN)


@pytest.mark.usefixtures("marked_german")
@pytest.mark.parametrize(
    ("kept", "shown"),
    [
        (REFUSED, "⟦Cannot ⟦start processing⟧ an order that is ⟦shipped⟧.⟧ ⟦It can become: ⟦delivered⟧, ⟦refunded⟧.⟧"),
        ("2 × Mug. No. 5, large. Not restocked.", "2 × Mug. No. 5, large. ⟦Not restocked.⟧"),
        ("Shipment 1: UPS 1Z", "⟦Shipment 1: UPS 1Z⟧"),
        ("Until 2026-03-29 14:05 CEST: Money owed", "⟦Until 29.03.2026 14:05 CEST: Money owed⟧"),
        ("2 not released. inventory released 0 of 2", "⟦2 not released. ⟦inventory released 0 of 2⟧⟧"),
        ("Rang at noon. Ring again.", "Rang at noon. Ring again."),
        ("Until Friday, noon: nobody is there", "Until Friday, noon: nobody is there"),
        ("Return to sender", "Return to sender"),
        ("Return 2", "⟦Return 2⟧"),
        ("Cancelled: the customer has moved", "Cancelled: the customer has moved"),
        ("Cancelled: 2 × Mug", "⟦Cancelled: 2 × Mug⟧"),
        ("", ""),
    ],
)
def test_sentences_are_translated_one_by_one_and_what_is_not_ours_stays(kept: str, shown: str) -> None:
    assert in_german(kept).replace("⟦Money owed⟧", "Money owed") == shown


@pytest.mark.usefixtures("marked_german")
def test_a_text_of_very_many_sentences_is_not_searched_to_its_end() -> None:
    text = "No. " * LONGEST + "Not restocked."
    assert in_german(text) == text[: -len("Not restocked.")] + "⟦Not restocked.⟧"
    assert in_german(f"No. {text}") == f"No. {text}"


@pytest.mark.usefixtures("marked_german")
def test_the_words_of_refusals_are_the_codes_in_english_and_translated_for_others() -> None:
    assert set(STATUSES) == {status.value for status in Status}
    assert set(TRANSITIONS) == set(transition_names())
    assert set(RUN_STATES) == {state.value for state in BulkState}
    assert (status_word("pending"), transition_word("start_processing")) == ("pending", "start processing")
    assert [status_word(status.value) for status in Status] == [status.value for status in Status]
    assert [run_state_word(state.value) for state in BulkState] == [state.value for state in BulkState]
    with override("de"):
        assert status_word("pending") == "⟦pending⟧"
        with in_english():
            assert status_word("pending") == "pending"
