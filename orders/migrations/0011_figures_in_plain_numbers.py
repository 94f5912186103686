"""The figures of a day are plain numbers, in a collection of their own name; those kept before are counted again."""

from django.db import migrations


def drop_packed(apps, schema_editor):
    schema_editor.connection.database.drop_collection("daily_figures")


def drop_plain(apps, schema_editor):
    schema_editor.connection.database.drop_collection("figures_by_day")


class Migration(migrations.Migration):
    dependencies = [("orders", "0010_user_ids_of_any_text")]
    operations = [migrations.RunPython(drop_packed, drop_plain)]
