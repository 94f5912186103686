"""A database in which another service has kept orders: its data stay as they are, and what cannot be is said plainly."""

from django.core.management.base import CommandError
from django.db import migrations

COLLECTION = "orders"
FIELDS_OF_ALL = {"user_id", "status", "created_at", "updated_at", "items", "total_price", "shipping_address", "number"}
UNSUITABLE = ("validator", "capped", "timeseries", "viewOn", "collation", "expireAfterSeconds")
INDEX_CONFLICTS = {85, 86, 171}
"""Codes with which mongod refuses an index: another one has its name or its keys, or a document cannot be in it."""


class CreateModel(migrations.CreateModel):
    """Of a collection that exists already, only the indexes are created."""

    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        model = to_state.apps.get_model(app_label, self.name)
        if model._meta.db_table not in schema_editor.connection.database.list_collection_names():
            super().database_forwards(app_label, schema_editor, from_state, to_state)
        elif self.allow_migrate_model(schema_editor.connection.alias, model):
            schema_editor._create_model_indexes(model)


def examine(apps, schema_editor):
    """Refuse a collection of orders in which the orders of this service could not be kept.

    :raises CommandError: nothing was changed.
    """
    database = schema_editor.connection.database
    found = next(iter(database.list_collections(filter={"name": COLLECTION})), None)
    if found is None:
        return
    problems = [f"it has the option {name}" for name in UNSUITABLE if found.get("options", {}).get(name)]
    if found["type"] == "collection":
        indexes = database[COLLECTION].index_information().items()
        problems += [problem for name, index in indexes if (problem := _problem_of(name, index))]
    if problems:
        raise CommandError(
            f"The collection {database.name}.{COLLECTION} is there already, and orders cannot be kept in it: "
            f"{'; '.join(problems)}. Nothing was changed. docs/moving.md says what to do."
        )


def _problem_of(name, index):
    """Why an index of another service would remove or refuse orders; empty where it does not."""
    if name == "_id_":
        return ""
    drop = f"drop it with db.{COLLECTION}.dropIndex({name!r})"
    if "expireAfterSeconds" in index:
        return f"the index {name} deletes documents by their age ({drop})"
    fields = {field.split(".")[0] for field, _ in index["key"]}
    if index.get("unique") and not (index.get("sparse") and not fields & FIELDS_OF_ALL):
        return f"the index {name} is unique, which orders of this service are not in {', '.join(sorted(fields))} ({drop})"
    return ""


def conflict(error):
    """What an operator is told of an index that cannot be created; None if the error is another one."""
    cause = error.__cause__ or error
    if getattr(cause, "code", None) not in INDEX_CONFLICTS:
        return None
    return CommandError(
        f"An index cannot be created: {cause.details.get('errmsg', cause)}. If it is another service's, drop that one "
        "with db.<collection>.dropIndex(<name>), and run migrate again: it goes on from here. No document was changed."
    )
