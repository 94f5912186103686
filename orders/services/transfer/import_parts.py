"""The rules for what people read of a historical order: contact, addresses, product names, currency and so on.

They are those of placement, but for the currency. What a file says nothing of is left out of the document, as in orders
that were placed before there was such a thing.
"""

from babel.numbers import list_currencies

from orders.models import Address, Contact, Document, Item, Order
from orders.services.lifecycle.drafts import MOST_METADATA, RECIPIENT, metadata_problem, tidied_metadata
from orders.services.lifecycle.frozen_facts import image_address, longest
from orders.services.tags import stored_tags, tags_problem, tags_typed
from orders.services.text_rules import SHAPES, shape_problem
from orders.services.transfer.file_format import ITEM_COLUMNS, PARTS
from orders.services.transfer.import_fields import Fields, shown

CURRENCIES = frozenset(list_currencies())
"""Also former ones, and those in which the shop takes no orders: these are historical orders."""


def _columns(part: str, model: type[Address | Contact]) -> list[tuple[str, str, int, bool]]:
    """The columns of a part: each with its field, the field's length, and whether the part needs it."""
    names = PARTS[part].items()
    return [(column, name, longest(model, name), not model._meta.get_field(name).blank) for column, name in names]


COLUMNS = {
    "contact": _columns("contact", Contact),
    "shipping_address": _columns("shipping_address", Address),
    "billing_address": _columns("billing_address", Address),
}
LENGTHS = {name: longest(Item, name) for name in ITEM_COLUMNS.values()}
LONGEST_REFERENCE = Order._meta.get_field("reference").max_length or 0
LONGEST_NOTE = Order._meta.get_field("note").max_length or 0


def people_and_places(fields: Fields) -> Document:
    """Contact and addresses, as they are stored. An order whose personal data was erased needs no address."""
    shipping = _part(fields, "shipping_address", complete=not fields.any_given(["erased_at"]))
    if not any(shipping[name] for name in RECIPIENT):
        shipping = {name: text for name, text in shipping.items() if name not in RECIPIENT}
    others = {
        part: _part(fields, part, complete=True)
        for part in ("contact", "billing_address")
        if fields.any_given(PARTS[part])
    }
    return {"shipping_address": shipping, **others}


def _part(fields: Fields, part: str, *, complete: bool) -> dict[str, str]:
    texts = {
        name: fields.text(column, most=most, needed=needed and complete) for column, name, most, needed in COLUMNS[part]
    }
    column_of = {name: column for column, name in PARTS[part].items()}
    for name in SHAPES.keys() & texts.keys():
        if problem := shape_problem(name, texts[name]):
            fields.note(column_of[name], f"{shown(texts[name])}: {problem}")
    return texts


def details(fields: Fields) -> Document:
    """Currency, note, metadata and tags, as they are stored."""
    found = {
        "currency": _currency(fields),
        "note": fields.text("note", most=LONGEST_NOTE, lines=True),
        "metadata": _metadata(fields),
        **_tags(fields),
    }
    return {name: value for name, value in found.items() if value}


def _currency(fields: Fields) -> str:
    code = fields.text("currency", most=LONGEST_NOTE)
    if code and code not in CURRENCIES:
        fields.note("currency", f"{shown(code)} is not the code of a currency (ISO 4217), e.g. EUR")
    return code


def _metadata(fields: Fields) -> dict[str, str]:
    given = fields.mapping("metadata")
    if len(given) > MOST_METADATA:
        fields.note("metadata", f"it has {len(given)} entries, {MOST_METADATA} at most are allowed")
        return {}
    strange = {name: value for name, value in given.items() if not isinstance(value, str)}
    for name, value in strange.items():
        fields.note("metadata", f"{shown(name)}: {shown(value)} is not a text")
    metadata = tidied_metadata({name: text for name, text in given.items() if name not in strange})
    for name, text in metadata.items():
        if problem := metadata_problem(name, text):
            fields.note("metadata", f"{shown(name)}: {problem}")
    return metadata


def _tags(fields: Fields) -> dict[str, list[str]]:
    tags = tags_typed(",".join(fields.texts("tags")))
    if problem := tags_problem(tags):
        fields.note("tags", problem)
    return stored_tags(tags)


def product_texts(fields: Fields) -> dict[str, str]:
    """What the product of a line is called, as the line has it; empty if the file does not say it."""
    if not fields.any_given(ITEM_COLUMNS):
        return {}
    texts = {name: fields.text(column, most=LENGTHS[name]) for column, name in ITEM_COLUMNS.items()}
    if (address := texts["image_url"]) and not image_address(address):
        fields.note("image_url", f"{shown(address)} is not the address of an image, e.g. https://shop.example/desk.jpg")
    return texts
