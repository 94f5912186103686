"""What the peers call products and customers, written into an order once: it then reads well with every peer down."""

from urllib.parse import urlsplit

from integrations import products, users
from orders.models import Address, Contact, Item, Order
from orders.services.text_rules import fitting, part_problems


def freeze_product(item: Item, product: products.Product) -> None:
    """Write into a line what its product is called."""
    for name in ("name", "sku"):
        setattr(item, name, fitting(getattr(product, name), longest(Item, name)))
    item.image_url = image_address(product.image_url)


def freeze_contact(order: Order, user: users.User) -> None:
    """Write into an order what the user service knows of its customer, where the storefront did not say it."""
    known = Contact(**{name: fitting(getattr(user, name), longest(Contact, name)) for name in ("name", "email")})
    unusable = part_problems(known)
    order.contact = order.contact or Contact()
    for name in ("name", "email"):
        if name not in unusable and not getattr(order.contact, name):
            setattr(order.contact, name, getattr(known, name))


def image_address(given: str) -> str:
    """The address of an image that a page may show; empty if it is none, or too long."""
    if len(given) > longest(Item, "image_url") or not given.isprintable() or " " in given:
        return ""
    try:
        address = urlsplit(given)
    except ValueError:
        return ""
    return given if address.scheme in ("http", "https") and address.hostname else ""


def longest(model: type[Address | Contact | Item], name: str) -> int:
    """How many characters a field of a part may have."""
    most: int = model._meta.get_field(name).max_length
    return most
