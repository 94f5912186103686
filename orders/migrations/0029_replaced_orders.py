"""Orders that staff place for customers, and orders that take the place of others."""

import django_mongodb_backend.fields
from django.db import migrations, models

import orders.models.parts
from orders.migrations._permissions import make_permissions

ROLES = ("Support", "Manager")


def grant(apps, schema_editor):
    """To the roles as far as they are still there; the shop may have renamed them."""
    make_permissions(apps)
    Group, Permission = apps.get_model("auth", "Group"), apps.get_model("auth", "Permission")
    for group in Group.objects.filter(name__in=ROLES):
        group.permissions.add(
            *Permission.objects.filter(content_type__app_label="orders", codename="place_for_customer")
        )


class Migration(migrations.Migration):
    dependencies = [("orders", "0028_assigning")]
    operations = [
        # Orders of before are read as they are: nothing is written into them.
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.CreateModel(
                    name='OtherOrder',
                    fields=[
                        ('id', django_mongodb_backend.fields.ObjectIdAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('order_id', django_mongodb_backend.fields.ObjectIdField()),
                        ('number', models.CharField(max_length=14)),
                    ],
                    options={
                        'abstract': False,
                        'default_permissions': (),
                    },
                ),
                migrations.AlterModelOptions(
                    name='order',
                    options={'default_permissions': ('view',), 'permissions': [('pay_order', 'Can mark orders as paid'), ('start_processing_order', 'Can start processing orders'), ('ship_order', 'Can ship orders'), ('deliver_order', 'Can mark orders as delivered'), ('cancel_order', 'Can cancel orders'), ('refund_order', 'Can refund orders'), ('return_order', 'Can take back shipped goods'), ('hold_order', 'Can hold orders back, and lift holds'), ('resolve_stock', 'Can settle the stock of lines whose outcome is unknown'), ('change_address', 'Can change where orders are shipped to'), ('write_notes', 'Can write internal notes'), ('export_orders', 'Can export orders'), ('erase_customer', 'Can erase personal data'), ('place_for_customer', 'Can place orders for customers in the backoffice, and replace unpaid ones'), ('assign_order', 'Can assign orders to colleagues'), ('tag_order', 'Can tag orders')]},
                ),
                migrations.AddField(
                    model_name='order',
                    name='replaced_by',
                    field=django_mongodb_backend.fields.EmbeddedModelField(blank=True, embedded_model=orders.models.parts.OtherOrder, null=True),
                ),
                migrations.AddField(
                    model_name='order',
                    name='replaces',
                    field=django_mongodb_backend.fields.EmbeddedModelField(blank=True, embedded_model=orders.models.parts.OtherOrder, null=True),
                ),
            ]
        ),
        migrations.RunPython(grant, migrations.RunPython.noop),
    ]
