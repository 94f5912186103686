"""The unique indexes that the backend makes are partial, and the planner does not use those for equality."""

from django.db import migrations


def create(apps, schema_editor):
    database = schema_editor.connection.database
    database["auth_user"].create_index([("username", 1)], name="username_plain")
    database["django_session"].create_index([("session_key", 1)], name="session_key_plain")


def drop(apps, schema_editor):
    database = schema_editor.connection.database
    database["auth_user"].drop_index("username_plain")
    database["django_session"].drop_index("session_key_plain")


class Migration(migrations.Migration):
    dependencies = [("auth", "0001_initial"), ("sessions", "0001_initial")]
    operations = [migrations.RunPython(create, drop)]
