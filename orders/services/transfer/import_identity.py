"""By what an order in a file is known again, so that the same record always becomes the same order."""

import hashlib
import re
from dataclasses import dataclass

from bson import ObjectId

from orders.services.identifiers import LONGEST_NUMBER, NUMBER_ALPHABET, OBJECT_ID, grouped
from orders.services.transfer.import_fields import Fields
from orders.services.transfer.import_files import KEYS
from orders.services.transfer.import_parts import LONGEST_REFERENCE
from orders.storage.order_numbers import LOOK_ALIKES


@dataclass(frozen=True)
class Identity:
    """The identity of an order, so that the same record always becomes the same order.

    :ivar number: as given, or derived from the reference.
    :ivar reference: what another system calls it; it identifies the order only where there is no id.
    :ivar given: which of KEYS the file names.
    """

    id: ObjectId
    number: str
    reference: str
    given: tuple[str, ...]


def identity_of(fields: Fields) -> Identity | None:
    """The identity that a record names or that is derived from it; None where neither is possible, which is noted."""
    order_id, reference = fields.text("id", most=24, is_id=True), fields.text("reference", most=200)
    number = fields.text("number", most=LONGEST_NUMBER)
    values = {"id": order_id, "reference": reference, "number": drawn_from(number)}
    given = tuple(name for name in KEYS if values[name])
    if not given:
        if not fields.problems:
            fields.note("", "an id, a reference or a number is needed, to know the order again")
        return None
    digest = hashlib.sha256(f"imported order\0{given[0]}\0{values[given[0]]}".encode()).digest()
    number = number or _number(digest)
    if not order_id:
        return Identity(ObjectId(digest[:12]), number, reference, given)
    if not re.fullmatch(OBJECT_ID, order_id):
        fields.note("id", f"{order_id!r} is not an order id (24 hex digits)")
        return None
    if len(reference) > LONGEST_REFERENCE:
        text = f"it has {len(reference)} characters, {LONGEST_REFERENCE} at most are allowed beside an id"
        fields.note("reference", text)
        return None
    return Identity(ObjectId(order_id), number, reference, given)


def drawn_from(number: str) -> str:
    """What an id is derived from: earlier imports normalised some numbers so, and their orders must be recognised."""
    letters = re.sub(r"[\s-]", "", number).upper().translate(LOOK_ALIKES)
    return grouped(letters) if re.fullmatch(f"[{NUMBER_ALPHABET}]{{12}}", letters) else number


def _number(digest: bytes) -> str:
    return grouped("".join(NUMBER_ALPHABET[byte % 32] for byte in digest[12:24]))
