"""Orders that need attention can be snoozed. Those that are asleep are found off an index that has nothing else."""

import datetime

import django_mongodb_backend.fields
from django.db import migrations, models

import orders.models.parts
from orders.migrations._permissions import make_permissions
from orders.migrations._slow import Slow, drop_index

ROLES = ["Support", "Fulfilment", "Finance", "Manager"]
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
INDEX = {
    "keys": [("snoozed.until", 1), ("created_at", -1), ("_id", -1)],
    "name": "snoozed",
    "partialFilterExpression": {"snoozed.until": {"$gt": EPOCH}},
}


def create(apps, schema_editor):
    schema_editor.connection.database["orders"].create_index(**INDEX)


def drop(apps, schema_editor):
    drop_index(schema_editor.connection.database, "orders", INDEX["name"])


def grant(apps, schema_editor):
    """To the roles as far as they are still there; the shop may have renamed them."""
    make_permissions(apps)
    Group, Permission = apps.get_model("auth", "Group"), apps.get_model("auth", "Permission")
    found = Permission.objects.filter(content_type__app_label="orders", codename="snooze_order")
    for group in Group.objects.filter(name__in=ROLES):
        group.permissions.add(*found)


class Migration(Slow):
    dependencies = [("orders", "0029_replaced_orders")]
    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.CreateModel(
                    name='Snooze',
                    fields=[
                        ('id', django_mongodb_backend.fields.ObjectIdAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('until', models.DateTimeField()),
                        ('reason', models.CharField(blank=True, default='', max_length=500)),
                        ('actor', models.CharField(max_length=200)),
                        ('alerts', django_mongodb_backend.fields.ArrayField(base_field=models.CharField(max_length=12))),
                        ('status', models.CharField(max_length=10)),
                        ('stock', django_mongodb_backend.fields.ArrayField(base_field=models.CharField(max_length=10))),
                        ('owed', models.DecimalField(blank=True, decimal_places=2, max_digits=14, null=True)),
                    ],
                    options={
                        'abstract': False,
                        'default_permissions': (),
                    },
                ),
                migrations.AlterModelOptions(
                    name='order',
                    options={'default_permissions': ('view',), 'permissions': [('pay_order', 'Can mark orders as paid'), ('start_processing_order', 'Can start processing orders'), ('ship_order', 'Can ship orders'), ('deliver_order', 'Can mark orders as delivered'), ('cancel_order', 'Can cancel orders'), ('refund_order', 'Can refund orders'), ('return_order', 'Can take back shipped goods'), ('hold_order', 'Can hold orders back, and lift holds'), ('snooze_order', 'Can snooze orders that need attention, and wake them up'), ('resolve_stock', 'Can settle the stock of lines whose outcome is unknown'), ('change_address', 'Can change where orders are shipped to'), ('write_notes', 'Can write internal notes'), ('export_orders', 'Can export orders'), ('erase_customer', 'Can erase personal data'), ('place_for_customer', 'Can place orders for customers in the backoffice, and replace unpaid ones'), ('assign_order', 'Can assign orders to colleagues'), ('tag_order', 'Can tag orders')]},
                ),
                migrations.AddField(
                    model_name='order',
                    name='snoozed',
                    field=django_mongodb_backend.fields.EmbeddedModelField(blank=True, embedded_model=orders.models.parts.Snooze, null=True),
                ),
            ]
        ),
        migrations.RunPython(create, drop),
        migrations.RunPython(grant, migrations.RunPython.noop),
    ]
