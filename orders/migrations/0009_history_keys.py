"""The idempotency key of a change, in the entry of the history that the change wrote."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("orders", "0008_dashboard_indexes")]

    operations = [
        migrations.AddField("historyentry", "key", models.CharField(blank=True, default="", max_length=64)),
        migrations.AddField("historyentry", "fingerprint", models.CharField(blank=True, default="", max_length=64)),
    ]
