"""Views of the list that people keep, who shares them, and an index for orders by their time in a status."""

import django.db.models.deletion
import django_mongodb_backend.fields
from django.conf import settings
from django.db import migrations, models

from orders.migrations._permissions import make_permissions
from orders.migrations._slow import Slow


def grant(apps, schema_editor):
    make_permissions(apps)
    Group, Permission = apps.get_model("auth", "Group"), apps.get_model("auth", "Permission")
    for group in Group.objects.filter(name="Manager"):
        group.permissions.add(Permission.objects.get(content_type__app_label="orders", codename="share_views"))


class Migration(Slow):
    dependencies = [
        ("orders", "0026_foreign_orders"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]
    operations = [
        migrations.CreateModel(
            name="SavedView",
            fields=[
                (
                    "id",
                    django_mongodb_backend.fields.ObjectIdAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "owner",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
                ("name", models.CharField(max_length=60)),
                ("query", models.CharField(blank=True, max_length=2000)),
                ("shared", models.BooleanField(default=False)),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "db_table": "saved_views",
                "permissions": [("share_views", "Can share saved views of the order list")],
                "default_permissions": (),
                "indexes": [models.Index(fields=["shared", "name"], name="view_shared")],
            },
        ),
        migrations.CreateModel(
            name="ListColumns",
            fields=[
                (
                    "id",
                    django_mongodb_backend.fields.ObjectIdAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "names",
                    django_mongodb_backend.fields.ArrayField(
                        base_field=models.CharField(max_length=40), default=list
                    ),
                ),
            ],
            options={"db_table": "list_columns", "default_permissions": ()},
        ),
        # The new index has all that the old one had; it is there before the old one goes.
        migrations.AddIndex("order", models.Index(fields=["status", "status_since", "id"], name="status_age")),
        migrations.RemoveIndex("order", "status_since"),
        migrations.RunPython(grant, migrations.RunPython.noop),
    ]  # fmt: skip
