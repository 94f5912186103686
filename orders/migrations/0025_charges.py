"""Charges: what an order of another system costs beside its lines. Orders of before are read as they are."""

import django_mongodb_backend.fields
from django.db import migrations, models

import orders.models.parts


class Migration(migrations.Migration):
    dependencies = [("orders", "0024_service_tokens")]
    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.CreateModel(
                    name="Charge",
                    fields=[
                        ("id", django_mongodb_backend.fields.ObjectIdAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        ("kind", models.CharField(choices=[("shipping", "Shipping"), ("tax", "Tax"), ("discount", "Discount"), ("fee", "Fee")], max_length=10)),
                        ("label", models.CharField(blank=True, default="", max_length=200)),
                        ("amount", models.DecimalField(decimal_places=2, max_digits=14)),
                    ],
                    options={"abstract": False, "default_permissions": ()},
                ),
                migrations.AddField(
                    "order",
                    "charges",
                    django_mongodb_backend.fields.EmbeddedModelArrayField(blank=True, default=list, embedded_model=orders.models.parts.Charge),
                ),
            ]
        ),
    ]
