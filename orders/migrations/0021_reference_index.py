"""Orders are found by the number that the storefront gave them; most have none, and are not in the index."""

from django.db import migrations, models
from django.db.models import Q

from orders.migrations._slow import Slow


class Migration(Slow):
    dependencies = [("orders", "0020_webhooks")]
    operations = [
        migrations.AddIndex(
            "order",
            models.Index(
                fields=["reference", "-created_at", "-id"], name="reference_newest", condition=Q(reference__gt="")
            ),
        )
    ]
