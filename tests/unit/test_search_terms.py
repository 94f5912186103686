"""The words by which an order is found: which there are, and what of a spelling makes no difference."""

from decimal import Decimal
from typing import Any

import pytest

from orders.models import Address, Contact, Item, Order
from orders.services.order_queries import InvalidOrderQuery
from orders.services.search_terms import LONGEST_TERM, MOST_TERMS, terms_of
from orders.services.searching import MOST_WORDS, meanings_of
from orders.storage.term_index import Word

PRODUCT = "665f1c0a9b1e8a0012a40001"


def order(**fields: Any) -> dict[str, Any]:
    return {"number": "", "user_id": "", "items": []} | fields


def finds(text: str, document: dict[str, Any]) -> bool:
    """Whether a search finds an order, as the database would judge it by the order's terms."""
    terms = terms_of(document)

    def has(word: Word) -> bool:
        return any(whole in terms for whole in word.wholes) or any(
            term.startswith(begun) for term in terms for begun in word.beginnings
        )

    meant = meanings_of(text)
    return all(map(has, meant.words)) or (meant.code is not None and has(meant.code))


# --- spellings -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("Amara Okafor", ("amara", "AMARA", "okafor am", "Okafor,Amara".replace(",", " , "), "am ok", "a")),
        ("Tomasz Wiśniewski", ("wisniewski", "Wiśniewski", "WIS\u0301NIEWSKI", "tomasz wiś")),
        ("Hannah Weiß", ("weiß", "weiss", "WEISS", "WEIẞ", "weis")),
        ("Inês Carvalho", ("ines", "Inês", "INES carv")),
        ("Søren Kierkegård", ("soren", "søren kierkegard")),
        ("Łukasz Đorđević", ("lukasz", "dordevic", "Łukasz Dordević")),
        ("Æthelred Œuvre", ("aethelred", "oeuvre", "æthel œu")),
        ("Işıl Yılmaz İnan", ("isil", "yilmaz", "inan", "YILMAZ")),
        ("Zoë O’Brien-Núñez", ("zoe", "obrien", "o'brien", "brien", "nunez", "O'Brien-Nuñez", "obriennunez")),
        ("Жанна Ёлкина", ("жанна", "елкина", "ЁЛКИНА")),
        ("山田 太郎", ("山田", "山", "太郎 山田")),
        ("김철수", ("김철수", "김철")),
        ("ﬁona １２３４", ("fiona", "1234")),
    ],
)
def test_a_name_is_found_without_case_accents_or_punctuation(name: str, typed: tuple[str, ...]) -> None:
    document = order(contact={"name": name, "email": "", "phone": ""})
    for text in typed:
        assert finds(text, document), text
    assert not finds("b" + typed[0], document)
    assert not finds(f"{typed[0]} elsewhere", document), "all words are needed"


def test_a_word_is_found_by_its_beginning_only_and_a_run_without_blanks_as_a_whole() -> None:
    document = order(contact={"name": "Okafor 東京都千代田区"})
    assert finds("東京", document)
    assert not finds("kafor", document)
    assert not finds("千代田区", document)


@pytest.mark.parametrize(
    ("stored", "typed", "others"),
    [
        (
            "+44 (0)20 7946 0958",
            (
                "+44 20 7946 0958", "0044 20 7946 0958", "020 7946 0958", "(020) 7946-0958", "02079460958",
                "442079460958", "2079460958", "020 7946", "207946", "0958", "460958", "+44 (0)20 79460958",
            ),
            ("7946", "9580", "020 7947", "+44 21 7946 0958"),
        ),
        (
            "0171 1234567",
            ("0171 1234567", "+49 171 1234567", "0049 (0)171 1234567", "1711234567", "234567", "0171/12 34-567"),
            ("1234", "0172 1234567", "0171 1234568"),
        ),
        ("+1 (555) 010-9999", ("555 010 9999", "15550109999", "+1 555 010", "5550109999", "9999"), ("555 011", "0109")),
        ("+351 210 000 123", ("210000123", "+351210000123", "00351 210", "0123"), ("351 211", "1230")),
    ],
)  # fmt: skip
def test_a_phone_number_is_found_by_its_beginning_and_its_end_however_it_is_written(
    stored: str, typed: tuple[str, ...], others: tuple[str, ...]
) -> None:
    document = order(contact={"name": "", "email": "", "phone": stored})
    for text in typed:
        assert finds(text, document), text
    for text in others:
        assert not finds(text, document), text
    assert len(terms_of(document)) == 2


def test_an_email_address_is_found_by_its_parts_and_as_it_is_typed() -> None:
    document = order(contact={"name": "", "email": "Amara.Okafor@Shop.Example.com", "phone": ""})
    for text in (
        "amara.okafor@shop.example.com", "amara.okafor@", "AMARA.OK", "okafor", "amara okafor", "shop", "example",
        "amaraokafor",
    ):  # fmt: skip
        assert finds(text, document), text
    for text in ("com", "amara.okafor@elsewhere", "okafor@shop.examples"):
        assert not finds(text, document), text
    assert finds("somebody", order(contact={"email": "somebody"}))


@pytest.mark.parametrize(
    ("stored", "typed"),
    [
        ("SW1A 1AA", ("SW1A 1AA", "sw1a1aa", "sw1a", "SW1A-1AA", "1aa")),
        ("D-10115", ("D-10115", "10115", "d10115", "D 10115")),
        ("1100-053", ("1100-053", "1100053", "1100", "053")),
        ("604-8571", ("604-8571", "6048571", "〒604-8571")),
    ],
)
def test_a_postal_code_is_found_with_blanks_and_without(stored: str, typed: tuple[str, ...]) -> None:
    for text in typed:
        assert finds(text, order(shipping_address={"postal_code": stored, "city": "X"})), text
        assert finds(f"town {text}", order(billing_address={"postal_code": stored, "city": "Town"})), text


@pytest.mark.parametrize(
    ("fields", "typed"),
    [
        ({"number": "7KQF-2M9D-XW3H"}, ("7KQF-2M9D-XW3H", "7kqf2m9dxw3h", "7KQF-2M9D", "7kqf 2m9d", "7KQF")),
        ({"number": "OLD-4711"}, ("old-4711", "OLD4711", "4711", "old")),
        ({"reference": "WEB-2026-00123"}, ("web-2026-00123", "WEB-2026", "00123", "2026 web")),
        ({"user_id": "8"}, ("8",)),
        ({"user_id": "auth0|5f7c8ec7"}, ("auth0|5f7c8ec7", "auth05f7")),
        ({"items": [{"product_id": PRODUCT}]}, (PRODUCT, PRODUCT.upper(), "665f1c0a9b1e")),
        ({"items": [{"sku": "TWL-LIN.2"}, {"sku": "B"}]}, ("twl-lin.2", "twllin2", "TWL-", "lin b")),
        (
            {"items": [{"name": "Linen tea towel, set of 2"}]},
            ("towel", "tea tow", "Linen tea towel, set of 2", "linen 2"),
        ),
        ({"shipping_address": {"company": "Weiß & Söhne GmbH", "city": "São Paulo"}}, ("sohne", "weiss gmbh", "paulo")),
        ({"billing_address": {"name": "Mei Tanaka", "phone": "555 1234"}}, ("tanaka", "1234", "555-1234")),
    ],
)
def test_what_else_an_order_is_found_by(fields: dict[str, Any], typed: tuple[str, ...]) -> None:
    for text in typed:
        assert finds(text, order(**fields)), text


def test_few_digits_are_a_whole_word() -> None:
    """Nearly every order has a word that begins with a 1: a user's id or a house number would never be found."""
    document = order(number="1234-5678-9012", user_id="17", reference="170")
    assert finds("17", document)
    assert finds("170", document)
    assert not finds("1", document)
    assert not finds("123", document)
    assert finds("1234", document)


@pytest.mark.parametrize(
    "private", [{"note": "fragile"}, {"metadata": {"till": "fragile"}}, {"shipping_address": {"line1": "1 Fragile Rd"}}]
)
def test_notes_metadata_and_streets_are_not_searched(private: dict[str, Any]) -> None:
    assert not finds("fragile", order(**private))


# --- terms -----------------------------------------------------------------------------------------------------------


def test_an_order_and_its_document_have_the_same_terms_each_once_and_sorted() -> None:
    address = {"name": "Hannah Weiß", "city": "Köln", "postal_code": "D-50667", "line1": "1", "country": "Germany"}
    item = {"product_id": PRODUCT, "name": "Stoneware mug", "sku": "MUG-1"}
    document = {
        "number": "7KQF-2M9D-XW3H", "user_id": "9", "contact": {"name": "Hannah Weiß", "email": "", "phone": ""},
        "shipping_address": address, "items": [item, item],
    }  # fmt: skip
    terms = terms_of(document)
    assert terms == [
        "1", "50667", PRODUCT, "7kqf2m9dxw3h", "9", "d50667", "hannah", "koln", "mug1", "stoneware", "weiss",
    ]  # fmt: skip
    made = Order(
        number="7KQF-2M9D-XW3H",
        user_id="9",
        contact=Contact(name="Hannah Weiß"),
        shipping_address=Address(**address),
        items=[Item(**item, quantity=1, price=Decimal(1))],
    )
    assert terms_of(made) == terms


def test_however_much_an_order_says_its_terms_are_few_and_short() -> None:
    items = [
        {"product_id": f"{n:024x}", "sku": f"S{n}", "name": " ".join(f"{n}word{m}" for m in range(40))}
        for n in range(100)
    ]
    terms = terms_of(order(number="7KQF-2M9D-XW3H", contact={"name": "x" * 200}, items=items))
    assert 150 < len(terms) <= MOST_TERMS == 200
    assert max(map(len, terms)) == LONGEST_TERM == 40
    assert "7kqf2m9dxw3h" in terms
    assert "x" * 40 in terms
    assert all(item["product_id"] in terms for item in items)
    assert finds("x" * 199, order(contact={"name": "x" * 200}))


def test_an_order_that_says_nothing_has_no_terms() -> None:
    assert terms_of({}) == terms_of(Order()) == []
    assert terms_of(order(contact=None, billing_address=None, reference="---", items=None)) == []


# --- searches --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "total"),
    [
        ("64.90", "64.90"), ("64,90", "64.90"), ("€64.90", "64.90"), ("64,90€", "64.90"), ("1,234.50", "1234.50"),
        ("1.234,50", "1234.50"), ("1'234.50", "1234.50"), ("1234567.00", "1234567.00"), ("0.99", "0.99"),
    ],
)  # fmt: skip
def test_a_total_is_read_as_people_write_it(text: str, total: str) -> None:
    [word] = meanings_of(text).words
    assert word.total == Decimal(total)


@pytest.mark.parametrize("text", ["64", "64.9", "64.905", "1.2.3", "12,34.50", "64.90.1", "a64.90", "64.90b"])
def test_what_is_no_total_is_a_word(text: str) -> None:
    [word] = meanings_of(text).words
    assert word.total is None


@pytest.mark.parametrize("text", ["", " ", ".*", "$", "—", "~", "¿?", "x" * 201])
def test_a_search_without_a_letter_or_a_digit_is_refused(text: str) -> None:
    with pytest.raises(InvalidOrderQuery, match="Search for a name, e-mail address"):
        meanings_of(text)


def test_a_search_has_so_many_words_and_no_more() -> None:
    assert len(meanings_of("a " * MOST_WORDS).words) == MOST_WORDS
    with pytest.raises(InvalidOrderQuery, match="8 words at most"):
        meanings_of("a " * (MOST_WORDS + 1))


@pytest.mark.parametrize("text", ["$where", "{$gt:1}", "a.*b", "(a+)+", "[a-z]", "a\\b", "^a|b$", "terms.0", "a\x00b"])
def test_signs_of_a_query_or_a_pattern_are_no_part_of_a_word(text: str) -> None:
    for word in meanings_of(text).words:
        for part in (*word.beginnings, *word.wholes):
            assert part.lstrip("~").isalnum()
