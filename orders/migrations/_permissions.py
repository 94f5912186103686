"""Permissions that a migration hands out: Django itself makes them only after all migrations have run."""

from django.contrib.auth.management import create_permissions


def make_permissions(apps):
    """Make those that the models of this moment declare."""
    config = apps.get_app_config("orders")
    config.models_module = True
    create_permissions(config, apps=apps, verbosity=0)
    config.models_module = None
