"""Tokens of other services, and who manages them."""

import django_mongodb_backend.fields
from django.db import migrations, models

from orders.migrations._permissions import make_permissions


def grant(apps, schema_editor):
    make_permissions(apps)
    Group, Permission = apps.get_model("auth", "Group"), apps.get_model("auth", "Permission")
    names = ("manage_service_tokens", "place_orders", "read_events")
    for group in Group.objects.filter(name="Manager"):
        group.permissions.add(*Permission.objects.filter(content_type__app_label="orders", codename__in=names))


class Migration(migrations.Migration):
    dependencies = [("orders", "0023_bulk_conditions")]
    operations = [
        migrations.CreateModel(
            name="ServiceToken",
            fields=[
                (
                    "id",
                    django_mongodb_backend.fields.ObjectIdAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=64)),
                ("digest", models.CharField(editable=False, max_length=64)),
                (
                    "scopes",
                    django_mongodb_backend.fields.ArrayField(
                        base_field=models.CharField(max_length=64), default=list
                    ),
                ),
                ("created_at", models.DateTimeField(editable=False)),
                ("created_by", models.CharField(editable=False, max_length=200)),
                ("expires_at", models.DateTimeField(blank=True, editable=False, null=True)),
                ("last_used_at", models.DateTimeField(blank=True, editable=False, null=True)),
                ("revoked_at", models.DateTimeField(blank=True, editable=False, null=True)),
                ("revoked_by", models.CharField(blank=True, default="", editable=False, max_length=200)),
            ],
            options={
                "db_table": "service_tokens",
                "permissions": [
                    ("manage_service_tokens", "Can manage service tokens"),
                    ("place_orders", "Can place orders for any customer"),
                    ("read_events", "Can follow the feed of events"),
                ],
                "default_permissions": (),
                "indexes": [models.Index(fields=["name"], name="token_name")],
            },
        ),
        migrations.RunPython(grant, migrations.RunPython.noop),
    ]
