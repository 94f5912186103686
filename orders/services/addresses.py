"""Where an order is shipped to: what an address must be, whoever wrote it."""

from django.core.exceptions import ValidationError

from orders.models.parts import Address
from orders.services.texts import one_line, problem_of

ADDRESS_FIELDS = tuple(field.name for field in Address._meta.concrete_fields if not field.primary_key)


def problems_of(address: Address) -> dict[str, list[str]]:
    """Tidy the address's fields. :returns: what is wrong with each; empty if nothing is."""
    for name in ADDRESS_FIELDS:
        setattr(address, name, one_line(getattr(address, name) or ""))
    unreadable = {
        name: [problem] for name in ADDRESS_FIELDS if (problem := problem_of(getattr(address, name))) is not None
    }
    try:
        address.full_clean()
    except ValidationError as error:
        return error.message_dict | unreadable
    return unreadable
