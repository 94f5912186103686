"""Webhook endpoints, and who manages them."""

import django_mongodb_backend.fields
from django.db import migrations, models

from orders.migrations._permissions import make_permissions


def grant(apps, schema_editor):
    make_permissions(apps)
    Group, Permission = apps.get_model("auth", "Group"), apps.get_model("auth", "Permission")
    names = ("view_webhookendpoint", "manage_webhooks")
    for group in Group.objects.filter(name="Manager"):
        group.permissions.add(*Permission.objects.filter(content_type__app_label="orders", codename__in=names))


class Migration(migrations.Migration):
    dependencies = [("orders", "0019_events")]
    operations = [
        migrations.CreateModel(
            name="WebhookEndpoint",
            fields=[
                (
                    "id",
                    django_mongodb_backend.fields.ObjectIdAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("url", models.CharField(max_length=2000)),
                ("description", models.CharField(blank=True, default="", max_length=200)),
                (
                    "types",
                    django_mongodb_backend.fields.ArrayField(
                        base_field=models.CharField(max_length=64), blank=True, default=list
                    ),
                ),
                ("active", models.BooleanField(default=True)),
                (
                    "secrets",
                    django_mongodb_backend.fields.ArrayField(
                        base_field=models.CharField(max_length=100), default=list, editable=False
                    ),
                ),
                ("cursor", models.BigIntegerField(default=0, editable=False)),
                ("failures", models.PositiveIntegerField(default=0, editable=False)),
                ("failing_since", models.DateTimeField(blank=True, editable=False, null=True)),
                ("due_at", models.DateTimeField(blank=True, editable=False, null=True)),
                ("stopped_because", models.CharField(blank=True, default="", editable=False, max_length=300)),
                ("created_at", models.DateTimeField(editable=False)),
                ("created_by", models.CharField(editable=False, max_length=200)),
            ],
            options={
                "db_table": "webhook_endpoints",
                "permissions": [("manage_webhooks", "Can manage webhooks")],
                "default_permissions": ("view",),
                "verbose_name": "webhook",
                "verbose_name_plural": "webhooks",
            },
        ),
        migrations.RunPython(grant, migrations.RunPython.noop),
    ]
