"""The words by which orders are found, and the index that finds them.

Existing documents stay as they are: `manage.py index_search` gives them their words.
"""

from django.db import migrations, models
from django_mongodb_backend.fields import ArrayField

from orders.migrations._slow import Slow

TERMS = ArrayField(models.CharField(max_length=40), blank=True, default=list, editable=False)


class Migration(Slow):
    dependencies = [("orders", "0015_readable_orders")]
    operations = [
        migrations.SeparateDatabaseAndState(state_operations=[migrations.AddField("order", "terms", TERMS)]),
        migrations.AddIndex("order", models.Index(fields=["terms", "-created_at", "-id"], name="terms_newest")),
    ]
