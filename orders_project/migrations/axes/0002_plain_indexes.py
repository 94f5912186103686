"""What log-ins ask for, by indexes that the planner uses, and mongod clears away what is older than any lock can last."""

from django.db import migrations

DAY = 24 * 3600
NAMES = "who_from_where", "address_time", "old"


def create(apps, schema_editor):
    attempts = schema_editor.connection.database["axes_accessattempt"]
    attempts.create_index([("username", 1), ("ip_address", 1), ("user_agent", 1)], name="who_from_where")
    attempts.create_index([("ip_address", 1), ("attempt_time", 1)], name="address_time")
    attempts.create_index([("attempt_time", 1)], name="old", expireAfterSeconds=DAY)


def drop(apps, schema_editor):
    attempts = schema_editor.connection.database["axes_accessattempt"]
    for name in set(NAMES) & set(attempts.index_information()):
        attempts.drop_index(name)


class Migration(migrations.Migration):
    dependencies = [("axes", "0001_initial")]
    operations = [migrations.RunPython(create, drop)]
