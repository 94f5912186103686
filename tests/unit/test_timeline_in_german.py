"""The timeline in German: sentences as people write them, in the words and numbers of that language."""

from datetime import timedelta
from decimal import Decimal

from django.utils.translation import override

from orders.admin import timeline
from orders.admin.timeline import SENTENCES, sentence
from orders.models import Payment, Shipment
from tests.unit.test_timeline import AT, entry, order


def test_the_timeline_is_told_in_german() -> None:
    known = order(
        shipments=[Shipment(at=AT, carrier="DHL", tracking_number="JD0123")],
        payments=[Payment(at=AT, amount=Decimal("1064.90"))],
    )
    told = {
        "nia hat Paket 1 mit DHL JD0123 versandt.": entry("ship_part"),
        "Der Dienst payments hat 1.064,90\xa0€ als bezahlt erfasst.": entry("pay", actor="service:payments"),
        "Der Kunde hat die Bestellung aufgegeben.": entry("place", actor="customer:17"),
        "nia hat die Bestellung als bezahlt markiert.": entry("pay", at=AT + timedelta(1)),
        "nia hat für Position 3 von Hand geklärt: Bestand freigegeben.": entry("resolve", line=2, target="released"),
        "Position 1: Bestand nicht bestätigt.": entry("stock", line=0, target="unknown"),
    }
    with override("de"):
        assert [sentence(known, one) for one in told.values()] == list(told)
        days = timeline.timeline(order(entry("place"), entry("note")), AT + timedelta(hours=1)).recent
    assert [day.name for day in days] == ["Heute, Sonntag, 29. März 2026"]


def test_every_sentence_of_the_timeline_is_german() -> None:
    with override("en"):
        english = {act: str(told) for act, told in SENTENCES.items()}
    with override("de"):
        assert [act for act, told in english.items() if told == str(SENTENCES[act])] == []
