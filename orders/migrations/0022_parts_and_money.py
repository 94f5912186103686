"""Parcels, parts and money: what is shipped, taken back, paid and given back, and orders that are held.

Orders of before are read as they are: nothing is written into them.
"""

import datetime
from decimal import Decimal

import django_mongodb_backend.fields
from django.db import migrations, models

import orders.models.parts
from orders.migrations._permissions import make_permissions
from orders.migrations._slow import Slow

ROLES = {
    "Support": ["hold_order"],
    "Fulfilment": ["return_order", "hold_order"],
    "Finance": ["hold_order"],
    "Manager": ["return_order", "hold_order"],
}


def grant(apps, schema_editor):
    """To the roles as far as they are still there; the shop may have renamed them."""
    make_permissions(apps)
    Group, Permission = apps.get_model("auth", "Group"), apps.get_model("auth", "Permission")
    for group in Group.objects.filter(name__in=ROLES):
        found = Permission.objects.filter(content_type__app_label="orders", codename__in=ROLES[group.name])
        group.permissions.add(*found)


class Migration(Slow):
    dependencies = [("orders", "0021_reference_index")]
    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.CreateModel(
                    name='Hold',
                    fields=[
                        ('id', django_mongodb_backend.fields.ObjectIdAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('code', models.CharField(max_length=12)),
                        ('reason', models.CharField(blank=True, default='', max_length=500)),
                        ('actor', models.CharField(max_length=200)),
                    ],
                    options={
                        'abstract': False,
                        'default_permissions': (),
                    },
                ),
                migrations.CreateModel(
                    name='Payment',
                    fields=[
                        ('id', django_mongodb_backend.fields.ObjectIdAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('at', models.DateTimeField()),
                        ('amount', models.DecimalField(decimal_places=2, max_digits=14)),
                        ('reference', models.CharField(blank=True, default='', max_length=64)),
                        ('method', models.CharField(blank=True, default='', max_length=40)),
                    ],
                    options={
                        'abstract': False,
                        'default_permissions': (),
                    },
                ),
                migrations.CreateModel(
                    name='Refund',
                    fields=[
                        ('id', django_mongodb_backend.fields.ObjectIdAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('at', models.DateTimeField()),
                        ('amount', models.DecimalField(decimal_places=2, max_digits=14)),
                        ('reference', models.CharField(blank=True, default='', max_length=64)),
                        ('code', models.CharField(blank=True, default='', max_length=12)),
                    ],
                    options={
                        'abstract': False,
                        'default_permissions': (),
                    },
                ),
                migrations.CreateModel(
                    name='Return',
                    fields=[
                        ('id', django_mongodb_backend.fields.ObjectIdAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('at', models.DateTimeField()),
                        ('code', models.CharField(blank=True, default='', max_length=12)),
                        ('received_at', models.DateTimeField(blank=True, null=True)),
                        ('restocked', models.BooleanField(blank=True, null=True)),
                    ],
                    options={
                        'abstract': False,
                        'default_permissions': (),
                    },
                ),
                migrations.CreateModel(
                    name='Shipment',
                    fields=[
                        ('id', django_mongodb_backend.fields.ObjectIdAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('at', models.DateTimeField()),
                        ('carrier', models.CharField(blank=True, default='', max_length=40)),
                        ('tracking_number', models.CharField(blank=True, default='', max_length=64)),
                        ('tracking_url', models.CharField(blank=True, default='', max_length=500)),
                    ],
                    options={
                        'abstract': False,
                        'default_permissions': (),
                    },
                ),
                migrations.AlterModelOptions(
                    name='order',
                    options={'default_permissions': ('view',), 'permissions': [('pay_order', 'Can mark orders as paid'), ('start_processing_order', 'Can start processing orders'), ('ship_order', 'Can ship orders'), ('deliver_order', 'Can mark orders as delivered'), ('cancel_order', 'Can cancel orders'), ('refund_order', 'Can refund orders'), ('return_order', 'Can take back shipped goods'), ('hold_order', 'Can hold orders back, and lift holds'), ('resolve_stock', 'Can settle the stock of lines whose outcome is unknown'), ('change_address', 'Can change where orders are shipped to'), ('write_notes', 'Can write internal notes'), ('export_orders', 'Can export orders'), ('erase_customer', 'Can erase personal data')]},
                ),
                migrations.AddField(
                    model_name='historyentry',
                    name='code',
                    field=models.CharField(blank=True, default='', max_length=12),
                ),
                migrations.AddField(
                    model_name='item',
                    name='removed',
                    field=models.CharField(blank=True, choices=[('cancelled', 'Cancelled'), ('returned', 'Returned')], max_length=10, null=True),
                ),
                migrations.AddField(
                    model_name='item',
                    name='returned_in',
                    field=models.PositiveIntegerField(blank=True, null=True),
                ),
                migrations.AddField(
                    model_name='item',
                    name='shipment',
                    field=models.PositiveIntegerField(blank=True, null=True),
                ),
                migrations.AddField(
                    model_name='item',
                    name='split_from',
                    field=models.PositiveIntegerField(blank=True, null=True),
                ),
                migrations.AddField(
                    model_name='order',
                    name='held_at',
                    field=models.DateTimeField(blank=True, null=True),
                ),
                migrations.AddField(
                    model_name='order',
                    name='hold',
                    field=django_mongodb_backend.fields.EmbeddedModelField(blank=True, embedded_model=orders.models.parts.Hold, null=True),
                ),
                migrations.AddField(
                    model_name='order',
                    name='owed',
                    field=models.DecimalField(blank=True, decimal_places=2, max_digits=14, null=True),
                ),
                migrations.AddField(
                    model_name='order',
                    name='paid',
                    field=models.DecimalField(blank=True, decimal_places=2, max_digits=14, null=True),
                ),
                migrations.AddField(
                    model_name='order',
                    name='payments',
                    field=django_mongodb_backend.fields.EmbeddedModelArrayField(blank=True, default=list, embedded_model=orders.models.parts.Payment),
                ),
                migrations.AddField(
                    model_name='order',
                    name='refunded',
                    field=models.DecimalField(blank=True, decimal_places=2, max_digits=14, null=True),
                ),
                migrations.AddField(
                    model_name='order',
                    name='refunds',
                    field=django_mongodb_backend.fields.EmbeddedModelArrayField(blank=True, default=list, embedded_model=orders.models.parts.Refund),
                ),
                migrations.AddField(
                    model_name='order',
                    name='returns',
                    field=django_mongodb_backend.fields.EmbeddedModelArrayField(blank=True, default=list, embedded_model=orders.models.parts.Return),
                ),
                migrations.AddField(
                    model_name='order',
                    name='shipments',
                    field=django_mongodb_backend.fields.EmbeddedModelArrayField(blank=True, default=list, embedded_model=orders.models.parts.Shipment),
                ),
            ]
        ),
        migrations.AddIndex(
            model_name='order',
            index=models.Index(condition=models.Q(('owed__gt', Decimal('0'))), fields=['-created_at', '-id', 'owed'], name='money_owed'),
        ),
        migrations.AddIndex(
            model_name='order',
            index=models.Index(condition=models.Q(('held_at__gt', datetime.datetime(1970, 1, 1, 0, 0, tzinfo=datetime.timezone.utc))), fields=['-created_at', '-id', 'held_at'], name='held_newest'),
        ),
        migrations.RunPython(grant, migrations.RunPython.noop),
    ]
