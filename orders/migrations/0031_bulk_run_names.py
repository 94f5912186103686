"""What a bulk run is called, as pages of the backoffice show it."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("orders", "0030_snoozing")]
    operations = [
        migrations.AlterModelOptions(
            name="bulkrun",
            options={"default_permissions": ("view",), "verbose_name": "bulk run", "verbose_name_plural": "bulk runs"},
        )
    ]
