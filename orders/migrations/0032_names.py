"""What orders, saved views and service tokens are called, as pages of the backoffice show it."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("orders", "0031_bulk_run_names"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="order",
            options={
                "default_permissions": ("view",),
                "permissions": [
                    ("pay_order", "Can mark orders as paid"),
                    ("start_processing_order", "Can start processing orders"),
                    ("ship_order", "Can ship orders"),
                    ("deliver_order", "Can mark orders as delivered"),
                    ("cancel_order", "Can cancel orders"),
                    ("refund_order", "Can refund orders"),
                    ("return_order", "Can take back shipped goods"),
                    ("hold_order", "Can hold orders back, and lift holds"),
                    ("snooze_order", "Can snooze orders that need attention, and wake them up"),
                    ("resolve_stock", "Can settle the stock of lines whose outcome is unknown"),
                    ("change_address", "Can change where orders are shipped to"),
                    ("write_notes", "Can write internal notes"),
                    ("export_orders", "Can export orders"),
                    ("erase_customer", "Can erase personal data"),
                    ("place_for_customer", "Can place orders for customers in the backoffice, and replace unpaid ones"),
                    ("assign_order", "Can assign orders to colleagues"),
                    ("tag_order", "Can tag orders"),
                ],
                "verbose_name": "order",
                "verbose_name_plural": "orders",
            },
        ),
        migrations.AlterModelOptions(
            name="savedview",
            options={
                "default_permissions": (),
                "permissions": [("share_views", "Can share saved views of the order list")],
                "verbose_name": "saved view",
                "verbose_name_plural": "saved views",
            },
        ),
        migrations.AlterModelOptions(
            name="servicetoken",
            options={
                "default_permissions": (),
                "permissions": [
                    ("manage_service_tokens", "Can manage service tokens"),
                    ("place_orders", "Can place orders for any customer"),
                    ("read_events", "Can follow the feed of events"),
                ],
                "verbose_name": "service token",
                "verbose_name_plural": "service tokens",
            },
        ),
    ]
