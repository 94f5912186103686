"""The demo catalogue: plain data, and `seed`, which adds what is missing of it."""

from typing import NamedTuple

from integrations.sandbox.control import Control


class DemoProduct(NamedTuple):
    """A product of the demo; its price is a decimal in the shop's currency, `available` its initial stock (units)."""

    product_id: str
    sku: str
    name: str
    price: str
    category: str
    available: int


class DemoCustomer(NamedTuple):
    """A customer of the demo."""

    user_id: int
    email: str
    full_name: str
    active: bool = True


PRODUCTS = (
    DemoProduct("665f1c0a9b1e8a0012a40001", "TW-LIN-2", "Linen tea towel, set of 2", "14.90", "Kitchen", 1800),
    DemoProduct("665f1c0a9b1e8a0012a40002", "SK-CI-26", "Cast iron skillet, 26 cm", "49.00", "Kitchen", 420),
    DemoProduct("665f1c0a9b1e8a0012a40003", "CD-PO-1", "Pour-over coffee dripper", "24.50", "Kitchen", 960),
    DemoProduct("665f1c0a9b1e8a0012a40004", "CG-BU-H", "Burr coffee grinder, hand-cranked", "79.95", "Kitchen", 350),
    DemoProduct("665f1c0a9b1e8a0012a40005", "KN-CH-20", "Chef's knife, 20 cm", "89.00", "Kitchen", 280),
    DemoProduct("665f1c0a9b1e8a0012a40006", "CB-BE-1", "Beech chopping board", "34.99", "Kitchen", 640),
    DemoProduct("665f1c0a9b1e8a0012a40007", "MG-ST-350", "Stoneware mug, 350 ml", "12.50", "Tableware", 3200),
    DemoProduct("665f1c0a9b1e8a0012a40008", "PL-DI-SP", "Dinner plate, speckled", "16.75", "Tableware", 2400),
    DemoProduct("665f1c0a9b1e8a0012a40009", "CA-CK-1L", "Carafe with cork stopper, 1 l", "27.40", "Tableware", 510),
    DemoProduct("665f1c0a9b1e8a0012a4000a", "BL-WO-130", "Wool blanket, 130 x 180 cm", "119.00", "Home", 300),
    DemoProduct("665f1c0a9b1e8a0012a4000b", "PI-DO-50", "Down pillow, 50 x 70 cm", "64.90", "Home", 450),
    DemoProduct("665f1c0a9b1e8a0012a4000c", "CN-BW-20", "Beeswax candle, 20 cm", "8.20", "Home", 4000),
    DemoProduct("665f1c0a9b1e8a0012a4000d", "LA-BR-1", "Table lamp, brass", "139.50", "Home", 4),
    DemoProduct("665f1c0a9b1e8a0012a4000e", "CL-OA-30", "Wall clock, oak, 30 cm", "72.00", "Home", 330),
    DemoProduct("665f1c0a9b1e8a0012a4000f", "NB-DO-A5", "Dotted notebook, A5", "11.95", "Stationery", 2800),
    DemoProduct("665f1c0a9b1e8a0012a40010", "PE-FO-F", "Fountain pen, fine nib", "42.00", "Stationery", 520),
    DemoProduct("665f1c0a9b1e8a0012a40011", "IN-BB-50", "Ink bottle, blue-black, 50 ml", "13.80", "Stationery", 1100),
    DemoProduct("665f1c0a9b1e8a0012a40012", "CA-DE-1", "Desk calendar", "9.99", "Stationery", 1500),
    DemoProduct("665f1c0a9b1e8a0012a40013", "BA-TO-C", "Canvas tote bag", "19.00", "Bags", 2200),
    DemoProduct("665f1c0a9b1e8a0012a40014", "BP-RT-22", "Roll-top backpack, 22 l", "98.75", "Bags", 380),
    DemoProduct("665f1c0a9b1e8a0012a40015", "KR-LE-1", "Leather key ring", "15.30", "Bags", 1300),
    DemoProduct("665f1c0a9b1e8a0012a40016", "BO-ST-750", "Steel water bottle, 750 ml", "29.90", "Outdoor", 1700),
    DemoProduct("665f1c0a9b1e8a0012a40017", "SA-FO-1", "Folding saw", "37.60", "Outdoor", 7),
    DemoProduct("665f1c0a9b1e8a0012a40018", "TO-HE-R", "Head torch, rechargeable", "44.45", "Outdoor", 600),
)

CUSTOMERS = (
    DemoCustomer(1, "amara.okafor@example.com", "Amara Okafor"),
    DemoCustomer(2, "jonas.lindqvist@example.com", "Jonas Lindqvist"),
    DemoCustomer(3, "mei.tanaka@example.com", "Mei Tanaka"),
    DemoCustomer(4, "rafael.moreno@example.com", "Rafael Moreno"),
    DemoCustomer(5, "ines.carvalho@example.com", "Inês Carvalho"),
    DemoCustomer(6, "priya.raman@example.com", "Priya Raman"),
    DemoCustomer(7, "tomasz.wisniewski@example.com", "Tomasz Wiśniewski"),
    DemoCustomer(8, "claire.dubois@example.com", "Claire Dubois"),
    DemoCustomer(9, "hannah.weiss@example.com", "Hannah Weiß"),
    DemoCustomer(10, "yusuf.demir@example.com", "Yusuf Demir"),
    DemoCustomer(11, "sofia.rossi@example.com", "Sofia Rossi"),
    DemoCustomer(12, "liam.murphy@example.com", "Liam Murphy", active=False),
)


def seed(control: Control) -> None:
    """Add the demo's products and customers that are missing; those that exist stay as they are, stock included."""
    for product in PRODUCTS:
        control.put_product(
            product.product_id,
            name=product.name,
            price=product.price,
            category=product.category,
            sku=product.sku,
            available=product.available,
            overwrite=False,
        )
    for customer in CUSTOMERS:
        control.put_user(
            customer.user_id,
            email=customer.email,
            full_name=customer.full_name,
            active=customer.active,
            overwrite=False,
        )
