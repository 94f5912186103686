"""The list is filtered by the day on which orders were paid, shipped, delivered, cancelled or refunded."""

import datetime

from django.db import migrations, models
from django.db.models import Q

from orders.migrations._slow import Slow

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def add(status):
    fields, condition = [f"{status}_at", "-created_at", "-id"], Q((f"{status}_at__gt", EPOCH))
    return migrations.AddIndex("order", models.Index(fields=fields, name=f"{status}_newest", condition=condition))


class Migration(Slow):
    dependencies = [("orders", "0017_personal_data")]
    operations = [add(status) for status in ("paid", "shipped", "delivered", "cancelled", "refunded")]
