"""Sessions, second factors and the permission to manage colleagues, which managers get."""

import django.db.models.deletion
import django_mongodb_backend.fields
from django.conf import settings
from django.contrib.auth.management import create_permissions
from django.db import migrations, models

LOG = "of_object"


def grant(apps, schema_editor):
    config = apps.get_app_config("orders_project")
    config.models_module = True
    create_permissions(config, apps=apps, verbosity=0)
    config.models_module = None
    Group, Permission = apps.get_model("auth", "Group"), apps.get_model("auth", "Permission")
    for group in Group.objects.filter(name="Manager"):
        group.permissions.add(
            *Permission.objects.filter(content_type__app_label="orders_project", codename="manage_staff")
        )


def create(apps, schema_editor):
    """What mongod deletes by itself, and what was done to somebody, newest first."""
    database = schema_editor.connection.database
    database["staff_sign_ins"].create_index([("kept_until", 1)], name="old", expireAfterSeconds=0)
    database["django_admin_log"].create_index([("object_id", 1), ("action_time", -1)], name=LOG)


def drop(apps, schema_editor):
    database = schema_editor.connection.database
    if LOG in database["django_admin_log"].index_information():
        database["django_admin_log"].drop_index(LOG)


class Migration(migrations.Migration):
    dependencies = [
        ("admin", "0001_initial"),
        ("auth", "0002_plain_indexes"),
        ("orders", "0030_snoozing"),
        ("orders_project", "0002_staff_identities"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]
    operations = [
        migrations.CreateModel(
            name="SecondFactor",
            fields=[
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("secret", models.CharField(max_length=64)),
                ("last_step", models.BigIntegerField()),
                ("since", models.DateTimeField()),
            ],
            options={"db_table": "staff_second_factors", "default_permissions": ()},
        ),
        migrations.CreateModel(
            name="RecoveryCode",
            fields=[
                ("key", models.CharField(max_length=64, primary_key=True, serialize=False)),
                (
                    "user",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to=settings.AUTH_USER_MODEL),
                ),
            ],
            options={"db_table": "staff_recovery_codes", "default_permissions": ()},
        ),
        migrations.CreateModel(
            name="SignIn",
            fields=[
                (
                    "id",
                    django_mongodb_backend.fields.ObjectIdAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "way",
                    models.CharField(
                        choices=[
                            ("password", "Password"),
                            ("code", "Password and code"),
                            ("recovery", "Password and recovery code"),
                            ("provider", "Single sign-on"),
                        ],
                        max_length=10,
                    ),
                ),
                ("began_at", models.DateTimeField()),
                ("seen_at", models.DateTimeField()),
                ("ends_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(null=True)),
                ("ended_by", models.CharField(default="", max_length=150)),
                ("browser", models.CharField(max_length=60)),
                ("address", models.CharField(max_length=45)),
                ("kept_until", models.DateTimeField()),
                (
                    "user",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.CASCADE, to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "db_table": "staff_sign_ins",
                "default_permissions": (),
                "permissions": [("manage_staff", "Can add and manage colleagues")],
                "verbose_name": "sign-in",
                "indexes": [models.Index(fields=["user", "-began_at"], name="sign_ins_newest")],
            },
        ),
        migrations.RunPython(create, drop),
        migrations.RunPython(grant, migrations.RunPython.noop),
    ]
