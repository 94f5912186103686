"""Where an order is shipped to: what an address must be, whoever wrote it."""

from django.core.exceptions import ValidationError

from orders.models.parts import Address
from orders.services.texts import line_problem

ADDRESS_FIELDS = tuple(field.name for field in Address._meta.concrete_fields if not field.primary_key)


def problems_of(address: Address) -> dict[str, list[str]]:
    """Strip the address's fields. :returns: what is wrong with each; empty if nothing is."""
    for name in ADDRESS_FIELDS:
        setattr(address, name, (getattr(address, name) or "").strip())
    unreadable = {
        name: [problem] for name in ADDRESS_FIELDS if (problem := line_problem(getattr(address, name))) is not None
    }
    try:
        address.full_clean()
    except ValidationError as error:
        return error.message_dict | unreadable
    return unreadable
