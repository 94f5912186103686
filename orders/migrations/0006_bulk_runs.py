"""Runs over many orders, their batches, who may look at them, and how the orders of a product are found."""

import django_mongodb_backend.fields
import orders.models.parts
from django.db import migrations, models

from orders.migrations._permissions import make_permissions
from orders.migrations._slow import Slow, drop_index

INDEXES = {
    "orders": [
        {"keys": [("items.product_id", 1), ("created_at", -1), ("_id", -1)], "name": "product_newest"},
    ],
    "bulk_batches": [
        {
            # The next batch to claim; and the figures of a run, read from the index alone.
            "keys": [
                ("run", 1), ("state", 1), ("n", 1),
                *((name, 1) for name in ("size", "done", "already", "refused", "failed")),
            ],
            "name": "bulk_tally",
        },
    ],
}
ROLES = ("Support", "Fulfilment", "Finance", "Manager")


def create(apps, schema_editor):
    for collection, indexes in INDEXES.items():
        for options in indexes:
            schema_editor.connection.database[collection].create_index(**options)


def drop(apps, schema_editor):
    for collection, indexes in INDEXES.items():
        for options in indexes:
            drop_index(schema_editor.connection.database, collection, options["name"])


def grant(apps, schema_editor):
    make_permissions(apps)
    permission = apps.get_model("auth", "Permission").objects.get(
        content_type__app_label="orders", codename="view_bulkrun"
    )
    for group in apps.get_model("auth", "Group").objects.filter(name__in=ROLES):
        group.permissions.add(permission)


class Migration(Slow):

    dependencies = [
        ('orders', '0005_staff_work'),
    ]

    operations = [
        migrations.CreateModel(
            name='BulkRun',
            fields=[
                ('id', django_mongodb_backend.fields.ObjectIdAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('transition', models.CharField(max_length=32)),
                ('selection', models.JSONField(default=dict)),
                ('reason', models.CharField(blank=True, default='', max_length=500)),
                ('actor_kind', models.CharField(max_length=10)),
                ('actor_id', models.CharField(max_length=150)),
                ('via', models.CharField(max_length=20)),
                ('state', models.CharField(choices=[('selecting', 'Selecting'), ('queued', 'Queued'), ('running', 'Running'), ('paused', 'Paused'), ('done', 'Done'), ('cancelled', 'Cancelled'), ('failed', 'Failed')], default='selecting', max_length=10)),
                ('for_worker', models.BooleanField(default=False)),
                ('batch_size', models.PositiveIntegerField(default=1)),
                ('selected', models.BooleanField(default=False)),
                ('total', models.PositiveIntegerField(default=0)),
                ('done', models.PositiveIntegerField(default=0)),
                ('already', models.PositiveIntegerField(default=0)),
                ('refused', models.PositiveIntegerField(default=0)),
                ('failed', models.PositiveIntegerField(default=0)),
                ('pauses', models.PositiveIntegerField(default=0)),
                ('in_vain', models.PositiveIntegerField(default=0)),
                ('paused_until', models.DateTimeField(blank=True, null=True)),
                ('last_error', models.CharField(blank=True, default='', max_length=500)),
                ('attempt', django_mongodb_backend.fields.EmbeddedModelField(blank=True, embedded_model=orders.models.parts.Attempt, null=True)),
                ('created_at', models.DateTimeField()),
                ('started_at', models.DateTimeField(blank=True, null=True)),
                ('finished_at', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'db_table': 'bulk_runs',
                'default_permissions': ('view',),
                'indexes': [models.Index(fields=['-created_at', '-id'], name='bulk_newest'), models.Index(fields=['for_worker', 'state', 'created_at'], name='bulk_for_worker')],
            },
        ),
        migrations.RunPython(create, drop),
        migrations.RunPython(grant, migrations.RunPython.noop),
    ]
