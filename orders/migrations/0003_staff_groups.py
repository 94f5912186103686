"""The four roles of staff, and what each may do to orders. Whoever runs the shop may change them afterwards."""

from django.db import migrations

from orders.migrations._permissions import make_permissions

ROLES = {
    "Support": ["cancel_order"],
    "Fulfilment": ["start_processing_order", "ship_order", "deliver_order"],
    "Finance": ["pay_order", "refund_order"],
    "Manager": [
        "pay_order", "start_processing_order", "ship_order", "deliver_order", "cancel_order", "refund_order",
    ],
}


def create(apps, schema_editor):
    make_permissions(apps)
    Group, Permission = apps.get_model("auth", "Group"), apps.get_model("auth", "Permission")
    for role, names in ROLES.items():
        group, _ = Group.objects.get_or_create(name=role)
        group.permissions.set(
            Permission.objects.filter(content_type__app_label="orders", codename__in=["view_order", *names])
        )


def drop(apps, schema_editor):
    apps.get_model("auth", "Group").objects.filter(name__in=ROLES).delete()


class Migration(migrations.Migration):
    dependencies = [("orders", "0002_indexes_inside_documents"), ("auth", "0002_plain_indexes")]
    operations = [migrations.RunPython(create, drop)]
