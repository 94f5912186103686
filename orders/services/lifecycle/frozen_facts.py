"""What the peers call products and customers, written into an order once: it then reads well with every peer down."""

from urllib.parse import urlsplit

from integrations import products, users
from orders.models import Address, Contact, Item, Order
from orders.services.text_rules import SHAPES, fitting, one_line


def freeze_product(item: Item, product: products.Product) -> None:
    """Write into a line what its product is called."""
    for name, fact in product_facts(product).items():
        setattr(item, name, fact)


def freeze_contact(order: Order, user: users.User) -> None:
    """Write into an order what the user service knows of its customer, where the storefront did not say it."""
    for name, fact in user_facts(user).items():
        if not getattr(order.contact, name):
            setattr(order.contact, name, fact)


def product_facts(product: products.Product) -> dict[str, str]:
    """Fields of a line; what the peer does not say, or says in no usable way, is empty."""
    names = {name: fitting(getattr(product, name), longest(Item, name)) for name in ("name", "sku")}
    return names | {"image_url": image_address(product.image_url)}


def user_facts(user: users.User) -> dict[str, str]:
    """Fields of a contact; what the peer does not say, or says in no usable way, is empty."""
    return {"name": fitting(user.name, longest(Contact, "name")), "email": _email(user.email)}


def _email(given: str) -> str:
    # Never cut or corrected: another address would be somebody else's.
    email, (shape, _) = one_line(given[: 2 * longest(Contact, "email")]), SHAPES["email"]
    return email if len(email) <= longest(Contact, "email") and shape.fullmatch(email) else ""


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
