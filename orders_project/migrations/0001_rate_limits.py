"""Allowances that are whole again need not be kept; mongod clears them away."""

from django.db import migrations


def create(apps, schema_editor):
    database = schema_editor.connection.database
    database["rate_limits"].create_index([("expires_at", 1)], name="expires", expireAfterSeconds=0)


def drop(apps, schema_editor):
    database = schema_editor.connection.database
    if "expires" in database["rate_limits"].index_information():
        database["rate_limits"].drop_index("expires")


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [migrations.RunPython(create, drop)]
