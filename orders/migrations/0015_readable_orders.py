"""What people need to read an order: names, contact, currency, the storefront's reference, and when it was what.

The documents stay as they are: an order without these fields is one that was placed before orders had them.
"""

import django_mongodb_backend.fields
from django.db import migrations, models

import orders.models.parts


def text(model, name, longest):
    return migrations.AddField(model, name, models.CharField(blank=True, default="", max_length=longest))


def moment(name):
    return migrations.AddField("order", name, models.DateTimeField(blank=True, null=True))


def part(name, model, **options):
    field = django_mongodb_backend.fields.EmbeddedModelField(blank=True, embedded_model=model, **options)
    return migrations.AddField("order", name, field)


class Migration(migrations.Migration):
    dependencies = [("orders", "0014_plain_labels")]

    operations = [
        migrations.CreateModel(
            name="Contact",
            fields=[
                (
                    "id",
                    django_mongodb_backend.fields.ObjectIdAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(blank=True, default="", max_length=200)),
                ("email", models.EmailField(blank=True, default="", max_length=254)),
                ("phone", models.CharField(blank=True, default="", max_length=40)),
            ],
            options={"abstract": False, "default_permissions": ()},
        ),
        text("address", "name", 200),
        text("address", "company", 200),
        text("address", "phone", 40),
        text("item", "name", 300),
        text("item", "sku", 64),
        text("item", "image_url", 2000),
        migrations.AlterField("historyentry", "detail", models.CharField(blank=True, default="", max_length=1200)),
        migrations.SeparateDatabaseAndState(
            state_operations=[
                text("order", "currency", 3),
                part("contact", orders.models.parts.Contact, default=orders.models.parts.Contact),
                part("billing_address", orders.models.parts.Address, null=True),
                text("order", "reference", 64),
                text("order", "note", 500),
                migrations.AddField("order", "metadata", models.JSONField(blank=True, default=dict)),
                moment("delivered_at"),
                moment("cancelled_at"),
                moment("refunded_at"),
            ]
        ),
    ]
